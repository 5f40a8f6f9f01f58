//! One member's process, with a root, a user and a network of its own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::rocksdb::tail;

/// How often a process is looked at that shall end.
const LOOK: Duration = Duration::from_millis(20);
/// How much of a log is shown.
const LOG_LINES: usize = 20;
/// Where a container looks for programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a process is to the system that runs it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The first process of a container, which ends with status 0 when it is told to stop.
    Container,
    /// A service of the machine's, which ends by the signal that told it to.
    Service,
}

/// What is run, and where.
pub(crate) struct Launch<'a> {
    pub(crate) role: Role,
    /// The network namespace.
    pub(crate) namespace: &'a str,
    pub(crate) root: &'a Path,
    /// The folder in the root in which it starts.
    pub(crate) folder: &'a str,
    /// User and group.
    pub(crate) user: (u32, u32),
    pub(crate) command: &'a [String],
    /// All of it.
    pub(crate) environment: &'a BTreeMap<String, String>,
}

/// A running member. It is killed when this is dropped.
pub(crate) struct Contained {
    role: Role,
    child: Child,
    log: PathBuf,
}

impl Contained {
    /// Starts it; what it prints goes to the log.
    pub(crate) fn start(launch: &Launch<'_>, log: &Path) -> Result<Contained> {
        let output = File::create(log).with_context(|| format!("making {}", log.display()))?;
        let mut command = Command::new("setpriv");
        command.env_clear().env("PATH", PATH).envs(launch.environment);
        command.args(["--pdeathsig", "KILL", "--", "ip", "netns", "exec", launch.namespace]);
        command.args(["unshare", "--mount", "--mount-proc"]);
        if launch.role == Role::Container {
            command.args(["--pid", "--fork"]);
        }
        command.arg("--root").arg(launch.root).args(["--wd", launch.folder]);
        command.arg(format!("--setgid={}", launch.user.1));
        command.arg(format!("--setuid={}", launch.user.0));
        command.arg("--").args(launch.command);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("running {command:?}"))?;
        Ok(Contained { role: launch.role, child, log: log.to_path_buf() })
    }

    /// Fails with its last words when it has ended.
    pub(crate) fn check_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("it ended by itself: {status}. {}", self.last_words()),
        }
    }

    /// Tells it to stop and waits until it has, as its role demands.
    pub(crate) fn stop(mut self, patience: Duration) -> Result<()> {
        self.check_running()?;
        let process = self.process().context("the process is not there")?;
        kill_process(process, Signal::TERM).context("telling the member to stop")?;
        let status = self.end(patience)?;
        let obeyed = match self.role {
            Role::Container => status.code() == Some(0),
            Role::Service => status.signal() == Some(Signal::TERM.as_raw()),
        };
        if !obeyed {
            bail!("told to stop, it ended otherwise: {status}. {}", self.last_words());
        }
        Ok(())
    }

    /// Waits until it ends by itself, with a failure, and returns its log.
    pub(crate) fn fail(mut self, patience: Duration) -> Result<String> {
        let status = self.end(patience)?;
        if status.success() {
            bail!("it ended without a failure. {}", self.last_words());
        }
        fs::read_to_string(&self.log).context("reading the log")
    }

    /// Where its log is, and how that ends.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        format!("Its log {} ends with\n{}", self.log.display(), tail(&text, LOG_LINES))
    }

    fn end(&mut self, patience: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("it has not ended within {patience:?}. {}", self.last_words());
            }
            std::thread::sleep(LOOK);
        }
    }

    /// The member itself: in a namespace of processes it is the child of what made that.
    fn process(&self) -> Option<Pid> {
        let own = self.child.id();
        let number = match self.role {
            Role::Service => i32::try_from(own).ok()?,
            Role::Container => {
                let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
                children.ok()?.split_whitespace().next()?.parse().ok()?
            }
        };
        Pid::from_raw(number)
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        // It may be gone already.
        if let Ok(None) = self.child.try_wait() {
            if let Some(process) = self.process() {
                let _ = kill_process(process, Signal::KILL);
            }
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
