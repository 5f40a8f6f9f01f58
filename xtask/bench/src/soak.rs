//! Full load for a long time: what memory and disk do, whether leaders stay, how long anything
//! ever stood still.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::control::{Control, Wait};
use crate::figures::Figures;
use crate::keys::{Keys, Order};
use crate::load::measure;
use crate::looks::{LOOK, Looks, leader_changes};
use crate::outcome::{Measurement, Outcome, Timeline};
use crate::program::Program;
use crate::pulse::{Pulse, Reported};
use crate::sends::Puts;
use crate::size::Size;

/// Most keys that are put again and again: the store itself reaches its size early.
const MOST_KEYS: u64 = 100_000;
/// Between two compactions.
const COMPACT: Duration = Duration::from_secs(30);
/// Revisions that a compaction leaves.
const KEPT_REVISIONS: i64 = 50_000;
/// When memory is first looked at: caches are full then.
const EARLY: Duration = Duration::from_secs(120);

/// Runs it once, on three members.
pub(crate) async fn run(program: &Program, size: &Size, progress: &ProgressBar) -> Result<Outcome> {
    let cluster = Cluster::start(program, 3, &size.scratch).await?;
    progress.set_message("soak");
    let pulse = Pulse::new();
    let puts = Puts {
        keys: Keys { count: size.keys.min(MOST_KEYS), order: Order::Random },
        clients: size.clients as u64,
        value_bytes: size.value_bytes,
    };
    let reported = Reported { load: puts, pulse: pulse.clone() };
    let load = measure(&cluster, size.crowd(size.clients), reported);
    let look = look(&cluster, &pulse, size.load(), progress);
    let (figures, timeline) = tokio::join!(load, look);
    let timeline = timeline?;
    let mut figures = figures?;
    summarize(&timeline, &mut figures);
    figures.set("longest stall ms", pulse.longest_stall().as_secs_f64() * 1000.0);
    let measurement = Measurement { load: "soak".to_owned(), point: None, figures };
    Ok(Outcome { measurements: vec![measurement], timeline: Some(timeline) })
}

/// Looks at the members until `length` has passed, and has them compacted meanwhile.
async fn look(
    cluster: &Cluster,
    pulse: &Pulse,
    length: Duration,
    progress: &ProgressBar,
) -> Result<Timeline> {
    let mut looks = Looks::begin(cluster)?;
    let mut compactions = JoinSet::new();
    let begin = Instant::now();
    let mut next_compaction = begin + COMPACT;
    progress.set_length(length.as_secs());
    progress.set_position(0);
    while begin.elapsed() + LOOK <= length {
        looks.next(|| pulse.answers()).await?;
        progress.inc(1);
        if Instant::now() >= next_compaction {
            next_compaction += COMPACT;
            compactions.spawn(compact(looks.control().clone()));
        }
        while let Some(compaction) = compactions.try_join_next() {
            compaction?.context("compacting")?;
        }
    }
    while let Some(compaction) = compactions.join_next().await {
        compaction?.context("compacting")?;
    }
    Ok(looks.end())
}

async fn compact(control: Control) -> Result<()> {
    let revision = control.revision().await? - KEPT_REVISIONS;
    if revision > 0 {
        control.compact(revision, Wait::UntilAgreed).await?;
    }
    Ok(())
}

/// Memory and disk at three moments, of the member that has most; and how often leaders changed.
fn summarize(timeline: &Timeline, figures: &mut Figures) {
    let Some(end) = timeline.samples.last() else { return };
    let early = EARLY.as_secs_f64().min(end.seconds / 4.0);
    let at = |seconds: f64| {
        let sample = timeline.samples.iter().find(|sample| sample.seconds >= seconds);
        sample.unwrap_or(end)
    };
    let moments = [
        ("resident MiB at first", "disk MiB at first", at(early)),
        ("resident MiB halfway", "disk MiB halfway", at(end.seconds / 2.0)),
        ("resident MiB in the end", "disk MiB in the end", end),
    ];
    let most = |bytes: &[u64]| bytes.iter().copied().max().unwrap_or(0) as f64 / f64::from(1 << 20);
    for (memory, disk, sample) in moments {
        figures.set(memory, most(&sample.resident_bytes));
        figures.set(disk, most(&sample.disk_bytes));
    }
    figures.set("leader changes", leader_changes(timeline) as f64);
    let silent = timeline.samples.iter().flat_map(|sample| &sample.leaders);
    figures.set("looks without leader", silent.filter(|leader| **leader == 0).count() as f64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::looks::tests::timeline;

    #[test]
    fn memory_is_told_of_three_moments() {
        let mut figures = Figures::default();
        summarize(&timeline(&[[1, 1, 1]; 101]), &mut figures);
        assert_eq!(figures.get("resident MiB at first"), Some(25.0));
        assert_eq!(figures.get("resident MiB halfway"), Some(50.0));
        assert_eq!(figures.get("resident MiB in the end"), Some(100.0));
        assert_eq!(figures.get("disk MiB in the end"), Some(3.0));
        assert_eq!(figures.get("looks without leader"), Some(0.0));
    }
}
