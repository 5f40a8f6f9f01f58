//! More than the members can do, from many connections: what they turn away, and with what words,
//! whether the leader stays, what memory they take, and how soon they are themselves again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use indicatif::ProgressBar;

use crate::cluster::Cluster;
use crate::control::Control;
use crate::figures::Figures;
use crate::keys::{Keys, Order};
use crate::load::{Crowd, Running};
use crate::looks::{LOOK, Looks, leader_changes};
use crate::outcome::{Measurement, Outcome, Timeline};
use crate::program::Program;
use crate::sends::Puts;
use crate::size::Size;

/// Where nobody says otherwise.
const RATE: f64 = 100_000.0;
const CONNECTIONS: usize = 10_000;
/// Each waits for its answer, so that this is the most that is under way.
const CLIENTS: usize = 40_000;
/// What a member may say when it has too much to do, and what etcd says too.
const REFUSALS: [&str; 3] = [
    "Unknown: etcdserver: too many requests",
    "Unavailable: etcdserver: request timed out",
    "DeadlineExceeded: etcdserver: request timed out",
];
/// A put that is answered within this is one of a cluster that is itself again.
const PROMPT: Duration = Duration::from_millis(100);
/// Longer than any recovery.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs it once, on three members.
pub(crate) async fn run(program: &Program, size: &Size, progress: &ProgressBar) -> Result<Outcome> {
    let cluster = Cluster::start(program, 3, &size.scratch).await?;
    progress.set_message("connect");
    let rate = size.rate.unwrap_or(RATE);
    let crowd = Crowd {
        connections: CONNECTIONS,
        clients: CLIENTS,
        rate: Some(rate),
        ..size.crowd(CLIENTS)
    };
    let puts = Puts {
        keys: Keys { count: 1 << 40, order: Order::Sequential },
        clients: CLIENTS as u64,
        value_bytes: size.value_bytes,
    };
    let running = Running::start(&cluster.addresses(), crowd, puts).await?;
    progress.set_message("overload");
    running.count();
    let begin = Instant::now();
    let mut looks = Looks::begin(&cluster)?;
    while begin.elapsed() + LOOK <= size.load() {
        looks.next(|| 0).await?;
        progress.inc(1);
    }
    let (tally, seconds) = (running.finish().await?, begin.elapsed().as_secs_f64());
    let recovery = recovery(looks.control()).await?;
    check(tally.failures())?;

    let mut figures = tally.figures_of_answers(seconds, &[]);
    let timeline = looks.end();
    summarize(&timeline, &mut figures);
    figures.set("rate", rate);
    figures.set("recovery ms", recovery.as_secs_f64() * 1000.0);
    let measurement = Measurement { load: "overload".to_owned(), point: None, figures };
    Ok(Outcome { measurements: vec![measurement], timeline: Some(timeline) })
}

/// The time until a put is answered promptly.
async fn recovery(control: &Control) -> Result<Duration> {
    let begin = Instant::now();
    loop {
        let put = tokio::time::timeout(PROMPT, control.put("overload", "over")).await;
        if let Ok(Ok(())) = put {
            return Ok(begin.elapsed());
        }
        ensure!(begin.elapsed() < PATIENCE, "no put was answered within {PROMPT:?}: {put:?}");
    }
}

/// Who is turned away is told so; all else is a fault.
fn check(failures: &BTreeMap<String, u64>) -> Result<()> {
    let is_refusal = |status: &&String| REFUSALS.iter().any(|known| status.starts_with(known));
    let other = failures.keys().find(|status| !is_refusal(status));
    other.map_or(Ok(()), |status| {
        Err(anyhow::anyhow!("{status}")).context("a request failed for another reason than load")
    })
}

fn summarize(timeline: &Timeline, figures: &mut Figures) {
    let most = timeline.samples.iter().flat_map(|sample| &sample.resident_bytes).max();
    figures.set("resident MiB", most.map_or(0.0, |bytes| *bytes as f64 / f64::from(1 << 20)));
    figures.set("leader changes", leader_changes(timeline) as f64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_refusals_are_fine() {
        let failed = |status: &str| check(&BTreeMap::from([(status.to_owned(), 1)]));
        assert!(check(&BTreeMap::new()).is_ok());
        assert!(failed("Unknown: etcdserver: too many requests").is_ok());
        let lost = failed("Unavailable: the connection is lost: reading").expect_err("a fault");
        assert!(format!("{lost:#}").contains("the connection is lost"));
    }
}
