//! Events to many watchers: how many are delivered a second, and how late.

use anyhow::{Context, Result};
use bytes::Bytes;
use indicatif::ProgressBar;
use tonic::Status;

use crate::cluster::Cluster;
use crate::figures::Figures;
use crate::load::{AsyncSend, Crowd, Phase, Turn, measure_beside};
use crate::program::Program;
use crate::request_headers::Method;
use crate::scenario::{Measured, Size};
use crate::tally::milliseconds;
use crate::watchers::{Epoch, Watchers, watcher};
use crate::wire;

/// Streams, each on a connection of its own.
const STREAMS: usize = 100;
/// Watchers of each stream.
const WATCHERS: usize = 10;
/// Clients that put: enough that the servers, not the disk's syncs, decide how many events come.
const PUTTERS: usize = 16;
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
    let (epoch, phase) = (Epoch::now(), Phase::new());
    let plans = vec![vec![watcher(KEY, b""); WATCHERS]; STREAMS];
    let watchers = Watchers::open(&cluster.addresses(), plans, epoch, phase.clone()).await?;
    let crowd = Crowd { connections: PUTTERS, ..size.crowd(PUTTERS) };
    let puts = measure_beside(&cluster, crowd, phase, TimedPuts { epoch }).await?;
    let seen = watchers.close()?;
    let events = seen.events as f64 / crowd.duration.as_secs_f64();
    let rate = puts.get("requests/s").context("a measurement has a rate")?;
    let mut figures = Figures::default();
    figures.set("events/s", events);
    figures.set("p50 ms", milliseconds(&seen.microseconds, 0.5));
    figures.set("p99 ms", milliseconds(&seen.microseconds, 0.99));
    // What a thousand events cost, not what a thousand puts did.
    for name in ["server CPU s/1000", "client CPU s/1000"] {
        let cost = puts.get(name).context("a measurement has its costs")?;
        figures.set(name, cost * rate / events);
    }
    figures.set("requests/s", rate);
    figures.set("resident MiB", puts.get("resident MiB").context("memory is measured")?);
    Ok(vec![("watch", figures)])
}

/// Puts that say when they were made.
#[derive(Clone)]
struct TimedPuts {
    epoch: Epoch,
}

impl AsyncSend for TimedPuts {
    async fn send(&self, turn: Turn<'_>) -> Result<u64, Status> {
        let value = Bytes::copy_from_slice(&self.epoch.stamp());
        turn.line.ask(Method::Put, &wire::put(Bytes::from_static(KEY), value)).await?;
        Ok(1)
    }
}
