//! Members of one program on loopback, with data directories of their own.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::connection::Connection;
use crate::control::Control;
use crate::program::Program;
use crate::usage::{Usage, resident_bytes};
use crate::{syncs, wire};

/// Within this time a member must serve.
const READY: Duration = Duration::from_secs(120);
/// Between two questions whether it does.
const PROBE: Duration = Duration::from_millis(5);
/// Within this time members must agree on a leader.
const LEADER: Duration = Duration::from_secs(30);

/// Whether somebody looks at the members' system calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watched {
    /// They run undisturbed.
    Not,
    /// Each sync of the disk is written down, at some cost.
    Syncs,
}

/// Running members. They are killed and their files removed when it is dropped.
pub(crate) struct Cluster {
    members: Vec<Member>,
    program: Program,
    home: TempDir,
}

struct Member {
    arguments: Vec<String>,
    client: SocketAddr,
    data: PathBuf,
    log: PathBuf,
    /// Where its syncs are written down.
    trace: Option<PathBuf>,
    process: Child,
}

impl Cluster {
    /// Starts `size` members in fresh directories under `scratch` and waits until each serves.
    pub(crate) async fn start(program: &Program, size: usize, scratch: &Path) -> Result<Cluster> {
        Cluster::start_watched(program, size, scratch, Watched::Not).await
    }

    /// The same, with somebody looking.
    pub(crate) async fn start_watched(
        program: &Program,
        size: usize,
        scratch: &Path,
        watched: Watched,
    ) -> Result<Cluster> {
        fs::create_dir_all(scratch)?;
        let home = TempDir::with_prefix_in("bench-", scratch)?;
        let ports = free_ports(size * 2)?;
        let peers: Vec<String> =
            ports[size..].iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
        let names = peers.iter().enumerate().map(|(at, url)| format!("m{at}={url}"));
        let initial = names.collect::<Vec<_>>().join(",");
        let mut members = Vec::with_capacity(size);
        for (at, peer) in peers.iter().enumerate() {
            let client = SocketAddr::from((Ipv4Addr::LOCALHOST, ports[at]));
            let (data, log) = (home.path().join(format!("m{at}")), home.path().join("log"));
            let arguments = vec![
                format!("--name=m{at}"),
                format!("--data-dir={}", data.display()),
                format!("--listen-client-urls=http://{client}"),
                format!("--advertise-client-urls=http://{client}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster={initial}"),
                "--log-level=warn".to_owned(),
                "--quota-backend-bytes=8589934592".to_owned(),
            ];
            let trace = match watched {
                Watched::Not => None,
                Watched::Syncs => Some(home.path().join(format!("m{at}.trace"))),
            };
            let process = spawn(&program.path, &arguments, &log, trace.as_deref())?;
            members.push(Member { arguments, client, data, log, trace, process });
        }
        let mut cluster = Cluster { members, program: program.clone(), home };
        cluster.wait_until_serving().await?;
        Ok(cluster)
    }

    /// Stops all members gently, starts them again, and answers how long it took from the start of
    /// the processes to the first answer of each.
    pub(crate) async fn restart(&mut self) -> Result<Duration> {
        for member in &mut self.members {
            let process = Pid::from_child(&member.process);
            kill_process(process, Signal::TERM)?;
            member.process.wait()?;
        }
        let start = Instant::now();
        for member in &mut self.members {
            let trace = member.trace.as_deref();
            member.process = spawn(&self.program.path, &member.arguments, &member.log, trace)?;
        }
        self.wait_until_serving().await?;
        Ok(start.elapsed())
    }

    async fn wait_until_serving(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY;
        for at in 0..self.members.len() {
            while !is_serving(self.members[at].client).await {
                let member = &mut self.members[at];
                if let Some(status) = member.process.try_wait()? {
                    let log = fs::read_to_string(&member.log).unwrap_or_default();
                    bail!("{} ended with {status}:\n{log}", self.program.path.display());
                }
                if Instant::now() > deadline {
                    bail!("{} does not serve within {READY:?}", self.program.path.display());
                }
                tokio::time::sleep(PROBE).await;
            }
        }
        Ok(())
    }

    /// Where clients reach the members.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.members.iter().map(|member| member.client).collect()
    }

    /// What the members' processes used so far.
    pub(crate) fn usage(&self) -> Result<Usage> {
        Usage::of_all(self.processes())
    }

    /// How often the members made the disk sync, when that is watched.
    pub(crate) fn syncs(&self) -> Result<u64> {
        let traces = self.members.iter().filter_map(|member| member.trace.as_deref());
        traces
            .map(|trace| {
                let text = fs::read_to_string(trace);
                let text = text.with_context(|| format!("reading {}", trace.display()))?;
                Ok(syncs::count(&text))
            })
            .sum()
    }

    /// The process of the member that leads.
    pub(crate) async fn leader(&self) -> Result<u32> {
        let deadline = Instant::now() + LEADER;
        loop {
            for member in &self.members {
                let status = Control::of(member.client)?.status().await?;
                if status.header.is_some_and(|header| header.member_id == status.leader) {
                    return Ok(member.process.id());
                }
            }
            anyhow::ensure!(Instant::now() < deadline, "no member leads within {LEADER:?}");
            tokio::time::sleep(PROBE).await;
        }
    }

    /// Resident bytes of each member.
    pub(crate) fn resident_bytes_of_each(&self) -> Result<Vec<u64>> {
        self.processes().map(resident_bytes).collect()
    }

    /// Bytes of all files of each member's data.
    pub(crate) fn disk_bytes_of_each(&self) -> Result<Vec<u64>> {
        self.members.iter().map(|member| folder_bytes(&member.data)).collect()
    }

    /// Resident bytes of the member that has most.
    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        Ok(self.resident_bytes_of_each()?.into_iter().max().unwrap_or(0))
    }

    /// Bytes of all files of the members' data.
    pub(crate) fn disk_bytes(&self) -> Result<u64> {
        Ok(self.disk_bytes_of_each()?.into_iter().sum())
    }

    fn processes(&self) -> impl Iterator<Item = u32> {
        self.members.iter().map(|member| member.process.id())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for member in &mut self.members {
            // One that has ended by itself needs no killing; the folder goes with `home`.
            let _ = member.process.kill();
            let _ = member.process.wait();
        }
        let _ = self.home.path();
    }
}

async fn is_serving(address: SocketAddr) -> bool {
    let Ok(connection) = Connection::open(address).await else { return false };
    wire::kv(&connection).range(wire::get(b"ready", wire::Freshness::Linearizable)).await.is_ok()
}

fn spawn(program: &Path, arguments: &[String], log: &Path, trace: Option<&Path>) -> Result<Child> {
    let log = File::options().create(true).append(true).open(log)?;
    let mut command = match trace {
        None => Command::new(program),
        Some(trace) => syncs::traced(program, trace),
    };
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("starting {}", program.display()))
}

/// Ports of loopback that nothing listens on, all different.
fn free_ports(count: usize) -> Result<Vec<u16>> {
    let listeners: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<Result<_, _>>()?;
    Ok(listeners
        .iter()
        .map(|listener| Ok(listener.local_addr()?.port()))
        .collect::<Result<_, std::io::Error>>()?)
}

fn folder_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        // A file may go while its folder is read.
        let entry = entry?;
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes += folder_bytes(&entry.path())?,
            Ok(metadata) => bytes += metadata.len(),
            Err(_) => {}
        }
    }
    Ok(bytes)
}
