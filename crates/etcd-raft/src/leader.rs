//! Who leads, as far as this member can tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use openraft::{Instant as _, RaftMetrics};

use crate::metrics::{Ended, Metrics};
use crate::openraft_types::TypeConfig;

/// Where commands and read indexes are to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Leader {
    /// This member believes to lead.
    This,
    /// Another member does.
    Other {
        /// Its id.
        member: u64,
        /// Where it is reached.
        urls: Vec<String>,
    },
    /// Nobody that this member knows of.
    Unknown,
}

/// The leader in openraft's metrics, and its changes.
#[derive(Clone)]
pub(crate) struct LeaderWatch {
    pub(crate) metrics: Metrics,
    contact: Contact,
}

/// When this member last heard from a leader. Openraft itself does not forget a leader that has
/// fallen silent, as long as nobody else is elected.
#[derive(Clone)]
pub(crate) struct Contact {
    start: Instant,
    /// Milliseconds since `start`, or `NEVER`.
    last: Arc<AtomicU64>,
    /// A leader silent for longer than this is taken for lost.
    limit: Duration,
}

/// No leader was heard since the start.
const NEVER: u64 = u64::MAX;

impl Contact {
    pub(crate) fn new(limit: Duration) -> Contact {
        Contact { start: Instant::now(), last: Arc::new(AtomicU64::new(NEVER)), limit }
    }

    /// Notes that a leader was heard now.
    pub(crate) fn heard(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    fn is_recent(&self) -> bool {
        match self.last.load(Ordering::Relaxed) {
            NEVER => false,
            last => self.start.elapsed().saturating_sub(Duration::from_millis(last)) <= self.limit,
        }
    }
}

impl LeaderWatch {
    pub(crate) fn new(metrics: Metrics, contact: Contact) -> LeaderWatch {
        LeaderWatch { metrics, contact }
    }

    /// The leader that openraft names, without regard to when it was last heard: the right one to
    /// try, since trying does no harm.
    pub(crate) fn current(&self) -> Leader {
        self.metrics.with(|metrics| match metrics.current_leader {
            None => Leader::Unknown,
            Some(leader) if leader == metrics.id => Leader::This,
            Some(member) => match metrics.membership_config.get_node(&member) {
                Some(node) => Leader::Other { member, urls: node.peer_urls.clone() },
                None => Leader::Unknown,
            },
        })
    }

    /// The leader's id if it was heard, or confirmed by a quorum, within the time limit.
    pub(crate) fn alive(&self) -> Option<u64> {
        self.metrics.with(|metrics| {
            let leader = metrics.current_leader?;
            if leader != metrics.id {
                return self.contact.is_recent().then_some(leader);
            }
            let alone = metrics.membership_config.voter_ids().count() <= 1;
            let acked = metrics.last_quorum_acked.as_ref();
            let confirmed = acked.is_some_and(|acked| acked.elapsed() <= self.contact.limit);
            (alone || confirmed).then_some(leader)
        })
    }

    /// Resolves when another leader is known than `known`; an error when raft has stopped.
    pub(crate) async fn changed_from(&mut self, known: &Leader) -> Result<(), Ended> {
        let changed = |metrics: &RaftMetrics<TypeConfig>| match known {
            // A leader that no membership names yet cannot be reached, and counts as none.
            Leader::Unknown => metrics.current_leader.is_some_and(|leader| {
                leader == metrics.id || metrics.membership_config.get_node(&leader).is_some()
            }),
            Leader::This => metrics.current_leader != Some(metrics.id),
            Leader::Other { member, .. } => metrics.current_leader != Some(*member),
        };
        self.metrics.wait_for(|metrics| changed(metrics).then_some(())).await
    }
}
