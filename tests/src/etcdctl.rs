//! etcd's own command line, in the two versions that the tests hold this project to.

use crate::{Certificates, golang};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

/// Within this time a line is printed, on a slow machine too.
const LINE_LIMIT: Duration = Duration::from_secs(20);

/// One version of etcdctl, and how it reaches a cluster.
#[derive(Debug, Clone)]
pub struct Etcdctl {
    program: PathBuf,
    /// Which version it is, like `3.7`.
    pub version: &'static str,
    environment: Vec<(&'static str, String)>,
    namespace: Option<String>,
}

impl Etcdctl {
    /// Debian's, 3.4.23.
    ///
    /// # Panics
    ///
    /// When it is not installed.
    pub fn debian() -> Etcdctl {
        let program = PathBuf::from("/usr/bin/etcdctl");
        assert!(program.is_file(), "no /usr/bin/etcdctl: apt-get install etcd-client");
        Etcdctl::of(program, "3.4")
    }

    /// The newest, 3.7.1, built once from Go modules.
    ///
    /// # Panics
    ///
    /// When Go is not installed or cannot build it.
    pub fn newest() -> Etcdctl {
        static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
        let build = || golang::build("go.etcd.io/etcd/etcdctl/v3", "etcdctl-3.7.1");
        Etcdctl::of(PROGRAM.get_or_init(build).clone(), "3.7")
    }

    /// Both versions, the older first.
    pub fn both() -> [Etcdctl; 2] {
        [Etcdctl::debian(), Etcdctl::newest()]
    }

    fn of(program: PathBuf, version: &'static str) -> Etcdctl {
        // Commands that it runs can run it, too.
        let itself = ("SELF", text(&program));
        Etcdctl {
            program,
            version,
            environment: vec![("ETCDCTL_API", "3".to_owned()), itself],
            namespace: None,
        }
    }

    /// The same, speaking to these endpoints.
    #[must_use]
    pub fn with_endpoints<T: AsRef<str>>(mut self, urls: &[T]) -> Etcdctl {
        let urls: Vec<&str> = urls.iter().map(AsRef::as_ref).collect();
        self.environment.push(("ETCDCTL_ENDPOINTS", urls.join(",")));
        self
    }

    /// The same, trusting an authority.
    #[must_use]
    pub fn with_authority(mut self, certificates: &Certificates) -> Etcdctl {
        self.environment.push(("ETCDCTL_CACERT", text(&certificates.ca)));
        self
    }

    /// The same, trusting an authority and showing its client certificate.
    #[must_use]
    pub fn with_certificate(mut self, certificates: &Certificates) -> Etcdctl {
        self = self.with_authority(certificates);
        self.environment.push(("ETCDCTL_CERT", text(&certificates.client)));
        self.environment.push(("ETCDCTL_KEY", text(&certificates.client_key)));
        self
    }

    /// The same, run inside a network namespace.
    #[must_use]
    pub fn inside(mut self, namespace: &str) -> Etcdctl {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// Runs it with these arguments.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn run(&self, arguments: &[&str], input: &str) -> Output {
        self.start(arguments, input).wait_with_output().expect("a child can be waited for")
    }

    /// Runs it with these arguments, and interrupts it once it has printed so many lines.
    ///
    /// # Panics
    ///
    /// When it cannot be started, or does not print them in time.
    pub fn run_until(&self, lines: usize, arguments: &[&str], input: &str) -> Output {
        let mut child = self.start(arguments, input);
        let stdout = child.stdout.take().expect("it was asked for");
        let (sender, printed) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n') {
                let line = line.expect("a pipe can be read");
                // Nobody listens any more when the test has failed.
                let _ = sender.send(line);
            }
        });
        let awaited: Vec<_> =
            (0..lines).map_while(|_| printed.recv_timeout(LINE_LIMIT).ok()).collect();
        // It may have ended by itself.
        let _ = kill_process(Pid::from_child(&child), Signal::INT);
        let mut output = child.wait_with_output().expect("a child can be waited for");
        for line in awaited.into_iter().chain(printed) {
            output.stdout.extend(line);
            output.stdout.push(b'\n');
        }
        output
    }

    fn start(&self, arguments: &[&str], input: &str) -> Child {
        let mut command = match &self.namespace {
            None => Command::new("env"),
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace, "env"]);
                command
            }
        };
        // Whoever runs the tests in the background of a shell has it ignore interrupts, and what it
        // starts would, too.
        command.arg("--default-signal=INT").arg(&self.program);
        command.args(arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut stdin = child.stdin.take().expect("it was asked for");
        // A command that reads no input may be gone before it is written.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        child
    }

    /// Runs it with these arguments and returns what it printed.
    ///
    /// # Panics
    ///
    /// When it fails.
    #[track_caller]
    pub fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments, "");
        assert!(
            output.status.success(),
            "etcdctl {} {}: {}",
            self.version,
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs it with these arguments and returns what it complained of.
    ///
    /// # Panics
    ///
    /// When it succeeds.
    #[track_caller]
    pub fn fail(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments, "");
        assert!(
            !output.status.success(),
            "etcdctl {} {} should have failed: {}",
            self.version,
            arguments.join(" "),
            String::from_utf8_lossy(&output.stdout)
        );
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
