//! Many clients that send requests, and what it took.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use hdrhistogram::Histogram;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::task::JoinSet;
use tonic::Status;

use crate::cluster::Cluster;
use crate::connection::Connection;
use crate::figures::Figures;
use crate::usage::Usage;

/// Digits of a latency that are kept.
const SIGNIFICANT_DIGITS: u8 = 3;
/// More failed requests than this share of all make a measurement void.
const MAX_FAILED: f64 = 0.001;

/// Who sends, for how long, and how hard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crowd {
    pub(crate) connections: usize,
    /// Each sends one request at a time.
    pub(crate) clients: usize,
    /// Before anything is counted.
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
    /// Requests a second of all together; without one, each client sends as soon as it was
    /// answered. Latency then counts from when a request should have been sent, so that a server
    /// that stalls cannot hide the requests it held up.
    pub(crate) rate: Option<f64>,
}

/// One request to be sent: by whom, and their how-manieth it is.
pub(crate) struct Turn<'c> {
    pub(crate) connection: &'c Connection,
    pub(crate) random: &'c mut SmallRng,
    pub(crate) client: u64,
    pub(crate) number: u64,
}

const WARMING_UP: u8 = 0;
const COUNTING: u8 = 1;
const OVER: u8 = 2;

/// What the clients of a crowd counted together.
pub(crate) struct Tally {
    pub(crate) microseconds: Histogram<u64>,
    pub(crate) failed: u64,
    /// What the requests themselves counted: bytes, keys or events.
    pub(crate) moved: u64,
    /// The first failure, for the person.
    pub(crate) failure: Option<Status>,
}

impl Tally {
    fn new() -> Result<Tally> {
        let microseconds = Histogram::new(SIGNIFICANT_DIGITS)?;
        Ok(Tally { microseconds, failed: 0, moved: 0, failure: None })
    }

    fn add(&mut self, other: Tally) -> Result<()> {
        self.microseconds.add(other.microseconds)?;
        self.failed += other.failed;
        self.moved += other.moved;
        self.failure = self.failure.take().or(other.failure);
        Ok(())
    }
}

/// A crowd at work.
pub(crate) struct Running {
    phase: Arc<AtomicU8>,
    clients: JoinSet<Result<Tally>>,
}

impl Running {
    /// Sets the crowd to work. `send` makes one request and answers what it moved.
    pub(crate) async fn start<S>(addresses: &[SocketAddr], crowd: Crowd, send: S) -> Result<Running>
    where
        S: AsyncSend,
    {
        let connections = Connection::open_many(addresses, crowd.connections).await?;
        let phase = Arc::new(AtomicU8::new(WARMING_UP));
        let mut clients = JoinSet::new();
        let begin = Instant::now();
        for client in 0..crowd.clients {
            let connection = connections[client % connections.len()].clone();
            let interval =
                crowd.rate.map(|rate| Duration::from_secs_f64(crowd.clients as f64 / rate));
            // Clients are spread over the interval.
            let due = interval
                .map(|interval| begin + interval.mul_f64(client as f64 / crowd.clients as f64));
            let worker =
                Worker { connection, phase: phase.clone(), client: client as u64, interval, due };
            clients.spawn(worker.run(send.clone()));
        }
        Ok(Running { phase, clients })
    }

    /// From now on answers count.
    pub(crate) fn count(&self) {
        self.phase.store(COUNTING, Ordering::Relaxed);
    }

    /// Lets each client finish its request and sums up.
    pub(crate) async fn finish(mut self) -> Result<Tally> {
        self.phase.store(OVER, Ordering::Relaxed);
        let mut sum = Tally::new()?;
        while let Some(tally) = self.clients.join_next().await {
            sum.add(tally??)?;
        }
        Ok(sum)
    }
}

/// What a client does again and again.
pub(crate) trait AsyncSend: Clone + Send + 'static {
    fn send(&self, turn: Turn<'_>) -> impl Future<Output = Result<u64, Status>> + Send;
}

struct Worker {
    connection: Connection,
    phase: Arc<AtomicU8>,
    client: u64,
    interval: Option<Duration>,
    due: Option<Instant>,
}

impl Worker {
    async fn run<S: AsyncSend>(mut self, send: S) -> Result<Tally> {
        let mut tally = Tally::new()?;
        let mut random = SmallRng::seed_from_u64(self.client);
        for number in 0.. {
            let begin = match (self.due, self.interval) {
                (Some(due), Some(interval)) => {
                    tokio::time::sleep_until(due.into()).await;
                    self.due = Some(due + interval);
                    due
                }
                _ => Instant::now(),
            };
            if self.phase.load(Ordering::Relaxed) == OVER {
                break;
            }
            let turn = Turn {
                connection: &self.connection,
                random: &mut random,
                client: self.client,
                number,
            };
            let outcome = send.send(turn).await;
            if self.phase.load(Ordering::Relaxed) != COUNTING {
                continue;
            }
            match outcome {
                Ok(moved) => {
                    tally.microseconds.record(begin.elapsed().as_micros() as u64)?;
                    tally.moved += moved;
                }
                Err(status) => {
                    tally.failed += 1;
                    tally.failure.get_or_insert(status);
                }
            }
        }
        Ok(tally)
    }
}

/// Lets the crowd work on the cluster and takes all figures of it.
pub(crate) async fn measure<S: AsyncSend>(
    cluster: &Cluster,
    crowd: Crowd,
    send: S,
) -> Result<Figures> {
    let running = Running::start(&cluster.addresses(), crowd, send).await?;
    tokio::time::sleep(crowd.warm_up).await;
    let (servers, own, begin) = (cluster.usage()?, Usage::own()?, Instant::now());
    running.count();
    tokio::time::sleep(crowd.duration).await;
    let seconds = begin.elapsed().as_secs_f64();
    let (servers, own) = (cluster.usage()? - servers, Usage::own()? - own);
    let tally = running.finish().await?;
    figures(cluster, &tally, seconds, servers, own)
}

fn figures(
    cluster: &Cluster,
    tally: &Tally,
    seconds: f64,
    servers: Usage,
    own: Usage,
) -> Result<Figures> {
    let requests = tally.microseconds.len() as f64;
    let failed = tally.failed as f64;
    if requests == 0.0 || failed / (requests + failed) > MAX_FAILED {
        bail!("{failed} requests failed and {requests} did not: {:?}", tally.failure);
    }
    let thousands = requests / 1000.0;
    let mut figures = Figures::default();
    figures.set("requests/s", requests / seconds);
    figures.set("moved/s", tally.moved as f64 / seconds);
    for (name, quantile) in
        [("p50 ms", 0.5), ("p90 ms", 0.9), ("p99 ms", 0.99), ("p99.9 ms", 0.999)]
    {
        figures.set(name, tally.microseconds.value_at_quantile(quantile) as f64 / 1000.0);
    }
    figures.set("max ms", tally.microseconds.max() as f64 / 1000.0);
    figures.set("server CPU s/1000", servers.cpu_seconds / thousands);
    figures.set("client CPU s/1000", own.cpu_seconds / thousands);
    figures.set("written KiB/1000", servers.written_bytes as f64 / 1024.0 / thousands);
    figures.set("resident MiB", cluster.resident_bytes()? as f64 / f64::from(1 << 20));
    figures.set("failed", failed);
    Ok(figures)
}
