//! The read barrier: one confirmation of leadership serves every read that waits for one.

use std::time::Duration;

use etcd_proto::raftpb::{Message, MessageType};
use openraft::ReadPolicy;
use tokio::sync::{mpsc, oneshot, watch};

use crate::leader::{Leader, LeaderWatch};
use crate::network::{Peers, Purpose};
use crate::openraft_types::OpenRaft;
use crate::tasks::Tasks;
use crate::{Position, StateMachine};

/// A round that got no answer is tried again after this long (etcd: 500 ms).
const ROUND_TIME: Duration = Duration::from_millis(500);
/// The pause before a new round when the last one was refused.
const RETRY_AFTER: Duration = Duration::from_millis(20);
/// Reads that wait for a round before readers have to wait to be queued.
const QUEUE: usize = 16 << 10;

/// The way into a member's [`Barrier`].
pub(crate) type Readers = mpsc::Sender<oneshot::Sender<()>>;

/// Answers waiting readers once this member's state has reached what was committed when they came.
pub(crate) struct Barrier<M: StateMachine> {
    raft: OpenRaft<M>,
    peers: Peers,
    leader: LeaderWatch,
    applied: watch::Receiver<Position>,
    readers: mpsc::Receiver<oneshot::Sender<()>>,
    tasks: Tasks,
}

impl<M: StateMachine> Barrier<M> {
    pub(crate) fn start(
        raft: OpenRaft<M>,
        peers: Peers,
        leader: LeaderWatch,
        applied: watch::Receiver<Position>,
        tasks: Tasks,
    ) -> Readers {
        let (sender, readers) = mpsc::channel(QUEUE);
        let barrier = Barrier { raft, peers, leader, applied, readers, tasks: tasks.clone() };
        tasks.spawn(barrier.run());
        sender
    }

    async fn run(mut self) {
        let mut waiting = Vec::new();
        loop {
            if waiting.is_empty() && self.readers.recv_many(&mut waiting, QUEUE).await == 0 {
                return;
            }
            // Those that came while the last round was under way join this one.
            while let Ok(reader) = self.readers.try_recv() {
                waiting.push(reader);
            }
            waiting.retain(|reader| !reader.is_closed());
            if waiting.is_empty() {
                continue;
            }
            let leader = self.leader.current();
            match tokio::time::timeout(ROUND_TIME, self.read_index(&leader)).await {
                Ok(Some(index)) => self.release(std::mem::take(&mut waiting), index),
                Ok(None) => self.pause(&leader).await,
                Err(_) => {}
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
    fn release(&self, readers: Vec<oneshot::Sender<()>>, index: u64) {
        let answer = |readers: Vec<oneshot::Sender<()>>| {
            for reader in readers {
                // A reader that gave up needs no answer.
                let _ = reader.send(());
            }
        };
        if self.applied.borrow().index >= index {
            return answer(readers);
        }
        let mut applied = self.applied.clone();
        self.tasks.spawn(async move {
            if applied.wait_for(|position| position.index >= index).await.is_ok() {
                answer(readers);
            }
        });
    }

    async fn pause(&mut self, leader: &Leader) {
        tokio::select! {
            _ = self.leader.changed_from(leader) => {}
            () = tokio::time::sleep(RETRY_AFTER) => {}
        }
    }
}

/// Asks a quorum whether this member still leads, and answers the index to wait for; `None` when it
/// does not, or when the quorum is silent for a round.
pub(crate) async fn read_index<M: StateMachine>(raft: &OpenRaft<M>) -> Option<u64> {
    let confirmed = raft.get_read_linearizer(ReadPolicy::ReadIndex);
    let linearizer = tokio::time::timeout(ROUND_TIME, confirmed).await.ok()?.ok()?;
    Some(Position::of(Some(*linearizer.read_log_id().log_id())).index)
}
