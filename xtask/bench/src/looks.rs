//! Looks at members at work: who leads, what memory and disk they take.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::join_all;

use crate::cluster::Cluster;
use crate::control::Control;
use crate::outcome::{Sample, Timeline};

/// Between two looks.
pub(crate) const LOOK: Duration = Duration::from_secs(1);

/// All looks so far.
pub(crate) struct Looks<'c> {
    cluster: &'c Cluster,
    controls: Vec<Control>,
    begin: Instant,
    timeline: Timeline,
}

impl<'c> Looks<'c> {
    pub(crate) fn begin(cluster: &'c Cluster) -> Result<Looks<'c>> {
        let controls = cluster.addresses().into_iter().map(Control::of).collect::<Result<_>>()?;
        Ok(Looks { cluster, controls, begin: Instant::now(), timeline: Timeline::default() })
    }

    /// Looks when the next look is due; `answers` tells how many there were until then.
    pub(crate) async fn next(&mut self, answers: impl FnOnce() -> u64) -> Result<()> {
        let due = self.begin + LOOK * (self.timeline.samples.len() as u32 + 1);
        tokio::time::sleep_until(due.into()).await;
        let leaders = join_all(self.controls.iter().map(|control| async {
            // A member that does not answer at once sees no leader.
            let status = tokio::time::timeout(LOOK / 2, control.status()).await;
            status.ok().and_then(Result::ok).map_or(0, |status| status.leader)
        }));
        self.timeline.samples.push(Sample {
            leaders: leaders.await,
            seconds: self.begin.elapsed().as_secs_f64(),
            answers: answers(),
            resident_bytes: self.cluster.resident_bytes_of_each()?,
            disk_bytes: self.cluster.disk_bytes_of_each()?,
        });
        Ok(())
    }

    /// Of the first member.
    pub(crate) fn control(&self) -> &Control {
        &self.controls[0]
    }

    pub(crate) fn end(self) -> Timeline {
        self.timeline
    }
}

/// How often one leader followed another. A time without any is none; several members that see the
/// same change see one.
pub(crate) fn leader_changes(timeline: &Timeline) -> usize {
    let seen = timeline.samples.iter().filter_map(|sample| {
        let first = *sample.leaders.iter().find(|leader| **leader != 0)?;
        // While members see different leaders the change is under way.
        sample.leaders.iter().all(|leader| *leader == first || *leader == 0).then_some(first)
    });
    let seen: Vec<u64> = seen.collect();
    seen.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// One look a second at three members, the first of which takes a MiB more each time.
    pub(crate) fn timeline(leaders: &[[u64; 3]]) -> Timeline {
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
}
