//! Openraft's types with this project's parameters: no other module spells them out.

use std::fmt;

use bytes::Bytes;

openraft::declare_raft_types!(
    /// What openraft is instantiated with.
    pub(crate) TypeConfig:
        D = Commands,
        R = (),
        NodeId = u64,
        Node = Node,
        Term = u64,
        LeaderId = openraft::impls::leader_id_std::LeaderId<Self::Term, Self::NodeId>,
        AsyncRuntime = openraft::TokioRuntime,
);

/// An encoded `raftpb.ProposalBatch`: decoded once, when it is applied.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Commands(pub(crate) Bytes);

/// What the log says of a member beside its vote.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Node {
    /// How others reach it.
    pub(crate) peer_urls: Vec<String>,
    /// Whether it shall learn only. Openraft calls learner whoever has no vote: also a member that
    /// gets one when it has caught up.
    pub(crate) is_learner: bool,
}

pub(crate) use openraft::alias::{CommittedLeaderIdOf, EntryOf, LogIdOf, VoteOf};

pub(crate) type Term = CommittedLeaderIdOf<TypeConfig>;
pub(crate) type LogId = LogIdOf<TypeConfig>;
pub(crate) type Vote = VoteOf<TypeConfig>;
pub(crate) type RaftEntry = EntryOf<TypeConfig>;
pub(crate) type RaftPayload = openraft::EntryPayload<Commands, u64, Node>;
pub(crate) type Membership = openraft::Membership<u64, Node>;
pub(crate) type StoredMembership = openraft::alias::StoredMembershipOf<TypeConfig>;
pub(crate) type SnapshotMeta = openraft::alias::SnapshotMetaOf<TypeConfig>;
pub(crate) type AppendEntriesRequest = openraft::raft::AppendEntriesRequest<TypeConfig>;
pub(crate) type StreamAppendResult = openraft::raft::StreamAppendResult<TypeConfig>;
pub(crate) type Snapshot = openraft::alias::SnapshotOf<TypeConfig, crate::snapshot::SnapshotFiles>;

pub(crate) type RaftState = openraft::RaftState<TypeConfig>;
pub(crate) type MetricsReceiver<T> = openraft::alias::WatchReceiverOf<TypeConfig, T>;
/// Openraft with this project's state machine adapter.
pub(crate) type OpenRaft<M> = openraft::Raft<TypeConfig, crate::machine::Machine<M>>;

impl fmt::Debug for Commands {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Commands({} bytes)", self.0.len())
    }
}

impl fmt::Display for Commands {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.peer_urls.join(","))
    }
}
