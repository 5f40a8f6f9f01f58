//! Clients as people have them: etcd's own, and curl.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::run::{output, succeed};

/// Takes a file in the place of the machine's list of names, and then the program's.
const WITH_NAMES: &str = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";

/// The files with which a client shows who it is, and knows the members.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) authority: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// A client in a network namespace.
pub(crate) struct Client<'a> {
    pub(crate) etcdctl: &'a Path,
    pub(crate) namespace: &'a str,
    /// Names of addresses, as in `/etc/hosts`.
    pub(crate) names: &'a Path,
    pub(crate) identity: Option<&'a Identity>,
}

impl Client<'_> {
    /// Writes a key through one member and reads it through each.
    pub(crate) fn put_and_get(&self, endpoints: &[String], key: &str) -> Result<()> {
        let value = format!("put through {}", endpoints[0]);
        self.run(&endpoints[..1], &["put", key, &value])?;
        for endpoint in endpoints.chunks(1) {
            let read = self.run(endpoint, &["get", key, "--print-value-only"])?;
            ensure!(read.trim_end() == value, "{endpoint:?} says {read:?} instead of {value:?}");
        }
        Ok(())
    }

    fn run(&self, endpoints: &[String], arguments: &[&str]) -> Result<String> {
        let mut command = self.inside(self.etcdctl);
        command.env("ETCDCTL_ENDPOINTS", endpoints.join(","));
        if let Some(identity) = self.identity {
            command.env("ETCDCTL_CACERT", &identity.authority);
            command.env("ETCDCTL_CERT", &identity.certificate);
            command.env("ETCDCTL_KEY", &identity.key);
        }
        output(command.args(arguments))
    }

    /// What a URL answers, when that is a success.
    pub(crate) fn fetch(&self, url: &str) -> Result<String> {
        let mut command = self.inside(Path::new("curl"));
        command.args(["--silent", "--show-error", "--fail", "--max-time", "10"]);
        output(command.args(["--noproxy", "*", url]))
    }

    /// Whether a URL answers with a success.
    pub(crate) fn is_well(&self, url: &str) -> bool {
        let mut command = self.inside(Path::new("curl"));
        succeed(command.args(["--silent", "--fail", "--max-time", "10", "--noproxy", "*", url]))
            .is_ok()
    }

    fn inside(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.namespace, "unshare", "--mount", "sh", "-euc"]);
        command.arg(WITH_NAMES).arg(self.names).arg(program);
        command
    }
}
