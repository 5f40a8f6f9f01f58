//! What the consensus counts and times of its own work, with etcd's meanings.

use std::collections::BTreeMap;
use std::sync::Arc;

use etcd_figures::{Count, Histogram, Level, Scale};
use etcd_membership::MemberId;
use parking_lot::Mutex;

/// Times until an answer comes from another member.
const ROUND_TRIPS: Scale = Scale::seconds(0.0001, 16);
/// Times of whole snapshots.
const SNAPSHOTS: Scale = Scale::seconds(0.1, 10);
/// Times of syncs.
const SYNCS: Scale = Scale::seconds(0.001, 14);

/// Members of which figures are kept at most: more than a cluster has in its life.
const PEERS: usize = 1024;

/// A member's part in the consensus, since it was started.
#[derive(Debug)]
pub struct Figures {
    /// Commands of callers here that were not applied: in no log, or not in time.
    pub proposals_failed: Count,
    /// Rounds of read barriers that ended because another leader became known.
    pub barriers_failed: Count,
    /// Questions of read barriers that were not answered in time.
    pub barriers_slow: Count,
    /// Heartbeats that a leader sent later than two intervals after the one before.
    pub late_heartbeats: Count,
    /// Snapshots that are being installed.
    pub installing: Level,
    /// How long it takes to receive a snapshot and to keep it.
    pub snapshot_saves: Histogram,
    /// How long the files of received snapshots take to be synced.
    pub snapshot_syncs: Histogram,
    peers: Mutex<BTreeMap<MemberId, Arc<PeerFigures>>>,
}

/// What goes to and comes from another member.
#[derive(Debug)]
pub struct PeerFigures {
    /// Connections either way.
    pub connections: Level,
    /// How often the last of them was lost.
    pub losses: Count,
    /// Bytes of messages to it.
    pub sent_bytes: Count,
    /// Connections to it that could not be made, or broke.
    pub send_failures: Count,
    /// Bytes of messages from it.
    pub received_bytes: Count,
    /// Connections from it that broke.
    pub receive_failures: Count,
    /// How long it takes to answer a heartbeat.
    pub round_trips: Histogram,
    /// Snapshots to it.
    pub snapshots_sent: Transfers,
    /// Snapshots from it.
    pub snapshots_received: Transfers,
}

/// Snapshots on their way in one direction.
#[derive(Debug)]
pub struct Transfers {
    /// Those that are under way.
    pub under_way: Level,
    /// Those that arrived.
    pub succeeded: Count,
    /// Those that did not.
    pub failed: Count,
    /// How long those took that arrived.
    pub times: Histogram,
}

impl Default for Figures {
    fn default() -> Figures {
        Figures {
            proposals_failed: Count::new(),
            barriers_failed: Count::new(),
            barriers_slow: Count::new(),
            late_heartbeats: Count::new(),
            installing: Level::default(),
            snapshot_saves: Histogram::new(SNAPSHOTS),
            snapshot_syncs: Histogram::new(SYNCS),
            peers: Mutex::default(),
        }
    }
}

impl Default for PeerFigures {
    fn default() -> PeerFigures {
        PeerFigures {
            connections: Level::default(),
            losses: Count::new(),
            sent_bytes: Count::new(),
            send_failures: Count::new(),
            received_bytes: Count::new(),
            receive_failures: Count::new(),
            round_trips: Histogram::new(ROUND_TRIPS),
            snapshots_sent: Transfers::default(),
            snapshots_received: Transfers::default(),
        }
    }
}

impl Default for Transfers {
    fn default() -> Transfers {
        Transfers {
            under_way: Level::default(),
            succeeded: Count::new(),
            failed: Count::new(),
            times: Histogram::new(SNAPSHOTS),
        }
    }
}

impl Figures {
    /// Those of another member, whether it was met before or not.
    pub(crate) fn peer(&self, member: MemberId) -> Arc<PeerFigures> {
        let mut peers = self.peers.lock();
        if let Some(figures) = peers.get(&member) {
            return figures.clone();
        }
        let figures = Arc::<PeerFigures>::default();
        if peers.len() < PEERS {
            peers.insert(member, figures.clone());
        }
        figures
    }

    /// Those of every other member that was met.
    pub fn peers(&self) -> Vec<(MemberId, Arc<PeerFigures>)> {
        let peers = self.peers.lock();
        peers.iter().map(|(member, figures)| (*member, figures.clone())).collect()
    }
}

impl PeerFigures {
    pub(crate) fn connected(&self) {
        self.connections.add(1);
    }

    pub(crate) fn disconnected(&self) {
        self.connections.take(1);
        if self.connections.get() == 0 {
            self.losses.raise();
        }
    }
}

impl Transfers {
    /// Counts a transfer while `work` goes on, and how it ends.
    pub(crate) async fn count<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let _under_way = self.under_way.hold();
        let begun = etcd_figures::Lap::begin();
        let result = work.await;
        match &result {
            Ok(_) => {
                self.succeeded.raise();
                self.times.note_time(begun.so_far());
            }
            Err(_) => self.failed.raise(),
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_lost_with_its_last_connection() {
        let figures = Figures::default();
        let peer = figures.peer(MemberId(7));
        peer.connected();
        figures.peer(MemberId(7)).connected();
        peer.disconnected();
        assert_eq!((peer.connections.get(), peer.losses.get()), (1, 0));
        peer.disconnected();
        assert_eq!((peer.connections.get(), peer.losses.get()), (0, 1));
        assert_eq!(figures.peers().len(), 1);
    }

    #[tokio::test]
    async fn a_transfer_is_counted_by_its_end() {
        let transfers = Transfers::default();
        let seen = async {
            assert_eq!(transfers.under_way.get(), 1);
            Ok::<_, ()>(())
        };
        assert_eq!(transfers.count(seen).await, Ok(()));
        assert_eq!(transfers.count(async { Err::<(), _>(7) }).await, Err(7));
        assert_eq!((transfers.succeeded.get(), transfers.failed.get()), (1, 1));
        assert_eq!((transfers.under_way.get(), transfers.times.distribution().count), (0, 1));
    }
}
