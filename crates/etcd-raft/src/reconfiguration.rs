//! Changes of the members: the leader decides on one after the other, each is one entry.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use etcd_membership::{Change, MemberId, Members};
use etcd_proto::raftpb::{Message, MessageType};
use openraft::errors::{ChangeMembershipError, ClientWriteError, RaftError};
use openraft::{ChangeMembers, Precondition};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tonic::Status;

use crate::change_codec::{Decision, change_from_wire, decision_to_wire};
use crate::leader::{Leader, LeaderWatch};
use crate::network::Peers;
use crate::openraft_types::{Membership, Node, OpenRaft, StoredMembership, TypeConfig};
use crate::tasks::Tasks;
use crate::{Position, StateMachine};

/// Changes that wait to be decided on before askers have to wait themselves.
const QUEUE: usize = 64;
/// How long a change waits that cannot be made just now.
const RETRY_AFTER: Duration = Duration::from_millis(20);
/// How often a leader looks whether a member has caught up that awaits its vote.
const VOTE_PACE: Duration = Duration::from_millis(50);
/// How often members are greeted that are not connected.
const GREETING_PACE: Duration = Duration::from_millis(500);

/// The way into a member's [`Reconfiguration`].
pub(crate) type Changes = mpsc::Sender<Asked>;

/// A change, and where the word on it is awaited. Without a word nobody knows what became of it.
pub(crate) struct Asked {
    pub(crate) change: Change,
    pub(crate) decided: oneshot::Sender<Decision>,
}

/// What came of a try to append a change.
enum Attempt {
    Made(u64),
    /// Nothing was appended; it may go well another time.
    Again,
    /// It may be in a log.
    Unknown,
}

/// What those stand on that work beside openraft.
pub(crate) struct Ground<M: StateMachine> {
    pub(crate) member: MemberId,
    pub(crate) raft: OpenRaft<M>,
    pub(crate) peers: Peers,
    pub(crate) applied: watch::Receiver<Position>,
    pub(crate) members: watch::Receiver<Arc<Members>>,
    pub(crate) max_learners: usize,
    pub(crate) election_timeout: Duration,
}

/// Decides on changes while this member leads, and gives votes to those that have caught up.
pub(crate) struct Reconfiguration<M: StateMachine> {
    ground: Ground<M>,
    leader: LeaderWatch,
    asked: mpsc::Receiver<Asked>,
    /// Where the log ended when it was last looked who has caught up.
    mark: Option<u64>,
}

impl<M: StateMachine> Reconfiguration<M> {
    pub(crate) fn start(ground: Ground<M>, leader: LeaderWatch, tasks: &Tasks) -> Changes {
        let (changes, asked) = mpsc::channel(QUEUE);
        tasks.spawn(follow(leader.clone(), ground.peers.clone()));
        tasks.spawn(Reconfiguration { ground, leader, asked, mark: None }.run());
        changes
    }

    async fn run(mut self) {
        let mut servers = self.leader.servers.clone();
        loop {
            let awaits = servers.look(|metrics| awaits_vote(&metrics.membership_config).is_some());
            tokio::select! {
                asked = self.asked.recv() => match asked {
                    Some(asked) => self.serve(asked).await,
                    None => return,
                },
                changed = servers.changed() => if changed.is_err() {
                    return;
                },
                () = tokio::time::sleep(VOTE_PACE), if awaits => self.give_vote().await,
            }
        }
    }

    /// Decides on a change, unless whoever asked for it has given up.
    async fn serve(&mut self, asked: Asked) {
        let Asked { change, mut decided } = asked;
        let decision = tokio::select! {
            biased;
            () = decided.closed() => return,
            decision = self.decide(&change) => decision,
        };
        if let Some(decision) = decision {
            // Nobody may be waiting any more.
            let _ = decided.send(decision);
        }
    }

