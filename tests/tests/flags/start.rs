//! One start of a server, until it serves or ends.

use crate::rows::Row;
use etcd_tests::process::{dying_with_us, server_is_ours, server_program, unconfigured};
use etcd_tests::{Certificates, Scene, ports};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Within this time a server serves or ends.
const LIMIT: Duration = Duration::from_secs(25);
/// Within this time a server ends that was told to.
const END_LIMIT: Duration = Duration::from_secs(20);
/// How long etcd may take to find out that it does not serve, after it said that it does.
const AFTERTHOUGHT: Duration = Duration::from_millis(400);
/// How often it is looked whether it ended.
const PACE: Duration = Duration::from_millis(20);

/// The flags that every row begins with.
const ALONE: &[(&str, &str)] = &[
    ("name", "one"),
    ("data-dir", "{dir}/data"),
    ("listen-client-urls", "http://{client}"),
    ("advertise-client-urls", "http://{client}"),
    ("listen-peer-urls", "http://{peer}"),
    ("initial-advertise-peer-urls", "http://{peer}"),
    ("initial-cluster", "one=http://{peer}"),
];

/// Where the rows of a file are tried.
pub(crate) struct Ground {
    scene: Scene,
    certificates: Certificates,
    program: PathBuf,
}

impl Ground {
    /// A new folder with certificates.
    pub(crate) fn new() -> Ground {
        let scene = Scene::new();
        let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
        let certificates = Certificates::new(&scene.home().join("certificates"), &[loopback]);
        Ground { scene, certificates, program: server_program() }
    }

    /// What comes of a row.
    pub(crate) fn try_row(&self, row: &Row) -> String {
        let folder = self.scene.home().join(row.number.to_string());
        std::fs::create_dir(&folder).expect("every row has a folder of its own");
        let names = self.names(&folder);
        let fill = |text: &str| {
            names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
        };
        let (environment, arguments): (Vec<&String>, Vec<&String>) =
            row.words.iter().partition(|word| word.starts_with("ETCD_"));
        let mut command = unconfigured(&self.program);
        command.current_dir(&folder);
        for (flag, value) in ALONE {
            if !row.words.iter().any(|word| names_flag(word, flag)) {
                command.arg(format!("--{flag}={}", fill(value)));
            }
        }
        for (name, value) in environment.iter().filter_map(|word| word.split_once('=')) {
            command.env(name, fill(value));
        }
        command.args(arguments.iter().filter(|word| !word.starts_with('^')).map(|word| fill(word)));
        let result = Start::of(dying_with_us(&command), &folder.join("notify")).result();
        // What is the row's own has its name again.
        names.iter().fold(result, |text, (name, value)| text.replace(value, name))
    }

    /// What stands in braces in rows and results.
    fn names(&self, folder: &Path) -> Vec<(&'static str, String)> {
        let address = || format!("127.0.0.1:{}", ports::free());
        let text = |path: &Path| path.display().to_string();
        let files = &self.certificates;
        vec![
            ("{dir}", text(folder)),
            ("{client}", address()),
            ("{peer}", address()),
            ("{other}", address()),
            ("{another}", address()),
            ("{ca}", text(&files.ca)),
            ("{cert}", text(&files.server)),
            ("{key}", text(&files.server_key)),
        ]
    }
}

/// Whether a word of a row gives a flag or takes it away.
fn names_flag(word: &str, flag: &str) -> bool {
    let variable = format!("ETCD_{}", flag.to_ascii_uppercase().replace('-', "_"));
    let name = word.split('=').next().unwrap_or_default();
    name == variable || name == format!("^{flag}") || name.trim_start_matches('-') == flag
}

/// A server that was started.
struct Start {
    child: Child,
    output: [JoinHandle<String>; 2],
    /// Where it says that it serves, as to systemd.
    ready: UnixDatagram,
}

