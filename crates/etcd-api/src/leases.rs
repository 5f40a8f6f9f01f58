//! What a member needs to deal with leases beside their replicated state.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use etcd_membership::MemberId;
use etcd_proto::leasepb::leader_client::LeaderClient;
use etcd_raft::Connect;
use parking_lot::Mutex;
use tonic::transport::Channel;

use crate::renewals::Renewals;

/// How often what is left of a long lease is replicated (etcd: 5 minutes).
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// How a member deals with leases.
#[derive(Clone)]
pub struct LeaseOptions {
    /// How other members are reached: what only the leader knows is asked of it.
    pub connect: Connect,
    /// How often a leader asserts itself.
    pub heartbeat_interval: Duration,
    /// How long a follower waits for a leader.
    pub election_timeout: Duration,
    /// Whether what is left of long leases is replicated (feature gate `LeaseCheckpoint`).
    pub checkpoint: bool,
    /// Whether a lease that is known is renewed before all that is committed is applied (feature
    /// gate `FastLeaseKeepAlive`).
    pub fast_keep_alive: bool,
}

/// The member's part in leases. Cheap to clone.
#[derive(Clone)]
pub struct Leases {
    shared: Arc<Shared>,
}

struct Shared {
    options: LeaseOptions,
    ids: Ids,
    /// To the leader that was asked last, at these URLs.
    leader: Mutex<Option<(Vec<String>, Channel)>>,
    renewals: Renewals,
}

impl Leases {
    /// The part of `member`.
    pub fn new(member: MemberId, options: LeaseOptions) -> Leases {
        let ids = Ids::new(member, SystemTime::now());
        let (leader, renewals) = (Mutex::default(), Renewals::default());
        Leases { shared: Arc::new(Shared { options, ids, leader, renewals }) }
    }

    /// An id for a lease whose client has chosen none: positive, and given by no other member.
    pub(crate) fn next_id(&self) -> i64 {
        self.shared.ids.next()
    }

    /// The shortest time to live, in seconds: a lease must outlive an election.
    pub(crate) fn min_ttl_seconds(&self) -> i64 {
        let LeaseOptions { heartbeat_interval, election_timeout, .. } = self.shared.options;
        min_ttl_seconds(heartbeat_interval, election_timeout)
    }

    pub(crate) fn election_timeout(&self) -> Duration {
        self.shared.options.election_timeout
    }

    pub(crate) fn checkpoint_interval(&self) -> Option<Duration> {
        self.shared.options.checkpoint.then_some(CHECKPOINT_INTERVAL)
    }

    pub(crate) fn is_fast(&self) -> bool {
        self.shared.options.fast_keep_alive
    }

    /// Renewals that wait to travel to the leader.
    pub(crate) fn renewals(&self) -> &Renewals {
        &self.shared.renewals
    }

    /// A client of the leader at these URLs. One connection serves all calls.
    pub(crate) fn client(&self, urls: &[String]) -> Result<LeaderClient<Channel>, String> {
        let mut leader = self.shared.leader.lock();
        let channel = match &*leader {
            Some((known, channel)) if known == urls => channel.clone(),
            _ => {
                let channel = (self.shared.options.connect)(urls)?;
                *leader = Some((urls.to_vec(), channel.clone()));
                channel
            }
        };
        // A lease may have any number of keys.
        Ok(LeaderClient::new(channel).max_decoding_message_size(usize::MAX))
    }

    /// Lets go of the connection to the leader: it failed.
    pub(crate) fn disconnect(&self) {
        self.shared.leader.lock().take();
    }
}

/// etcd's: one and a half election timeouts, in whole heartbeats, rounded up to seconds.
fn min_ttl_seconds(heartbeat: Duration, election: Duration) -> i64 {
    let heartbeat = heartbeat.as_millis().max(1);
    let ticks = election.as_millis() / heartbeat * 3 / 2;
    i64::try_from((ticks * heartbeat).div_ceil(1000)).unwrap_or(i64::MAX)
}

/// Ids that no other member gives and that a restart does not repeat: two bytes of the member's id,
/// five of the time at the start in milliseconds, and one to count on (etcd's layout).
struct Ids {
    prefix: u64,
    suffix: AtomicU64,
}

impl Ids {
    /// The bits of the time and the count.
    const SUFFIX: u64 = (1 << 48) - 1;

    fn new(member: MemberId, now: SystemTime) -> Ids {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let milliseconds = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let suffix = AtomicU64::new((milliseconds << 8) & Ids::SUFFIX);
        Ids { prefix: member.0 << 48, suffix }
    }

    fn next(&self) -> i64 {
        let suffix = self.suffix.fetch_add(1, Ordering::Relaxed).wrapping_add(1) & Ids::SUFFIX;
        let id = (self.prefix | suffix) & (u64::MAX >> 1);
        match i64::try_from(id).expect("the highest bit is not set") {
            0 => self.next(),
            id => id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_time_to_live_is_etcds() {
        let seconds = |heartbeat, election| {
            min_ttl_seconds(Duration::from_millis(heartbeat), Duration::from_millis(election))
        };
        assert_eq!(seconds(100, 1000), 2);
        assert_eq!(seconds(100, 2000), 3);
        assert_eq!(seconds(20, 100), 1);
        // Three heartbeats and a half are three, times one and a half are four.
        assert_eq!(seconds(300, 1050), 2);
        assert_eq!(seconds(1, 50_000), 75);
    }

    #[test]
    fn ids_are_positive_and_begin_with_the_members() {
        let now = UNIX_EPOCH + Duration::from_millis(0x12_3456_7890);
        let ids = Ids::new(MemberId(0xaaaa_bbbb_cccc_8765), now);
        assert_eq!(ids.next(), 0x0765_1234_5678_9001);
        assert_eq!(ids.next(), 0x0765_1234_5678_9002);
        let zero = Ids { prefix: 1 << 63, suffix: AtomicU64::new(u64::MAX) };
        assert_eq!(zero.next(), 1, "zero is no id");
    }
}
