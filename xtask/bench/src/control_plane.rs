//! What a Kubernetes control plane asks, all of it together: nodes' leases and pods are updated,
//! lists go page by page, single objects are read, and API servers watch meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::{Context, Result};
use bytes::Bytes;
use etcd_proto::etcdserverpb::WatchCreateRequest;
use indicatif::ProgressBar;
use rand::RngExt;
use rand::rngs::SmallRng;
use tonic::Status;

use crate::cluster::Cluster;
use crate::connection::Connection;
use crate::keys::value;
use crate::load::{AsyncSend, Phase, Turn, measure_beside};
use crate::pairs::Shape;
use crate::program::Program;
use crate::scenario::{Measured, Size};
use crate::sends::{range, update};
use crate::tally::milliseconds;
use crate::watchers::{Epoch, TIME_BYTES, Watchers, watcher};
use crate::wire::{self, Freshness};

/// Objects for each client, which nobody else updates.
const LEASES_A_CLIENT: usize = 5;
const PODS_A_CLIENT: usize = 10;
/// Bytes of an object.
const LEASE_BYTES: usize = 300;
const POD_BYTES: usize = 2 << 10;
/// Keys of a page.
const PAGE: i64 = 500;
/// Puts in one transaction, as many as servers take by default.
const TXN_PUTS: usize = 128;

/// What a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Heartbeat,
    PodUpdate,
    Get,
    Page,
}

use Kind::{Get, Heartbeat, Page, PodUpdate};

/// What each client does in turn; every client begins at another place.
const ROUND: [Kind; 20] = [
    Heartbeat, Get, PodUpdate, Heartbeat, Get, Heartbeat, PodUpdate, Heartbeat, Get, Page,
    Heartbeat, Get, PodUpdate, Heartbeat, Get, PodUpdate, Heartbeat, Get, PodUpdate, Heartbeat,
];

fn kind(client: u64, number: u64) -> Kind {
    ROUND[((client + number) % ROUND.len() as u64) as usize]
}

/// Runs it once.
pub(crate) async fn run(
    program: &Program,
    size: &Size,
    progress: &ProgressBar,
) -> Result<Measured> {
    let cluster = Cluster::start(program, 3, &size.scratch).await?;
    let (epoch, phase) = (Epoch::now(), Phase::new());
    progress.set_message("create objects");
    let connection = Connection::open(cluster.addresses()[0]).await?;
    let mut leases = Objects::new("/registry/leases/kube-node-lease/node-", LEASE_BYTES);
    let mut pods = Objects::new("/registry/pods/default/pod-", POD_BYTES);
    leases.create(&connection, size.clients * LEASES_A_CLIENT, epoch).await?;
    pods.create(&connection, size.clients * PODS_A_CLIENT, epoch).await?;
    progress.set_message("control plane");
    // Each member has an API server that watches pods and leases, each on a stream.
    let addresses = cluster.addresses();
    let plans = addresses.iter().flat_map(|_| [vec![pods.watcher()], vec![leases.watcher()]]);
    let watchers = Watchers::open(&addresses, plans.collect(), epoch, phase.clone()).await?;
    let requests =
        Requests { leases: Arc::new(leases), pods: Arc::new(pods), clients: size.clients, epoch };
    let crowd = size.crowd(size.clients);
    let mut figures = measure_beside(&cluster, crowd, phase, requests).await?;
    let seen = watchers.close()?;
    figures.set("events/s", seen.events as f64 / crowd.duration.as_secs_f64());
    figures.set("event p99 ms", milliseconds(&seen.microseconds, 0.99));
    Ok(vec![("control plane", figures)])
}

/// All objects of one resource.
struct Objects {
    prefix: &'static str,
    value_bytes: usize,
    /// The revision of each object's last update.
    revisions: Vec<AtomicI64>,
}

impl Objects {
    fn new(prefix: &'static str, value_bytes: usize) -> Objects {
        Objects { prefix, value_bytes, revisions: Vec::new() }
    }

    async fn create(&mut self, connection: &Connection, count: usize, epoch: Epoch) -> Result<()> {
        let mut random: SmallRng = rand::make_rng();
        while self.revisions.len() < count {
            let first = self.revisions.len();
            let numbers = first..count.min(first + TXN_PUTS);
            let pairs: Vec<_> = numbers
                .clone()
                .map(|number| (self.key(number), self.value(&mut random, epoch)))
                .collect();
            let answer = wire::kv(connection).txn(wire::puts(pairs)).await?.into_inner();
            let revision = answer.header.context("an answer has a header")?.revision;
            self.revisions.extend(numbers.map(|_| AtomicI64::new(revision)));
        }
        Ok(())
    }

    fn key(&self, number: usize) -> Bytes {
        Bytes::from(format!("{}{number:06}", self.prefix))
    }

    /// Behind the last object.
    fn end(&self) -> Bytes {
        Bytes::from(format!("{}~", self.prefix))
    }

    fn value(&self, random: &mut SmallRng, epoch: Epoch) -> Bytes {
        let rest = value(random, self.value_bytes - TIME_BYTES);
        Bytes::from([&epoch.stamp()[..], &rest].concat())
    }

    /// A watcher as API servers make it.
    fn watcher(&self) -> WatchCreateRequest {
        WatchCreateRequest {
            prev_kv: true,
            progress_notify: true,
            ..watcher(self.prefix.as_bytes(), &self.end())
        }
    }

    /// Any of them.
    fn some(&self, random: &mut SmallRng) -> Bytes {
        self.key(random.random_range(0..self.revisions.len()))
    }
}

#[derive(Clone)]
struct Requests {
    leases: Arc<Objects>,
    pods: Arc<Objects>,
    clients: usize,
    epoch: Epoch,
}

impl Requests {
    /// Updates one of the client's own objects.
    async fn update(&self, objects: &Objects, turn: Turn<'_>) -> Result<u64, Status> {
        let own = objects.revisions.len() / self.clients;
        let number = turn.client as usize + self.clients * turn.random.random_range(0..own);
        let known = &objects.revisions[number];
        let value = objects.value(turn.random, self.epoch);
        let txn = wire::guarded_put(objects.key(number), value, known.load(Ordering::Relaxed));
        known.store(update(turn.line, &txn).await?, Ordering::Relaxed);
        Ok(1)
    }
}

impl AsyncSend for Requests {
    const KINDS: &'static [&'static str] =
        &["heartbeat p99 ms", "pod update p99 ms", "get p99 ms", "page p99 ms"];

    fn kind(&self, client: u64, number: u64) -> usize {
        kind(client, number) as usize
    }

    async fn send(&self, turn: Turn<'_>) -> Result<u64, Status> {
        match kind(turn.client, turn.number) {
            Heartbeat => self.update(&self.leases, turn).await,
            PodUpdate => self.update(&self.pods, turn).await,
            Get => {
                let key = self.pods.some(turn.random);
                let get = wire::get(&key, Freshness::Linearizable);
                let pairs = range(turn.line, &get, Shape::Answer).await?;
                if pairs.count == 1 { Ok(1) } else { Err(Status::not_found("no such pod")) }
            }
            Page => {
                let mut page = wire::list(self.pods.some(turn.random), PAGE);
                page.range_end = self.pods.end();
                let pairs = range(turn.line, &page, Shape::Answer).await?;
                let whole = pairs.count > 0 && pairs.count == pairs.told.min(PAGE as u64);
                if whole { Ok(pairs.count) } else { Err(Status::internal("keys are missing")) }
            }
        }
    }
}
