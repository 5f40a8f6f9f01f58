//! The members: who they are, how they change, how far they have come.

use std::sync::Arc;
use std::time::Duration;

use etcd_membership::{Change, MemberId, Members};
use etcd_proto::raftpb::{Message, MessageType};
use openraft::metrics::RaftServerMetrics;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::change_codec::{Decision, change_to_wire, decision_from_wire};
use crate::leader::{Leader, LeaderWatch};
use crate::link::LinkError;
use crate::network::Purpose;
use crate::openraft_types::TypeConfig;
use crate::reconfiguration::Asked;
use crate::{ChangeError, Position, Raft, ReadError};

/// How long a change that nobody decided on waits before it is tried again, when nothing is heard
/// of a new leader earlier.
const RETRY_AFTER: Duration = Duration::from_millis(20);

/// How far logs reach, as a leader knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Where the leader's ends.
    pub leader: u64,
    /// Up to where a member's is known to be the same; `None` for who is no member.
    pub member: Option<u64>,
}

fn awaits_vote(metrics: &RaftServerMetrics<TypeConfig>, member: MemberId) -> bool {
    let membership = &metrics.membership_config;
    let shall_vote = membership.get_node(&member.0).is_some_and(|node| !node.is_learner);
    shall_vote && membership.voter_ids().all(|voter| voter != member.0)
}

/// What came of asking for a change once.
enum Word {
    Decided(Decision),
    /// It may be made, now or later.
    Unknown,
}

impl<R: Send + 'static> Raft<R> {
    /// Has the leader change the members, and waits until this member has applied it, if it stays.
    /// Changes are made one after the other, whichever members are asked for them.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn change_members(
        &self,
        change: Change,
        deadline: Instant,
    ) -> Result<(), ChangeError> {
        tokio::select! {
            changed = self.try_change(&change, deadline) => changed,
            () = tokio::time::sleep_until(deadline) => Err(ChangeError::TimedOut),
            () = self.shared.tasks.stopping() => Err(ChangeError::Stopped),
        }
    }

    async fn try_change(&self, change: &Change, deadline: Instant) -> Result<(), ChangeError> {
        let mut watch = self.shared.leader.clone();
        let mut may_be_made = false;
        loop {
            let leader = watch.current();
            match self.ask_for_change(&leader, change).await {
                Word::Decided(Decision::Made(index)) => {
                    if *change == Change::Remove(self.shared.member) {
                        // It is sent nothing any more, unless it leads.
                        let limit = Instant::now() + self.shared.election_timeout;
                        drop(self.applied(index, deadline.min(limit)).await);
                        return Ok(());
                    }
                    return self.applied(index, deadline).await.map_err(|error| match error {
                        ReadError::Stopped => ChangeError::Stopped,
                        ReadError::TimedOut | ReadError::LeaderChanged => ChangeError::TimedOut,
                    });
                }
                // An earlier try may have been more than one.
                Word::Decided(Decision::Refused(error))
                    if may_be_made && change.is_refused_once_done(&error) =>
                {
                    return self.wait_until_made(change).await;
                }
                Word::Decided(Decision::Refused(error)) => return Err(error.into()),
                Word::Decided(Decision::NotLeader) => {}
                Word::Unknown => may_be_made = true,
            }
            // Whichever is first; that there is no leader any more is told by the next try.
            let changed = watch.changed_from(&leader);
            drop(tokio::time::timeout(RETRY_AFTER, changed).await);
        }
    }

    async fn ask_for_change(&self, leader: &Leader, change: &Change) -> Word {
        match leader {
            Leader::Unknown => Word::Decided(Decision::NotLeader),
            Leader::This => {
                let (decided, decision) = oneshot::channel();
                let asked = Asked { change: change.clone(), decided };
                if self.shared.ways.changes.send(asked).await.is_err() {
                    return Word::Unknown;
                }
                decision.await.map_or(Word::Unknown, Word::Decided)
            }
            Leader::Other { member, urls } => {
                let link = self.shared.peers.link(*member, urls, Purpose::Change);
                let answer = link.call(Message {
                    r#type: MessageType::MsgMemberChange.into(),
                    context: change_to_wire(change),
                    ..Message::default()
                });
                let mut watch: LeaderWatch = self.shared.leader.clone();
                tokio::select! {
                    answer = answer => match answer {
                        Ok(answer) => decision_from_wire(&answer).map_or(Word::Unknown, Word::Decided),
                        Err(LinkError::NotSent(_)) => Word::Decided(Decision::NotLeader),
                        Err(LinkError::Lost(_)) => Word::Unknown,
                    },
                    // A leader that is no more may never answer.
                    _ = watch.changed_from(leader) => Word::Unknown,
                }
            }
        }
    }

    /// Waits until this member has applied a change, however long that takes.
    ///
    /// # Errors
    /// `Stopped`.
    pub async fn wait_until_made(&self, change: &Change) -> Result<(), ChangeError> {
        let mut members = self.shared.members.clone();
        let made = members.wait_for(|members| change.is_done(members)).await;
        made.map(drop).map_err(|_| ChangeError::Stopped)
    }

    /// Resolves when this member was removed: it has applied it, or another member says so.
    pub async fn removed(&self) {
        let shared = &self.shared;
        let mut members = shared.members.clone();
        tokio::select! {
            Ok(_) = members.wait_for(|members| members.is_removed(shared.member)) => {}
            () = shared.peers.banned().cancelled() => {}
            else => std::future::pending().await,
        }
    }

    /// The members as this member has applied them, with those that were removed. What they say of
    /// themselves may be older than that.
    pub fn members(&self) -> Arc<Members> {
        self.shared.members.borrow().clone()
    }

    /// The members that decide, as the log says. Who was added is not among them before it has
    /// caught up.
    pub fn voters(&self) -> Vec<MemberId> {
        let metrics = &self.shared.leader.metrics;
        metrics.with(|metrics| metrics.membership_config.voter_ids().map(MemberId).collect())
    }

    /// Whether this member shall have a vote and has none yet.
    pub fn awaits_vote(&self) -> bool {
        let shared = &self.shared;
        shared.leader.servers.with(|metrics| awaits_vote(metrics, shared.member))
    }

    /// Resolves once this member awaits no vote: it has one, or shall have none.
    pub async fn vote_given(&self) {
        let mut servers = self.shared.leader.servers.clone();
        let given = servers
            .wait_for(|metrics| (!awaits_vote(metrics, self.shared.member)).then_some(()))
            .await;
        if given.is_err() {
            std::future::pending().await
        }
    }

    /// Whether there is a connection to a member that held all the time since then.
    pub fn is_active_since(&self, member: MemberId, moment: Instant) -> bool {
        self.shared.peers.is_active_since(member.0, moment)
    }

    /// How far this member's log and another's reach; `None` when this member does not lead.
    pub fn progress(&self, member: MemberId) -> Option<Progress> {
        if self.shared.leader.current() != Leader::This {
            return None;
        }
        self.shared.leader.metrics.with(|metrics| {
            let replication = metrics.replication.as_ref()?;
            let leader = metrics.last_log_index.map_or(0, |index| index + 1);
            let reached = match member == self.shared.member {
                true => leader,
                false => Position::of(replication.get(&member.0).copied().flatten()).index,
            };
            let is_member = metrics.membership_config.get_node(&member.0).is_some();
            Some(Progress { leader, member: is_member.then_some(reached) })
        })
    }
}