impl Start {
    fn of(mut command: Command, socket: &Path) -> Start {
        let ready = UnixDatagram::bind(socket).expect("a socket");
        ready.set_read_timeout(Some(PACE)).expect("a time limit");
        let mut child = command
            .env("NOTIFY_SOCKET", socket)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = child.stdout.take().expect("it was asked for");
        let stderr = child.stderr.take().expect("it was asked for");
        Start { child, output: [read_all(stderr), read_all(stdout)], ready }
    }

    /// `serves`, how it ends, or that it does neither.
    fn result(mut self) -> String {
        let ended = self.wait_for_start();
        let told = match &ended {
            Started::Ended(_) => None,
            Started::Serves | Started::Waits => {
                if !server_is_ours() {
                    // It may say that it serves before it finds what keeps it from that.
                    self.look_on();
                }
                let signal =
                    if matches!(ended, Started::Serves) { Signal::TERM } else { Signal::KILL };
                // It may have ended by itself meanwhile.
                let _ = kill_process(Pid::from_child(&self.child), signal);
                Some(self.wait_for_end())
            }
        };
        let output = self.output.map(|reader| reader.join().expect("a pipe can be read"));
        match (ended, told) {
            (Started::Ended(status), _) => end(status, &output),
            (Started::Waits, _) => "neither serves nor ends".to_owned(),
            (Started::Serves, Some(status)) if status.signal() == Some(Signal::TERM.as_raw()) => {
                "serves".to_owned()
            }
            // It had gone on with its start.
            (Started::Serves, Some(status)) => end(status, &output),
            (Started::Serves, None) => unreachable!("whoever serves is ended"),
        }
    }

    fn wait_for_start(&mut self) -> Started {
        let deadline = Instant::now() + LIMIT;
        let mut message = [0; 256];
        loop {
            match self.ready.recv(&mut message) {
                Ok(len) if message[..len].starts_with(b"READY=1") => return Started::Serves,
                Ok(_) => {}
                Err(error) => assert!(
                    [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()),
                    "{error}"
                ),
            }
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return Started::Ended(status);
            }
            if Instant::now() >= deadline {
                return Started::Waits;
            }
        }
    }

    /// Waits for a while, less when it ends.
    fn look_on(&mut self) {
        let deadline = Instant::now() + AFTERTHOUGHT;
        let mut message = [0; 256];
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            // Nothing more is said here: it is the pause between two looks.
            let _ = self.ready.recv(&mut message);
        }
    }

    fn wait_for_end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + END_LIMIT;
        let mut message = [0; 256];
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            if Instant::now() >= deadline {
                // The result is then that it was killed.
                let _ = self.child.kill();
            }
            // Nothing more is said here: it is the pause between two looks.
            let _ = self.ready.recv(&mut message);
        }
    }
}

/// What a server does first.
enum Started {
    Serves,
    Waits,
    Ended(ExitStatus),
}

fn read_all(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe can be read");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The end of a process in one line: its status, and the first thing that it complains of.
fn end(status: ExitStatus, [stderr, stdout]: &[String; 2]) -> String {
    let code = match status.code() {
        None => return format!("ends with {status}"),
        Some(0) => return format!("exit 0: {}", stdout.lines().next().unwrap_or_default()),
        Some(code) => code,
    };
    let mut lines = stderr.lines().chain(stdout.lines());
    let logged = lines.clone().find_map(complaint);
    let plain = lines.find(|line| !line.is_empty() && !line.starts_with('{'));
    // What is wrong with the words themselves is told without the log.
    let message = if code == 2 { plain.map(str::to_owned).or(logged) } else { logged };
    match message {
        Some(message) => format!("exit {code}: {}", message.replace('\n', "\\n")),
        None => format!("exit {code}"),
    }
}

/// The error in a line of the log that tells why the process ends.
fn complaint(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let text = |field: &str| line.get(field).and_then(Value::as_str);
    let is_last = text("msg") == Some("failed to verify flags")
        || ["fatal", "panic"].contains(&text("level").unwrap_or_default());
    is_last.then(|| text("error").or(text("msg")).unwrap_or_default().to_owned())
}
