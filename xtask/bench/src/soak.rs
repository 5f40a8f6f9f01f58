//! Full load for a long time: what memory and disk do, whether leaders stay, how long anything
//! ever stood still.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::future::join_all;
use indicatif::ProgressBar;
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::control::{Control, Wait};
use crate::figures::Figures;
use crate::keys::{Keys, Order};
use crate::load::measure;
use crate::outcome::{Measurement, Outcome, Sample, Timeline};
use crate::program::Program;
use crate::pulse::{Pulse, Reported};
use crate::sends::Puts;
use crate::size::Size;

/// Most keys that are put again and again: the store itself reaches its size early.
const MOST_KEYS: u64 = 100_000;
/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
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
    let controls: Vec<Control> =
        cluster.addresses().into_iter().map(Control::of).collect::<Result<_>>()?;
    let mut timeline = Timeline::default();
    let mut compactions = JoinSet::new();
    let begin = Instant::now();
    let (mut next_look, mut next_compaction) = (begin + LOOK, begin + COMPACT);
    progress.set_length(length.as_secs());
    progress.set_position(0);
    while next_look <= begin + length {
        tokio::time::sleep_until(next_look.into()).await;
        next_look += LOOK;
        let leaders = join_all(controls.iter().map(|control| async {
            // A member that does not answer at once sees no leader.
            let status = tokio::time::timeout(LOOK / 2, control.status()).await;
            status.ok().and_then(Result::ok).map_or(0, |status| status.leader)
        }));
        timeline.samples.push(Sample {
            leaders: leaders.await,
            seconds: begin.elapsed().as_secs_f64(),
            answers: pulse.answers(),
            resident_bytes: cluster.resident_bytes_of_each()?,
            disk_bytes: cluster.disk_bytes_of_each()?,
        });
        progress.inc(1);
        if Instant::now() >= next_compaction {
            next_compaction += COMPACT;
            compactions.spawn(compact(controls[0].clone()));
        }
        while let Some(compaction) = compactions.try_join_next() {
            compaction?.context("compacting")?;
        }
    }
    while let Some(compaction) = compactions.join_next().await {
        compaction?.context("compacting")?;
    }
    Ok(timeline)
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

/// How often one leader followed another. A time without any is none; several members that see the
/// same change see one.
fn leader_changes(timeline: &Timeline) -> usize {
    let seen = timeline.samples.iter().filter_map(|sample| {
        let first = *sample.leaders.iter().find(|leader| **leader != 0)?;
        // While members see different leaders the change is under way.
        sample.leaders.iter().all(|leader| *leader == first || *leader == 0).then_some(first)
    });
    let seen: Vec<u64> = seen.collect();
    seen.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(leaders: &[[u64; 3]]) -> Timeline {
        let samples = leaders.iter().enumerate().map(|(second, leaders)| Sample {
            seconds: second as f64,
            answers: 0,
            resident_bytes: vec![(second as u64) << 20, 1 << 20],
            disk_bytes: vec![3 << 20],
            leaders: leaders.to_vec(),
        });
        Timeline { samples: samples.collect() }
    }

    #[test]
    fn a_change_of_leaders_counts_once_however_it_is_seen() {
        let seen = [[1, 1, 1], [1, 0, 2], [1, 2, 2], [0, 0, 0], [2, 2, 0], [2, 2, 2]];
        assert_eq!(leader_changes(&timeline(&seen)), 1);
        assert_eq!(leader_changes(&timeline(&[[1, 1, 1], [0, 0, 0], [1, 1, 1]])), 0);
        assert_eq!(leader_changes(&timeline(&[[1, 1, 1], [2, 2, 2], [1, 1, 1]])), 2);
    }

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
