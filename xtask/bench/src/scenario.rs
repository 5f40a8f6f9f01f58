//! What is done with fresh members of one program: some loads one after the other.

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::ValueEnum;
use indicatif::ProgressBar;

use crate::cluster::Cluster;
use crate::control::Control;
use crate::figures::Figures;
use crate::keys::{Keys, Order};
use crate::load::Running;
use crate::outcome::Outcome;
use crate::program::Program;
use crate::sends::{Gets, GuardedPuts, Lists, Puts, StreamedLists};
use crate::stage::{Effect, Stage};
use crate::wire::Freshness;
use crate::{
    compaction, control_plane, etcds_tool, growth, offered, overload, renewing, soak, watching,
};

pub(crate) use crate::outcome::Measured;
pub(crate) use crate::size::{Purpose, Size};

/// Bytes of a value where a load does not say otherwise.
const VALUE_BYTES: usize = 256;
/// Keys that gets choose from.
const READ_KEYS: u64 = 10_000;
/// Keys of a page.
const PAGE: i64 = 500;
/// Keys that are stored in a second, for the forecast of how long it takes.
const FILLED_A_SECOND: u64 = 40_000;
/// What starting and ending members takes, for the forecast.
const SET_UP: Duration = Duration::from_secs(3);

/// One scenario. Each begins with fresh members and ends with their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// One member that nobody asks anything.
    Idle,
    /// Three members: puts, transactions and gets.
    Requests,
    /// One member with many keys: pages, lists, memory, start.
    Large,
    /// Three members: puts of several sizes, to keys in several orders.
    Puts,
    /// Three members: leases kept alive.
    Leases,
    /// Three members: events to many watchers.
    Watch,
    /// Three members: what a Kubernetes control plane asks, all of it together.
    ControlPlane,
    /// One member: puts while a large compaction runs.
    Compaction,
    /// Three members: etcd's own tool `benchmark`, where it is on the search path.
    EtcdsTool,
    /// One member: the same loads on more and more keys. Only by wish.
    Growth,
    /// Three members: latency over the load that is offered. Only by wish.
    LoadCurve,
    /// Three members: full load for the whole duration, with compactions. Only by wish.
    Soak,
    /// Three members: more requests than they can answer, from ten thousand connections. Only by wish.
    Overload,
}

impl Scenario {
    /// Runs it once.
    pub(crate) async fn run(
        self,
        program: &Program,
        size: &Size,
        progress: &ProgressBar,
    ) -> Result<Outcome> {
        Ok(match self {
            Scenario::Idle => idle(program, size).await?.into(),
            Scenario::Requests => requests(program, size, progress).await?,
            Scenario::Large => large(program, size, progress).await?,
            Scenario::Puts => puts(program, size, progress).await?,
            Scenario::Leases => renewing::run(program, size, progress).await?.into(),
            Scenario::Watch => watching::run(program, size, progress).await?.into(),
            Scenario::ControlPlane => control_plane::run(program, size, progress).await?.into(),
            Scenario::Compaction => compaction::run(program, size, progress).await?.into(),
            Scenario::EtcdsTool => etcds_tool::run(program, size, progress).await?,
            Scenario::Growth => growth::run(program, size, progress).await?,
            Scenario::LoadCurve => offered::run(program, size, progress).await?,
            Scenario::Soak => soak::run(program, size, progress).await?,
            Scenario::Overload => overload::run(program, size, progress).await?,
        })
    }

    /// As the command line calls it.
    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value().expect("no scenario is left out of the command line");
        value.get_name().to_owned()
    }

    /// Whether it runs when nobody asks for it by name.
    pub(crate) fn is_usual(self) -> bool {
        !matches!(
            self,
            Scenario::Growth | Scenario::LoadCurve | Scenario::Soak | Scenario::Overload
        )
    }

    /// How often it runs when nobody says so.
    pub(crate) fn usual_runs(self) -> usize {
        if self.is_usual() { 5 } else { 1 }
    }

    /// The loads that can be taken alone.
    pub(crate) fn loads(self) -> Vec<&'static str> {
        match self {
            Scenario::Requests => REQUESTS.to_vec(),
            Scenario::Large => LARGE.to_vec(),
            Scenario::Puts => PUTS.iter().map(|(name, ..)| *name).collect(),
            Scenario::Growth => growth::LOADS.to_vec(),
            Scenario::LoadCurve => offered::LOADS.to_vec(),
            Scenario::EtcdsTool => etcds_tool::LOADS.to_vec(),
            Scenario::Idle
            | Scenario::Leases
            | Scenario::Watch
            | Scenario::ControlPlane
            | Scenario::Compaction
            | Scenario::Soak
            | Scenario::Overload => Vec::new(),
        }
    }

    /// Whether how often the disk syncs can be counted in it, and is worth a run of its own.
    pub(crate) fn counts_syncs(self) -> bool {
        matches!(self, Scenario::Requests | Scenario::Puts)
    }

    /// About how long one run takes.
    pub(crate) fn forecast(self, size: &Size) -> Duration {
        let loads = self.loads().into_iter().filter(|load| size.wants(load)).count() as u32;
        let fill = |keys: u64| Duration::from_secs(keys / FILLED_A_SECOND);
        let work = match self {
            Scenario::Idle => size.duration,
            Scenario::Requests | Scenario::Puts | Scenario::EtcdsTool => size.load() * loads,
            Scenario::Large => fill(size.keys) + size.load() * loads,
            Scenario::Leases
            | Scenario::Watch
            | Scenario::ControlPlane
            | Scenario::Soak
            | Scenario::Overload => size.load(),
            Scenario::Compaction => fill(size.keys) + size.load() * 2,
            Scenario::Growth => growth::steps(size.growth_to)
                .map(|(keys, _)| fill(keys) + size.load() * loads)
                .sum(),
            Scenario::LoadCurve => size.load() * loads * (1 + offered::PERCENT.len() as u32),
        };
        SET_UP + work
    }
}