    async fn decide(&mut self, change: &Change) -> Option<Decision> {
        let mut may_hand_over = *change == Change::Remove(self.ground.member);
        loop {
            if self.leader.current() != Leader::This {
                return Some(Decision::NotLeader);
            }
            let Some(current) = self.settled().await else { return Some(Decision::NotLeader) };
            let mut members = Members::clone(&self.ground.members.borrow());
            if let Err(error) = members.change(change, self.ground.max_learners) {
                return Some(Decision::Refused(error));
            }
            if std::mem::take(&mut may_hand_over) && self.hand_over().await {
                return Some(Decision::NotLeader);
            }
            if leaves_no_voter(&current, change) {
                if awaits_vote(&current).is_none() {
                    return Some(Decision::Refused(etcd_membership::Error::LastVoter));
                }
                self.give_vote().await;
            } else {
                match self.append(change, &current).await {
                    Attempt::Made(index) => return Some(Decision::Made(index)),
                    Attempt::Unknown => return None,
                    Attempt::Again => {}
                }
            }
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }

    /// The membership as the log has it, once it is applied; `None` when this member leads no more.
    async fn settled(&mut self) -> Option<Arc<StoredMembership>> {
        let metrics = &self.leader.metrics;
        let current = metrics.with(|metrics| metrics.membership_config.clone());
        let index = Position::of(*current.log_id()).index;
        let mut leader = self.leader.clone();
        tokio::select! {
            reached = self.ground.applied.wait_for(|applied| applied.index >= index) => {
                reached.is_ok().then_some(current)
            }
            _ = leader.changed_from(&Leader::This) => None,
        }
    }

    /// Lets another voter lead before this member goes: then there is a leader all the time.
    async fn hand_over(&mut self) -> bool {
        let Some(successor) = self.leader.successor(self.ground.member) else {
            return false;
        };
        let limit = Instant::now() + self.ground.election_timeout;
        if self.ground.raft.trigger().transfer_leader(successor.0).await.is_err() {
            return false;
        }
        let mut leader = self.leader.clone();
        let lost = leader.changed_from(&Leader::This);
        tokio::time::timeout_at(limit, lost).await.is_ok()
    }

    /// Appends the entry that makes a change, if the membership is still `current`.
    async fn append(&self, change: &Change, current: &StoredMembership) -> Attempt {
        let (mut voters, mut nodes) = parts(current);
        match change {
            Change::Add(member) => {
                let peer_urls = member.peer_urls.clone();
                nodes.insert(member.id.0, Node { peer_urls, is_learner: member.is_learner });
            }
            Change::Remove(id) => {
                voters.remove(&id.0);
                nodes.remove(&id.0);
            }
            Change::UpdatePeerUrls(id, peer_urls) => {
                let is_learner = nodes.get(&id.0).is_some_and(|node| node.is_learner);
                let node = Node { peer_urls: peer_urls.clone(), is_learner };
                return self.set_node(id.0, node, current).await;
            }
            Change::Promote(id) => {
                let Some(node) = nodes.remove(&id.0) else { return Attempt::Again };
                return self.set_node(id.0, Node { is_learner: false, ..node }, current).await;
            }
        }
        self.append_membership(voters, nodes, current).await
    }

    async fn append_membership(
        &self,
        voters: BTreeSet<u64>,
        nodes: BTreeMap<u64, Node>,
        current: &StoredMembership,
    ) -> Attempt {
        let Ok(membership) = Membership::new(vec![voters], nodes) else { return Attempt::Again };
        let blank = openraft::EntryPayload::Blank;
        let written = self.ground.raft.append_membership(membership, blank, unless_newer(current));
        attempt(written.await.map(|response| response.log_id))
    }

    /// What openraft knows of a member but its vote changes only so; votes stay as they are, and
    /// it takes one entry.
    async fn set_node(&self, id: u64, node: Node, current: &StoredMembership) -> Attempt {
        let set = ChangeMembers::SetNodes(BTreeMap::from([(id, node)]));
        let written = self.ground.raft.change_membership_if(set, true, unless_newer(current));
        attempt(written.await.map(|response| response.log_id))
    }

    /// Gives a member its vote that awaits it, if it is connected and has by now what the log held
    /// when it was looked last.
    async fn give_vote(&mut self) {
        if self.leader.current() != Leader::This {
            self.mark = None;
            return;
        }
        let (current, replication, last) = self.leader.metrics.with(|metrics| {
            let current = metrics.membership_config.clone();
            (current, metrics.replication.clone(), metrics.last_log_index)
        });
        let mark = std::mem::replace(&mut self.mark, last);
        let (Some(mark), Some(replication)) = (mark, replication) else { return };
        let has_caught_up = |id: &u64| {
            let reached = replication.get(id).copied().flatten();
            reached.is_some_and(|reached| reached.index >= mark)
                && self.ground.peers.is_active_since(*id, Instant::now())
        };
        let Some(id) = awaiting(&current).find(has_caught_up) else { return };
        let (mut voters, nodes) = parts(&current);
        voters.insert(id);
        if let Attempt::Made(_) = self.append_membership(voters, nodes, &current).await {
            tracing::info!(member = %MemberId(id), "a member has caught up and votes");
        }
    }
}

/// Answers another member that asks this one for a change.
pub(crate) async fn answer(changes: &Changes, message: &Message) -> Result<Message, Status> {
    let change = change_from_wire(&message.context);
    let change = change.ok_or_else(|| Status::invalid_argument("an unreadable change"))?;
    let (decided, decision) = oneshot::channel();
    let asked = changes.send(Asked { change, decided }).await;
    asked.map_err(|_| Status::unavailable("the member is stopping"))?;
    Ok(Message {
        r#type: MessageType::MsgMemberChangeResp.into(),
        ..decision_to_wire(decision.await.ok())
    })
}

/// Keeps the links as the members are, and greets who is not connected.
async fn follow(leader: LeaderWatch, peers: Peers) {
    let mut servers = leader.servers.clone();
    let mut pace = tokio::time::interval(GREETING_PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let members: BTreeMap<u64, Vec<String>> = servers.look(|metrics| {
            let nodes = metrics.membership_config.nodes();
            nodes.map(|(id, node)| (*id, node.peer_urls.clone())).collect()
        });
        peers.follow(&members);
        tokio::select! {
            changed = servers.changed() => if changed.is_err() {
                return;
            },
            _ = pace.tick() => peers.greet(&members),
        }
    }
}

fn parts(current: &StoredMembership) -> (BTreeSet<u64>, BTreeMap<u64, Node>) {
    let nodes = current.nodes().map(|(id, node)| (*id, node.clone()));
    (current.voter_ids().collect(), nodes.collect())
}

/// The members that shall vote and have no vote yet.
fn awaiting(current: &StoredMembership) -> impl Iterator<Item = u64> {
    let voters: BTreeSet<u64> = current.voter_ids().collect();
    let nodes = current.nodes().filter(|(_, node)| !node.is_learner).map(|(id, _)| *id);
    nodes.filter(move |id| !voters.contains(id))
}

fn awaits_vote(current: &StoredMembership) -> Option<u64> {
    awaiting(current).next()
}

fn leaves_no_voter(current: &StoredMembership, change: &Change) -> bool {
    let Change::Remove(removed) = change else { return false };
    current.voter_ids().all(|id| id == removed.0)
}

fn unless_newer(current: &StoredMembership) -> [Precondition<TypeConfig>; 1] {
    [Precondition::LastMembershipLogId { last_membership_log_id: *current.log_id() }]
}

fn attempt(
    written: Result<crate::openraft_types::LogId, RaftError<TypeConfig, WriteError>>,
) -> Attempt {
    use ChangeMembershipError as E;
    match written {
        Ok(log_id) => Attempt::Made(Position::of(Some(log_id)).index),
        Err(RaftError::APIError(error)) => match error {
            // Openraft says so only of what it did not append.
            ClientWriteError::ForwardToLeader(_) | ClientWriteError::PreconditionFailed(_) => {
                Attempt::Again
            }
            ClientWriteError::ChangeMembershipError(
                E::InProgress(_) | E::UncommittedLeaderLog(_) | E::NodeMetadataChanged(_),
            ) => Attempt::Again,
            error => {
                tracing::error!(%error, "a change of the members came to nothing");
                Attempt::Unknown
            }
        },
        Err(RaftError::Fatal(_)) => Attempt::Unknown,
    }
}

type WriteError = ClientWriteError<TypeConfig>;
