//! Tells those who ask for it that there was no leader for long.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::leader::LeaderWatch;
use crate::tasks::Tasks;

/// How many samples in a row find no leader before anybody is told (etcd's number).
const LEADERLESS_SAMPLES: u32 = 3;

/// The word that no leader was known in each of the last samples. One task samples for everybody.
pub(crate) struct Absence {
    told: watch::Receiver<()>,
}

impl Absence {
    /// Starts to sample once each `election_timeout`.
    pub(crate) fn start(leader: LeaderWatch, election_timeout: Duration, tasks: &Tasks) -> Absence {
        let (tell, told) = watch::channel(());
        tasks.spawn(sample(leader, election_timeout, tell));
        Absence { told }
    }

    /// Resolves at the next sample that makes the absence a long one; never once the member stops.
    pub(crate) fn felt(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut told = self.told.clone();
        told.mark_unchanged();
        async move {
            if told.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

async fn sample(leader: LeaderWatch, pace: Duration, tell: watch::Sender<()>) {
    let mut ticks = interval_at(Instant::now() + pace, pace);
    // A process that was paused has looked once meanwhile, not many times.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut leaderless = 0;
    loop {
        ticks.tick().await;
        leaderless = if leader.alive().is_some() { 0 } else { leaderless + 1 };
        if leaderless >= LEADERLESS_SAMPLES {
            tell.send_replace(());
        }
    }
}
