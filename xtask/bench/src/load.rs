//! Many clients that send requests, and what it took.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use parking_lot::Mutex;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::task::JoinSet;
use tonic::Status;

use crate::cluster::Cluster;
use crate::crew::Crew;
use crate::figures::Figures;
use crate::line::Line;
use crate::pacing::Pace;
use crate::tally::Tally;
use crate::usage::Usage;

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
    pub(crate) line: &'c Line,
    pub(crate) random: &'c mut SmallRng,
    pub(crate) client: u64,
    pub(crate) number: u64,
}

/// What a client does again and again.
pub(crate) trait AsyncSend: Clone + Send + 'static {
    /// The names of figures that tell how late the slowest hundredth of each kind of requests was
    /// answered, in milliseconds; none if all are of one kind.
    const KINDS: &'static [&'static str] = &[];

    /// Which of them a client's request is, the client's `number`-th one.
    fn kind(&self, _client: u64, _number: u64) -> usize {
        0
    }

    /// Makes one request and answers what it moved: bytes, keys or events.
    fn send(&self, turn: Turn<'_>) -> impl Future<Output = Result<u64, Status>> + Send;
}

/// How far a load is; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Phase(Arc<AtomicU8>);

const WARMING_UP: u8 = 0;
const COUNTING: u8 = 1;
const OVER: u8 = 2;

impl Phase {
    pub(crate) fn new() -> Phase {
        Phase(Arc::new(AtomicU8::new(WARMING_UP)))
    }

    pub(crate) fn is_counting(&self) -> bool {
        self.0.load(Ordering::Relaxed) == COUNTING
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed) == OVER
    }

    fn set(&self, phase: u8) {
        self.0.store(phase, Ordering::Relaxed);
    }
}

/// A crowd at work.
pub(crate) struct Running {
    phase: Phase,
    clients: JoinSet<Result<()>>,
    /// One for each thread of the crew.
    tallies: Vec<Arc<Mutex<Tally>>>,
    paces: Vec<Pace>,
    kinds: &'static [&'static str],
    /// Last, because nothing runs without it.
    _crew: Crew,
}

impl Running {
    /// Sets the crowd to work.
    pub(crate) async fn start<S: AsyncSend>(
        addresses: &[SocketAddr],
        crowd: Crowd,
        send: S,
    ) -> Result<Running> {
        Running::start_in(addresses, crowd, Phase::new(), send).await
    }

    async fn start_in<S: AsyncSend>(
        addresses: &[SocketAddr],
        crowd: Crowd,
        phase: Phase,
        send: S,
    ) -> Result<Running> {
        let crew = Crew::start(crowd.connections)?;
        let threads = crew.runtimes().len();
        let mut clients = JoinSet::new();
        let (mut tallies, mut paces) = (Vec::new(), Vec::new());
        for (thread, runtime) in crew.runtimes().enumerate() {
            let share = |whole: usize| whole / threads + usize::from(thread < whole % threads);
            let turned = thread % addresses.len();
            let addresses = [&addresses[turned..], &addresses[..turned]].concat();
            let connections = share(crowd.connections);
            let open = async move { Line::open_many(&addresses, connections).await };
            let lines = runtime.spawn(open).await??;
            let tally = Arc::new(Mutex::new(Tally::new(S::KINDS.len())?));
            let pace = crowd.rate.map(|rate| Pace::start(rate / threads as f64)).transpose()?;
            for (client, line) in lines.iter().cycle().take(share(crowd.clients)).enumerate() {
                let worker = Worker {
                    line: line.clone(),
                    phase: phase.clone(),
                    client: (client * threads + thread) as u64,
                    tally: tally.clone(),
                    pace: pace.clone(),
                };
                clients.spawn_on(worker.run(send.clone()), runtime);
            }
            tallies.push(tally);
            paces.extend(pace);
        }
        Ok(Running { phase, clients, tallies, paces, kinds: S::KINDS, _crew: crew })
    }

    /// From now on answers count.
    pub(crate) fn count(&self) {
        self.phase.set(COUNTING);
    }

    /// Lets each client finish its request and sums up.
    pub(crate) async fn finish(mut self) -> Result<Tally> {
        self.phase.set(OVER);
        self.paces.iter().for_each(Pace::stop);
        while let Some(client) = self.clients.join_next().await {
            client??;
        }
        let mut sum = Tally::new(self.kinds.len())?;
        for tally in &self.tallies {
            sum.add(&tally.lock())?;
        }
        Ok(sum)
    }
}

struct Worker {
    line: Line,
    phase: Phase,
    client: u64,
    tally: Arc<Mutex<Tally>>,
    pace: Option<Pace>,
}

impl Worker {
    async fn run<S: AsyncSend>(self, send: S) -> Result<()> {
        let mut random = SmallRng::seed_from_u64(self.client);
        let mut last = Instant::now();
        for number in 0.. {
            let begin = match &self.pace {
                None => last,
                Some(pace) => match pace.next().await {
                    Some(due) => due,
                    None => break,
                },
            };
            if self.phase.is_over() {
                break;
            }
            let turn = Turn { line: &self.line, random: &mut random, client: self.client, number };
            let outcome = send.send(turn).await;
            last = Instant::now();
            if self.phase.is_counting() {
                let kind = send.kind(self.client, number);
                let latency = last.saturating_duration_since(begin);
                self.tally.lock().record(outcome, kind, latency)?;
            }
        }
        Ok(())
    }
}

/// Lets the crowd work on the cluster and takes all figures of it.
pub(crate) async fn measure<S: AsyncSend>(
    cluster: &Cluster,
    crowd: Crowd,
    send: S,
) -> Result<Figures> {
    measure_beside(cluster, crowd, Phase::new(), send).await
}

/// The same, where others want to know when the counting begins and ends.
pub(crate) async fn measure_beside<S: AsyncSend>(
    cluster: &Cluster,
    crowd: Crowd,
    phase: Phase,
    send: S,
) -> Result<Figures> {
    let running = Running::start_in(&cluster.addresses(), crowd, phase, send).await?;
    tokio::time::sleep(crowd.warm_up).await;
    let (servers, own, begin) = (cluster.usage()?, Usage::own()?, Instant::now());
    running.count();
    tokio::time::sleep(crowd.duration).await;
    let seconds = begin.elapsed().as_secs_f64();
    let (servers, own) = (cluster.usage()? - servers, Usage::own()? - own);
    let tally = running.finish().await?;
    let mut figures = tally.figures(seconds, S::KINDS)?;
    tally.costs(&mut figures, servers, own);
    figures.set("resident MiB", cluster.resident_bytes()? as f64 / f64::from(1 << 20));
    if let Some(rate) = crowd.rate {
        figures.set("rate", rate);
    }
    Ok(figures)
}
