//! A network with nothing but a loopback, where every port is free.

use std::ffi::OsStr;
use std::process::Command;

use anyhow::Result;

use super::succeed;

/// A network namespace, which goes when it is dropped.
pub(crate) struct Network {
    name: String,
}

impl Network {
    /// Makes one. It takes root.
    pub(crate) fn new() -> Result<Network> {
        let network = Network { name: format!("etcd-suites-{}", std::process::id()) };
        succeed(Command::new("ip").args(["netns", "add", &network.name]))?;
        succeed(network.command("ip").args(["link", "set", "lo", "up"]))?;
        Ok(network)
    }

    /// A command that runs inside.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Nobody can do anything about one that stays.
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
    }
}
