//! Puts while a compaction of many revisions runs, beside the same puts before it.

use std::time::Instant;

use anyhow::{Context, Result};
use indicatif::ProgressBar;

use crate::cluster::Cluster;
use crate::control::{Control, Wait};
use crate::fill::fill;
use crate::keys::{Keys, Order};
use crate::load::{Crowd, measure};
use crate::outcome::Measured;
use crate::program::Program;
use crate::sends::Puts;
use crate::size::Size;

/// Clients that put.
const CLIENTS: usize = 64;

/// Runs it once: every key is put twice, so that half of all records go.
pub(crate) async fn run(
    program: &Program,
    size: &Size,
    progress: &ProgressBar,
) -> Result<Measured> {
    let cluster = Cluster::start(program, 1, &size.scratch).await?;
    progress.set_message("fill");
    for _ in 0..2 {
        fill(&cluster.addresses(), size.keys / 2, size.value_bytes, progress).await?;
    }
    let crowd = Crowd {
        connections: size.connections.min(CLIENTS),
        clients: CLIENTS,
        warm_up: size.warm_up,
        duration: size.duration,
        rate: None,
    };
    let puts = Puts {
        keys: Keys { count: size.keys / 2, order: Order::Random },
        clients: CLIENTS as u64,
        value_bytes: size.value_bytes,
    };
    progress.set_message("put before the compaction");
    let before = measure(&cluster, crowd, puts.clone()).await?;
    progress.set_message("put during the compaction");
    let compaction = tokio::spawn(compact(Control::of(cluster.addresses()[0])?));
    let mut during = measure(&cluster, crowd, puts).await?;
    during.set("compaction s", compaction.await??);
    let rates = before.get("requests/s").zip(during.get("requests/s"));
    let (rate_before, rate_during) = rates.context("a measurement has a rate")?;
    during.set("of before", rate_during / rate_before);
    Ok(vec![("put before compaction", before), ("put during compaction", during)])
}

/// Compacts all that is there, down to the disk; answers how many seconds that took.
async fn compact(control: Control) -> Result<f64> {
    let revision = control.revision().await?;
    let begin = Instant::now();
    control.compact(revision, Wait::UntilDone).await?;
    Ok(begin.elapsed().as_secs_f64())
}
