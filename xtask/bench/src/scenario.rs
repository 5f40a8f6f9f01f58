//! What is done with fresh members of one program: some loads one after the other.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::ProgressBar;

use crate::cluster::Cluster;
use crate::figures::Figures;
use crate::fill::fill;
use crate::keys::{Keys, Order};
use crate::load::{Crowd, Running, measure};
use crate::program::Program;
use crate::sends::{Gets, GuardedPuts, Lists, Puts, StreamedLists};
use crate::wire::Freshness;
use crate::{compaction, renewing, watching};

/// Bytes of a value where a load does not say otherwise.
const VALUE_BYTES: usize = 256;
/// Keys that gets choose from.
const READ_KEYS: u64 = 10_000;
/// Keys of a page.
const PAGE: i64 = 500;

/// How big everything is.
#[derive(Debug, Clone)]
pub(crate) struct Size {
    /// How long each load is measured.
    pub(crate) duration: Duration,
    pub(crate) warm_up: Duration,
    pub(crate) clients: usize,
    pub(crate) connections: usize,
    pub(crate) value_bytes: usize,
    /// Keys of the large store.
    pub(crate) keys: u64,
    /// Where members keep their data.
    pub(crate) scratch: PathBuf,
}

impl Size {
    pub(crate) fn crowd(&self, clients: usize) -> Crowd {
        Crowd {
            connections: self.connections.min(clients),
            clients,
            warm_up: self.warm_up,
            duration: self.duration,
            rate: None,
        }
    }
}

/// One scenario. Each begins with fresh members and ends with their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
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
    /// One member: puts while a large compaction runs.
    Compaction,
}

/// A load's name with what was measured.
pub(crate) type Measured = Vec<(&'static str, Figures)>;

impl Scenario {
    /// Runs it once.
    pub(crate) async fn run(
        self,
        program: &Program,
        size: &Size,
        progress: &ProgressBar,
    ) -> Result<Measured> {
        match self {
            Scenario::Idle => idle(program, size).await,
            Scenario::Requests => requests(program, size, progress).await,
            Scenario::Large => large(program, size, progress).await,
            Scenario::Puts => puts(program, size, progress).await,
            Scenario::Leases => renewing::run(program, size, progress).await,
            Scenario::Watch => watching::run(program, size, progress).await,
            Scenario::Compaction => compaction::run(program, size, progress).await,
        }
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

async fn requests(program: &Program, size: &Size, progress: &ProgressBar) -> Result<Measured> {
    let cluster = Cluster::start(program, 3, &size.scratch).await?;
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
    let mut measured = Vec::new();
    progress.set_message("put");
    measured.push(("put", measure(&cluster, crowd, puts(clients)).await?));
    progress.set_message("put, one client");
    measured.push(("put, one client", measure(&cluster, size.crowd(1), puts(1)).await?));
    progress.set_message("txn");
    let txns = GuardedPuts::new(clients, size.value_bytes);
    measured.push(("txn", measure(&cluster, crowd, txns).await?));
    progress.set_message("get");
    fill(&cluster.addresses(), READ_KEYS, size.value_bytes, progress).await?;
    measured.push(("get", measure(&cluster, crowd, gets(Freshness::Linearizable)).await?));
    progress.set_message("get, serializable");
    let serializable = measure(&cluster, crowd, gets(Freshness::Serializable)).await?;
    measured.push(("get, serializable", serializable));
    progress.set_message("get while putting");
    let putting = Running::start(&cluster.addresses(), crowd, puts(clients)).await?;
    let reader = Gets { clients: 10, ..gets(Freshness::Linearizable) };
    let beside = measure(&cluster, size.crowd(10), reader).await;
    putting.finish().await?;
    measured.push(("get while putting", beside?));
    Ok(measured)
}

/// The loads of [`Scenario::Puts`]: their names, order of keys, and bytes of a value.
const PUTS: [(&str, Order, usize); 5] = [
    ("put, random keys", Order::Random, 256),
    ("put, one key", Order::One, 256),
    ("put, 1 KiB", Order::Sequential, 1 << 10),
    ("put, 1 KiB, random keys", Order::Random, 1 << 10),
    ("put, 16 KiB", Order::Sequential, 16 << 10),
];

async fn puts(program: &Program, size: &Size, progress: &ProgressBar) -> Result<Measured> {
    let cluster = Cluster::start(program, 3, &size.scratch).await?;
    let clients = size.clients as u64;
    let mut measured = Vec::new();
    for (name, order, value_bytes) in PUTS {
        progress.set_message(name);
        let puts = Puts { keys: Keys { count: size.keys, order }, clients, value_bytes };
        measured.push((name, measure(&cluster, size.crowd(size.clients), puts).await?));
    }
    Ok(measured)
}

async fn large(program: &Program, size: &Size, progress: &ProgressBar) -> Result<Measured> {
    let mut cluster = Cluster::start(program, 1, &size.scratch).await?;
    progress.set_message("fill");
    let begin = Instant::now();
    fill(&cluster.addresses(), size.keys, VALUE_BYTES, progress).await?;
    let mut filled = Figures::default();
    filled.set("keys/s", size.keys as f64 / begin.elapsed().as_secs_f64());
    filled.set("resident MiB", mebibytes(cluster.resident_bytes()?));
    filled.set("disk MiB", mebibytes(cluster.disk_bytes()?));
    let mut measured = vec![("filled", filled)];

    progress.set_message("page");
    let keys = Keys { count: size.keys, order: Order::Random };
    let pages = Lists { keys, limit: PAGE };
    measured.push(("page", measure(&cluster, size.crowd(10), pages).await?));
    progress.set_message("list");
    let lists = Lists { keys, limit: 0 };
    measured.push(("list", measure(&cluster, size.crowd(1), lists).await?));
    progress.set_message("list, streamed");
    if let Ok(figures) = measure(&cluster, size.crowd(1), StreamedLists).await {
        // Servers before 3.7 do not have it.
        measured.push(("list, streamed", figures));
    }
    progress.set_message("start");
    let started = cluster.restart().await?;
    let mut start = Figures::default();
    start.set("start ms", started.as_secs_f64() * 1000.0);
    start.set("resident MiB", mebibytes(cluster.resident_bytes()?));
    measured.push(("start", start));
    Ok(measured)
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
