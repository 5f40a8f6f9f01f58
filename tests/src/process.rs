//! One server process, its log, and its end.

use rustix::process::Pid;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use rustix::process::Signal;

/// How many of a log's last lines are shown when a test fails.
const SHOWN_LINES: usize = 40;

/// The server under test: what `ETCD_SERVER` names, else this project's, beside the test binary.
///
/// # Panics
///
/// When it is not there.
pub fn server_program() -> PathBuf {
    let program = std::env::var_os("ETCD_SERVER").map_or_else(built_server, PathBuf::from);
    assert!(
        program.is_file(),
        "{} is not there: `cargo build -p etcd-server`, or let ETCD_SERVER name a server",
        program.display()
    );
    program
}

/// `target/PROFILE/etcd-server`; this program is in `target/PROFILE` or, a test, in its `deps`.
fn built_server() -> PathBuf {
    let own = std::env::current_exe().expect("a running program has a path");
    let mut folders = own.ancestors().skip(1).filter(|folder| !folder.ends_with("deps"));
    folders.next().expect("programs are in a folder").join("etcd-server")
}

/// Whether the server under test is this project's, and not a real etcd.
pub fn server_is_ours() -> bool {
    std::env::var_os("ETCD_SERVER").is_none_or(|path| {
        PathBuf::from(path).file_name().is_some_and(|name| name == "etcd-server")
    })
}

/// A running process whose standard error is read line by line. Killed when dropped.
pub struct Process {
    name: String,
    child: Child,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    state: Mutex<LogState>,
    changed: Condvar,
}

#[derive(Default)]
struct LogState {
    lines: Vec<String>,
    /// The process closed its standard error, which it does when it ends.
    ended: bool,
}

impl Process {
    /// Starts a command, its log also going to a file. It dies with the calling thread.
    ///
    /// # Panics
    ///
    /// When the program cannot be started.
    pub fn start(name: &str, command: &Command, log_file: File) -> Process {
        let mut child = dying_with_us(command)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stderr = child.stderr.take().expect("it was asked for");
        let log = Arc::new(Log::default());
        let ours = Arc::clone(&log);
        std::thread::spawn(move || ours.read(BufReader::new(stderr), log_file));
        Process { name: name.to_owned(), child, log }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the process has logged so far.
    pub fn lines(&self) -> Vec<String> {
        self.log.lock().lines.clone()
    }

    /// Waits for a line of the log that contains `part`, and returns it; `None` when the process
    /// ended or the time was up first.
    pub fn find_line(&self, part: &str, limit: Duration) -> Option<String> {
        let deadline = Instant::now() + limit;
        let mut seen = 0;
        let mut state = self.log.lock();
        loop {
            let found = state.lines[seen..].iter().find(|line| contains(line, part));
            if let Some(line) = found {
                return Some(line.clone());
            }
            seen = state.lines.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if state.ended || left.is_zero() {
                return None;
            }
            state = self
                .log
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits for a line of the log that contains `part`, whatever the case of its letters.
    ///
    /// # Panics
    ///
    /// When the process ends or the time is up first.
    #[track_caller]
    pub fn wait_for_line(&self, part: &str, limit: Duration) -> String {
        let Some(line) = self.find_line(part, limit) else {
            let ended = if self.log.lock().ended { "it ended" } else { "it runs" };
            panic!("{}: no line with {part:?} within {limit:?}; {ended}", self.name);
        };
        line
    }

    /// Sends a signal.
    ///
    /// # Panics
    ///
    /// When the process is gone.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal)
            .unwrap_or_else(|error| panic!("{}: signal {signal:?}: {error}", self.name));
    }

    /// Waits until the process ends by itself or by a signal sent before.
    ///
    /// # Panics
    ///
    /// When the time is up first.
    #[track_caller]
    pub fn wait_for_exit(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        let mut state = self.log.lock();
        while !state.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(state);
                self.show_log();
                panic!("{} still runs after {limit:?}", self.name);
            }
            state = self
                .log
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        drop(state);
        self.child.wait().expect("a child can be waited for")
    }

    /// Ends the process with this signal and waits for it.
    ///
    /// # Panics
    ///
    /// When it ends otherwise than by the signal.
    #[track_caller]
    pub fn end(&mut self, signal: Signal) {
        self.signal(signal);
        let status = self.wait_for_exit(Duration::from_secs(20));
        if status.signal() != Some(signal.as_raw()) {
            self.show_log();
            panic!("{} ended with {status} after {signal:?}", self.name);
        }
    }

    /// Prints the end of the log, for a person who reads a failed test.
    #[expect(clippy::print_stderr, reason = "the log of a failed test is for a person")]
    pub fn show_log(&self) {
        let state = self.log.lock();
        let first = state.lines.len().saturating_sub(SHOWN_LINES);
        eprintln!("--- {}: the last of {} lines", self.name, state.lines.len());
        for line in &state.lines[first..] {
            eprintln!("{line}");
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show_log();
        }
        // It may be gone already; a process that nobody waited for still has its id.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Log {
    fn lock(&self) -> std::sync::MutexGuard<'_, LogState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, stderr: impl BufRead, mut file: File) {
        for line in stderr.split(b'\n') {
            let Ok(line) = line else { break };
            let line = String::from_utf8_lossy(&line).into_owned();
            // The copy on disk is for people; the test goes on without it.
            let _ = writeln!(file, "{line}");
            self.lock().lines.push(line);
            self.changed.notify_all();
        }
        self.lock().ended = true;
        self.changed.notify_all();
    }
}

fn contains(line: &str, part: &str) -> bool {
    line.to_ascii_lowercase().contains(&part.to_ascii_lowercase())
}

/// A command with the inherited environment, of which no `ETCD_…` is left.
pub fn unconfigured(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ETCD_") {
            command.env_remove(name);
        }
    }
    command
}

/// The same command, killed by the kernel when the thread that starts it ends: a test that is
/// itself killed leaves no server behind.
pub fn dying_with_us(command: &Command) -> Command {
    let mut wrapped = Command::new("setpriv");
    wrapped.args(["--pdeathsig", "KILL", "--"]);
    wrapped.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        wrapped.current_dir(directory);
    }
    wrapped
}
