//! The real etcd: which program it is, and how it is started.

use super::MAX_REQUEST_BYTES;
use crate::{Member, golang};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Debian's, 3.4.23.
const DEBIAN: &str = "/usr/bin/etcd";

/// A program that is a real etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// etcd 3.7.1 as a library in a program of the tests' own, which starts in no time.
    Embedded(PathBuf),
    /// A whole server with etcd's flags.
    Server(PathBuf),
}

impl Program {
    /// The best that this machine has: 3.7.1, built once from Go modules, else Debian's 3.4.23.
    ///
    /// # Panics
    ///
    /// When it has neither, or Go cannot build it.
    pub fn find() -> Program {
        if golang::is_installed() {
            return Program::Embedded(golang::build("./reference", "reference-3.7.1"));
        }
        let debian = PathBuf::from(DEBIAN);
        assert!(debian.is_file(), "neither Go nor {DEBIAN}: apt-get install golang-go");
        Program::Server(debian)
    }

    /// Starts it with an empty store in `home` and more flags, and waits until it serves.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub(crate) fn start(&self, home: &Path, name: &str, flags: &[String]) -> Reference {
        match self {
            Program::Embedded(program) => Reference::start_embedded(program, home, name, flags),
            Program::Server(program) => Reference::start_server(program, home, name, flags),
        }
    }
}

/// A running one of one member. It ends with this value.
pub(crate) struct Reference {
    /// Where it serves clients.
    pub(crate) url: String,
    _process: Running,
}

enum Running {
    Embedded { _process: Embedded },
    Server { _process: Box<Member> },
}

/// It ends by itself when its standard input closes: it never outlives this process.
struct Embedded(Child);

impl Reference {
    fn start_embedded(program: &Path, home: &Path, name: &str, flags: &[String]) -> Reference {
        let log = File::create(home.join(format!("{name}.log"))).expect("a log file");
        let mut child = Command::new(program)
            .arg(format!("--data-dir={}", home.join(name).display()))
            .arg(format!("--max-request-bytes={MAX_REQUEST_BYTES}"))
            // It leads at once. How long leases live at least comes from the election's time.
            .args(["--heartbeat-interval=10", "--election-timeout=1000"])
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let stdout = child.stdout.take().expect("it was asked for");
        let process = Embedded(child);
        let mut url = String::new();
        BufReader::new(stdout).read_line(&mut url).expect("its words are text");
        assert!(url.starts_with("http"), "{name} has no URL but {url:?}");
        Reference {
            url: url.trim_end().to_owned(),
            _process: Running::Embedded { _process: process },
        }
    }

    fn start_server(program: &Path, home: &Path, name: &str, flags: &[String]) -> Reference {
        let mut member = Member::alone(&home.join(name));
        member.program = Some(program.to_owned());
        member.arguments.push(format!("--max-request-bytes={MAX_REQUEST_BYTES}"));
        member.arguments.extend_from_slice(flags);
        std::fs::create_dir(home.join(name)).expect("a folder");
        member.start();
        member.wait_until_ready();
        Reference {
            url: member.client_url.clone(),
            _process: Running::Server { _process: Box::new(member) },
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
