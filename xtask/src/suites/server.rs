//! The servers that a suite talks to.

use std::fs::{self, File};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Setting;
use super::network::Network;

/// Within this time all members must serve.
const READY: Duration = Duration::from_secs(60);
/// How often they are asked.
const PROBE: Duration = Duration::from_millis(200);

/// Running members with ports from 2379 on. They end when this is dropped.
pub(crate) struct Servers {
    members: Vec<Child>,
}

impl Servers {
    /// Starts as many members as there are names, with these flags each, and waits for them.
    pub(crate) fn start(
        setting: &Setting,
        network: &Network,
        names: &[&str],
        flags: &[&str],
    ) -> Result<Servers> {
        let client = |at: usize| format!("http://localhost:{}", 2379 + 10 * at);
        let peer = |at: usize| format!("http://localhost:{}", 2380 + 10 * at);
        let cluster: Vec<String> =
            names.iter().enumerate().map(|(at, name)| format!("{name}={}", peer(at))).collect();
        let mut servers = Servers { members: Vec::new() };
        for (at, &name) in names.iter().enumerate() {
            let data = setting.home.join(format!("{name}.etcd"));
            if data.exists() {
                fs::remove_dir_all(&data)
                    .with_context(|| format!("removing {}", data.display()))?;
            }
            let log = setting.home.join(format!("{name}.log"));
            let log = File::create(&log).with_context(|| format!("making {}", log.display()))?;
            let mut command = network.command(&setting.server);
            // One suite finds its servers by their command lines, written like this.
            command.args(["--name", name, "--data-dir"]).arg(&data);
            command.args(["--listen-client-urls", &client(at)]);
            command.args(["--advertise-client-urls", &client(at)]);
            command.args(["--listen-peer-urls", &peer(at)]);
            command.args(["--initial-advertise-peer-urls", &peer(at)]);
            command.args(["--initial-cluster", &cluster.join(",")]);
            command.args(flags).stdout(Stdio::null()).stderr(log);
            servers.members.push(command.spawn().with_context(|| format!("running {command:?}"))?);
        }
        for at in 0..names.len() {
            servers.wait(network, &client(at))?;
        }
        Ok(servers)
    }

    fn wait(&mut self, network: &Network, url: &str) -> Result<()> {
        let deadline = Instant::now() + READY;
        loop {
            for member in &mut self.members {
                if let Some(status) = member.try_wait()? {
                    bail!("a server ended: {status}");
                }
            }
            let mut probe = network.command("etcdctl");
            probe.args(["--endpoints", url, "endpoint", "health"]);
            probe.env("ETCDCTL_API", "3").stdout(Stdio::null()).stderr(Stdio::null());
            if probe.status().context("running etcdctl")?.success() {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{url} does not serve within {READY:?}");
            }
            std::thread::sleep(PROBE);
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for member in &mut self.members {
            // It may be gone already.
            let _ = member.kill();
            let _ = member.wait();
        }
    }
}
