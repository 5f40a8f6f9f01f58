//! One member: how it is started, where it is reached, and its process.

use crate::process::{Process, Signal, server_program, unconfigured};
use crate::{Client, Failure};
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Within this time a member must serve, on a slow machine too.
const READY: Duration = Duration::from_secs(30);

/// The line that says so. It comes after the member has published itself through raft.
const READY_LINE: &str = "ready to serve client requests";

/// Where a member's process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the network namespace of the test.
    Here,
    /// In the network namespace with this name.
    Namespace(String),
}

/// One member. Its process is killed when it is dropped.
pub struct Member {
    /// `--name`.
    pub name: String,
    /// Where it serves clients without TLS.
    pub client_url: String,
    /// Where it serves clients: the same, or with TLS.
    pub advertised_url: String,
    /// Where it serves its peers.
    pub peer_url: String,
    /// Where it keeps everything.
    pub data_dir: PathBuf,
    /// The program, if it is another than the server under test.
    pub program: Option<PathBuf>,
    /// The command line, without the program.
    pub arguments: Vec<String>,
    /// The environment beside the inherited one, of which no `ETCD_…` is left.
    pub environment: Vec<(String, String)>,
    place: Place,
    log_file: PathBuf,
    process: Option<Process>,
}

impl Member {
    /// A member that is not started and has no arguments yet.
    pub fn new(name: &str, home: &Path, place: Place) -> Member {
        Member {
            name: name.to_owned(),
            client_url: String::new(),
            advertised_url: String::new(),
            peer_url: String::new(),
            data_dir: home.join(format!("{name}.etcd")),
            program: None,
            arguments: Vec::new(),
            environment: Vec::new(),
            place,
            log_file: home.join(format!("{name}.log")),
            process: None,
        }
    }

    /// The one member of a cluster of its own on loopback, with its arguments.
    pub fn alone(home: &Path) -> Member {
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let mut member = Member::new("alone", home, Place::Here);
        member.client_url = url(crate::ports::free());
        member.advertised_url.clone_from(&member.client_url);
        member.peer_url = url(crate::ports::free());
        member.arguments = vec![
            "--name=alone".to_owned(),
            format!("--data-dir={}", member.data_dir.display()),
            format!("--listen-client-urls={}", member.client_url),
            format!("--advertise-client-urls={}", member.client_url),
            format!("--listen-peer-urls={}", member.peer_url),
            format!("--initial-advertise-peer-urls={}", member.peer_url),
            format!("--initial-cluster=alone={}", member.peer_url),
        ];
        member
    }

    /// Gives a flag of the form `--flag=value` another value; adds it when it is not there.
    pub fn set_flag(&mut self, flag: &str, value: &str) {
        let prefix = format!("{flag}=");
        self.arguments.retain(|argument| !argument.starts_with(&prefix));
        self.arguments.push(format!("{prefix}{value}"));
    }

    /// The command that starts it.
    fn command(&self) -> Command {
        let program = self.program.clone().unwrap_or_else(server_program);
        let mut command = match &self.place {
            Place::Here => unconfigured(program),
            Place::Namespace(name) => {
                let mut command = unconfigured("ip");
                command.args(["netns", "exec", name]).arg(program);
                command
            }
        };
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.args(&self.arguments);
        command
    }

    /// Starts its process, which must not run already.
    ///
    /// # Panics
    ///
    /// When it runs, or cannot be started.
    #[track_caller]
    pub fn start(&mut self) {
        assert!(self.process.is_none(), "{} runs already", self.name);
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).open(&self.log_file).expect("a log file");
        self.process = Some(Process::start(&self.name, &self.command(), file));
    }

    /// Waits until it serves clients.
    ///
    /// # Panics
    ///
    /// When it does not in time.
    #[track_caller]
    pub fn wait_until_ready(&self) {
        self.process().wait_for_line(READY_LINE, READY);
    }

    /// Whether it has not served clients, and does not begin to within this time.
    pub fn stays_unready(&self, limit: Duration) -> bool {
        self.process().find_line(READY_LINE, limit).is_none()
    }

    /// Ends its process with a signal.
    ///
    /// # Panics
    ///
    /// When it does not run, or does not end by the signal.
    #[track_caller]
    pub fn end(&mut self, signal: Signal) {
        self.process.take().expect("it runs").end(signal);
    }

    /// Takes its process away, for a caller that waits for its end.
    ///
    /// # Panics
    ///
    /// When it was not started.
    #[track_caller]
    pub fn take_process(&mut self) -> Process {
        self.process.take().expect("it was started")
    }

    /// Its process.
    ///
    /// # Panics
    ///
    /// When it was not started.
    #[track_caller]
    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("it was started")
    }

    /// Whether it was started and not ended by the test.
    pub fn is_started(&self) -> bool {
        self.process.is_some()
    }

    /// A client of it, without TLS.
    pub fn client(&self) -> Client {
        Client::new(&self.client_url)
    }

    /// Its id and whether it says that it leads.
    ///
    /// # Errors
    ///
    /// [`Failure`], when it does not answer within a second.
    pub fn role(&self) -> Result<(u64, bool), Failure> {
        let client = self.client().with_deadline(Duration::from_secs(1));
        let status = client.status()?;
        let id = status.header.unwrap_or_default().member_id;
        Ok((id, status.leader == id))
    }

    /// Deletes its data; it begins anew.
    ///
    /// # Panics
    ///
    /// When it cannot be deleted.
    pub fn forget(&self) {
        fs::remove_dir_all(&self.data_dir).expect("its data directory");
    }
}