async fn idle(program: &Program, size: &Size) -> Result<Measured> {
    let begin = Instant::now();
    let cluster = Cluster::start(program, 1, &size.scratch).await?;
    let started = begin.elapsed();
    // What a server gives back or takes at leisure is part of its idle memory.
    tokio::time::sleep(size.duration).await;
    let mut figures = Figures::default();
    figures.set("start ms", started.as_secs_f64() * 1000.0);
    figures.set("resident MiB", mebibytes(cluster.resident_bytes()?));
    Ok(vec![("idle", figures)])
}

/// The loads of [`Scenario::Requests`].
const REQUESTS: [&str; 6] =
    ["put", "put, one client", "txn", "get", "get, serializable", "get while putting"];

async fn requests(program: &Program, size: &Size, progress: &ProgressBar) -> Result<Outcome> {
    let mut stage = Stage::open(program, 3, size, progress).await?;
    let clients = size.clients as u64;
    let crowd = size.crowd(size.clients);
    let puts = |clients| Puts {
        keys: Keys { count: 1 << 40, order: Order::Sequential },
        clients,
        value_bytes: size.value_bytes,
    };
    let gets = |freshness| Gets {
        keys: Keys { count: READ_KEYS, order: Order::Random },
        clients,
        freshness,
    };
    stage.load("put", Effect::Writes, crowd, puts(clients)).await?;
    stage.load("put, one client", Effect::Writes, size.crowd(1), puts(1)).await?;
    let txns = GuardedPuts::new(clients, size.value_bytes);
    stage.load("txn", Effect::Writes, crowd, txns).await?;
    stage.fill(READ_KEYS, size.value_bytes).await?;
    stage.load("get", Effect::Reads, crowd, gets(Freshness::Linearizable)).await?;
    stage.load("get, serializable", Effect::Reads, crowd, gets(Freshness::Serializable)).await?;
    if size.wants("get while putting") && size.purpose != Purpose::CountSyncs {
        let addresses = stage.cluster.addresses();
        let putting = Running::start(&addresses, crowd, puts(clients)).await?;
        let reader = Gets { clients: 10, ..gets(Freshness::Linearizable) };
        let taken = stage.load("get while putting", Effect::Reads, size.crowd(10), reader).await;
        putting.finish().await?;
        taken?;
    }
    Ok(stage.end())
}

/// The loads of [`Scenario::Puts`]: their names, order of keys, and bytes of a value.
const PUTS: [(&str, Order, usize); 5] = [
    ("put, random keys", Order::Random, 256),
    ("put, one key", Order::One, 256),
    ("put, 1 KiB", Order::Sequential, 1 << 10),
    ("put, 1 KiB, random keys", Order::Random, 1 << 10),
    ("put, 16 KiB", Order::Sequential, 16 << 10),
];

async fn puts(program: &Program, size: &Size, progress: &ProgressBar) -> Result<Outcome> {
    let mut stage = Stage::open(program, 3, size, progress).await?;
    let clients = size.clients as u64;
    for (name, order, value_bytes) in PUTS {
        let puts = Puts { keys: Keys { count: size.keys, order }, clients, value_bytes };
        stage.load(name, Effect::Writes, size.crowd(size.clients), puts).await?;
    }
    Ok(stage.end())
}

/// The loads of [`Scenario::Large`].
const LARGE: [&str; 3] = ["page", "list", "list, streamed"];

async fn large(program: &Program, size: &Size, progress: &ProgressBar) -> Result<Outcome> {
    let mut stage = Stage::open(program, 1, size, progress).await?;
    let begin = Instant::now();
    stage.fill(size.keys, VALUE_BYTES).await?;
    let mut filled = Figures::default();
    filled.set("keys/s", size.keys as f64 / begin.elapsed().as_secs_f64());
    filled.set("resident MiB", mebibytes(stage.cluster.resident_bytes()?));
    filled.set("disk MiB", mebibytes(stage.cluster.disk_bytes()?));
    stage.found("filled", filled);

    let keys = Keys { count: size.keys, order: Order::Random };
    let pages = Lists { keys, limit: PAGE };
    stage.load("page", Effect::Reads, size.crowd(10), pages).await?;
    let lists = Lists { keys, limit: 0 };
    stage.load("list", Effect::Reads, size.crowd(1), lists).await?;
    if Control::of(stage.cluster.addresses()[0])?.streams_lists().await {
        stage.load("list, streamed", Effect::Reads, size.crowd(1), StreamedLists).await?;
    }
    if size.loads.is_empty() {
        stage.say("start again");
        let started = stage.cluster.restart().await?;
        let mut start = Figures::default();
        start.set("start ms", started.as_secs_f64() * 1000.0);
        start.set("resident MiB", mebibytes(stage.cluster.resident_bytes()?));
        stage.found("start", start);
    }
    Ok(stage.end())
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
