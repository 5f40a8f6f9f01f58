//! Events to many watchers: how many are delivered a second, and how late.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use etcd_proto::etcdserverpb::watch_request::RequestUnion;
use etcd_proto::etcdserverpb::{WatchCreateRequest, WatchRequest};
use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::connection::Connection;
use crate::figures::Figures;
use crate::program::Program;
use crate::scenario::{Measured, Size};
use crate::usage::Usage;
use crate::wire;

/// Streams, each on a connection of its own.
const STREAMS: usize = 100;
/// Watchers of each stream.
const WATCHERS: usize = 10;
/// Clients that put.
const PUTTERS: usize = 4;
/// What is watched.
const KEY: &[u8] = b"watched";

/// Runs it once.
pub(crate) async fn run(
    program: &Program,
    size: &Size,
    progress: &ProgressBar,
) -> Result<Measured> {
    let cluster = Cluster::start(program, 3, &size.scratch).await?;
    progress.set_message("watch");
    let shared = Arc::new(Shared { counting: AtomicBool::new(false), events: AtomicU64::new(0) });
    let epoch = Instant::now();
    let mut watchers = JoinSet::new();
    for connection in Connection::open_many(&cluster.addresses(), STREAMS).await? {
        let stream = Stream::open(connection).await?;
        watchers.spawn(stream.receive(shared.clone(), epoch));
    }
    let mut putters = JoinSet::new();
    for connection in Connection::open_many(&cluster.addresses(), PUTTERS).await? {
        putters.spawn(async move {
            loop {
                // The time of a put travels as its value.
                let now = epoch.elapsed().as_nanos() as u64;
                let value = Bytes::copy_from_slice(&now.to_be_bytes());
                let put = wire::put(Bytes::from_static(KEY), value);
                if let Err(status) = wire::kv(&connection).put(put).await {
                    return anyhow::Error::from(status);
                }
            }
        });
    }
    tokio::time::sleep(size.warm_up).await;
    let (servers, own, begin) = (cluster.usage()?, Usage::own()?, Instant::now());
    let before = shared.events.load(Ordering::Relaxed);
    shared.counting.store(true, Ordering::Relaxed);
    tokio::time::sleep(size.duration).await;
    shared.counting.store(false, Ordering::Relaxed);
    let events = (shared.events.load(Ordering::Relaxed) - before) as f64;
    let seconds = begin.elapsed().as_secs_f64();
    let (servers, own) = (cluster.usage()? - servers, Usage::own()? - own);
    if let Some(failed) = putters.try_join_next() {
        return Err(failed?.context("putting what is watched"));
    }
    putters.abort_all();
    // The streams end with the cluster, and say then what they saw.
    let resident = cluster.resident_bytes()?;
    drop(cluster);
    let mut late = Histogram::<u64>::new(3)?;
    while let Some(stream) = watchers.join_next().await {
        late.add(stream??)?;
    }
    let mut figures = Figures::default();
    figures.set("events/s", events / seconds);
    figures.set("p50 ms", late.value_at_quantile(0.5) as f64 / 1000.0);
    figures.set("p99 ms", late.value_at_quantile(0.99) as f64 / 1000.0);
    figures.set("server CPU s/1000", servers.cpu_seconds / events * 1000.0);
    figures.set("client CPU s/1000", own.cpu_seconds / events * 1000.0);
    figures.set("resident MiB", resident as f64 / f64::from(1 << 20));
    Ok(vec![("watch", figures)])
}

struct Shared {
    counting: AtomicBool,
    events: AtomicU64,
}

struct Stream {
    _requests: mpsc::Sender<WatchRequest>,
    responses: tonic::Streaming<etcd_proto::etcdserverpb::WatchResponse>,
}

impl Stream {
    /// Opens the stream with all its watchers, and waits until they watch.
    async fn open(connection: Connection) -> Result<Stream> {
        let (requests, receiver) = mpsc::channel(WATCHERS);
        for _ in 0..WATCHERS {
            let create = WatchCreateRequest {
                key: Bytes::from_static(KEY),
                ..WatchCreateRequest::default()
            };
            let request_union = Some(RequestUnion::CreateRequest(create));
            requests.send(WatchRequest { request_union }).await?;
        }
        let sent = futures_util::stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|request| (request, receiver))
        });
        let mut responses = wire::watch(&connection).watch(sent).await?.into_inner();
        for _ in 0..WATCHERS {
            let response = responses.message().await?.context("the stream has ended")?;
            anyhow::ensure!(response.created, "the first answers are for the watchers' creation");
        }
        Ok(Stream { _requests: requests, responses })
    }

    /// Takes events until the stream ends. Answers how late those were that counted, in
    /// microseconds.
    async fn receive(mut self, shared: Arc<Shared>, epoch: Instant) -> Result<Histogram<u64>> {
        let mut late = Histogram::<u64>::new(3)?;
        while let Ok(Some(response)) = self.responses.message().await {
            shared.events.fetch_add(response.events.len() as u64, Ordering::Relaxed);
            if !shared.counting.load(Ordering::Relaxed) {
                continue;
            }
            let now = epoch.elapsed();
            for event in &response.events {
                let value = event.kv.as_ref().map_or(&[][..], |pair| &pair.value);
                let put = u64::from_be_bytes(value.try_into().context("a value is a time")?);
                let since = now.saturating_sub(Duration::from_nanos(put));
                late.record(since.as_micros() as u64)?;
            }
        }
        Ok(late)
    }
}
