//! The read barrier: one confirmation of leadership serves every read that waits for one.

use std::sync::Arc;
use std::time::Duration;

use etcd_proto::raftpb::{Message, MessageType};
use openraft::ReadPolicy;
use tokio::sync::{mpsc, watch};

use crate::confirmed::{Reader, answer};
use crate::leader::{Leader, LeaderWatch};
use crate::network::{Peers, Purpose};
use crate::openraft_types::OpenRaft;
use crate::tasks::Tasks;
use crate::waiters::Waiters;
use crate::{Position, ReadError, StateMachine};

/// A question that got no answer is asked again after this long (etcd: 500 ms).
const ROUND_TIME: Duration = Duration::from_millis(500);
/// The pause before another question when the last one was refused.
const RETRY_AFTER: Duration = Duration::from_millis(20);
/// Reads that wait for a round before readers have to wait to be queued.
const QUEUE: usize = 16 << 10;
/// So many readers are told on the thread of the consensus; more are told beside the callers.
const TOLD_HERE: usize = 16;

/// The way into a member's [`Barrier`].
pub(crate) type Readers = mpsc::Sender<Reader>;

/// Answers waiting readers once this member's state has reached what was committed when they came.
pub(crate) struct Barrier<M: StateMachine> {
    raft: OpenRaft<M>,
    peers: Peers,
    leader: LeaderWatch,
    applied: watch::Receiver<Position>,
    waiters: Arc<Waiters<M::Reply>>,
    readers: mpsc::Receiver<Reader>,
    tasks: Tasks,
}

/// How a round ends.
enum Round {
    /// The leader confirmed this index.
    Confirmed(u64),
    /// A leader became known during the round.
    LeaderChanged,
    /// Every reader has given up.
    Abandoned,
}

impl<M: StateMachine> Barrier<M> {
    pub(crate) fn start(
        raft: OpenRaft<M>,
        peers: Peers,
        leader: LeaderWatch,
        applied: watch::Receiver<Position>,
        waiters: Arc<Waiters<M::Reply>>,
        tasks: Tasks,
    ) -> Readers {
        let (sender, readers) = mpsc::channel(QUEUE);
        let spawning = tasks.clone();
        let barrier = Barrier { raft, peers, leader, applied, waiters, readers, tasks };
        // On the thread of the consensus: a round goes to and fro there, and beside the callers it
        // would queue up behind them each time.
        spawning.spawn(barrier.run());
        sender
    }

    /// One round after the other. Those that come during a round wait for the next one, as etcd has
    /// it: a change of leaders is told to those of the round, and the others do not notice.
    async fn run(mut self) {
        let mut waiting = Vec::new();
        while self.readers.recv_many(&mut waiting, QUEUE).await > 0 {
            match self.round(&mut waiting).await {
                Round::Confirmed(index) => self.release(std::mem::take(&mut waiting), index),
                Round::LeaderChanged => {
                    self.peers.figures().barriers_failed.raise();
                    answer(waiting.drain(..), &Err(ReadError::LeaderChanged));
                }
                Round::Abandoned => self.peers.figures().barriers_slow.raise(),
            }
        }
    }

    /// Asks until there is an answer, for as long as somebody waits for it.
    async fn round(&mut self, waiting: &mut Vec<Reader>) -> Round {
        let changes = self.leader.changes();
        loop {
            waiting.retain(|reader| !reader.is_closed());
            if waiting.is_empty() {
                return Round::Abandoned;
            }
            let leader = self.leader.current();
            let mut watch = self.leader.clone();
            let asked = tokio::select! {
                asked = tokio::time::timeout(ROUND_TIME, self.read_index(&leader)) => asked,
                Ok(()) = watch.changed_since(changes) => return Round::LeaderChanged,
            };
            match asked {
                // The answer may have been on its way before the change.
                Ok(Some(_)) if self.leader.changes() != changes => return Round::LeaderChanged,
                Ok(Some(index)) => return Round::Confirmed(index),
                Ok(None) => tokio::select! {
                    Ok(()) = watch.changed_since(changes) => return Round::LeaderChanged,
                    () = tokio::time::sleep(RETRY_AFTER) => {}
                },
                Err(_) => self.peers.figures().barriers_slow.raise(),
            }
        }
    }

    /// The index that the state must reach, confirmed by the leader; `None` when it was refused.
    async fn read_index(&self, leader: &Leader) -> Option<u64> {
        match leader {
            Leader::Unknown => None,
            Leader::This => read_index(&self.raft).await,
            Leader::Other { member, urls } => {
                let link = self.peers.link(*member, urls, Purpose::Control);
                let kind = MessageType::MsgReadIndex.into();
                let answer =
                    link.call(Message { r#type: kind, ..Message::default() }).await.ok()?;
                (!answer.reject).then_some(answer.index)
            }
        }
    }

    /// Answers the readers when `index` is applied here, while the next round may start.
    fn release(&self, readers: Vec<Reader>, index: u64) {
        let applied = || self.applied.borrow().index;
        let ready = self.waiters.confirmed.wait(readers, index, applied);
        if ready.len() <= TOLD_HERE {
            return answer(ready, &Ok(()));
        }
        self.tasks.spawn_beside_callers(async move { answer(ready, &Ok(())) });
    }
}

/// Asks a quorum whether this member still leads, and answers the index to wait for; `None` when it
/// does not, or when the quorum is silent for a round.
pub(crate) async fn read_index<M: StateMachine>(raft: &OpenRaft<M>) -> Option<u64> {
    let confirmed = raft.get_read_linearizer(ReadPolicy::ReadIndex);
    let linearizer = tokio::time::timeout(ROUND_TIME, confirmed).await.ok()?.ok()?;
    Some(Position::of(Some(*linearizer.read_log_id().log_id())).index)
}
