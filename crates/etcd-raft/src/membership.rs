//! Who takes part in the consensus.

use std::collections::{BTreeMap, BTreeSet};

use etcd_membership::MemberId;
use etcd_proto::raftpb::{MemberRecord, MembershipRecord};

use crate::Position;
use crate::openraft_types as types;

/// The members that the log is replicated to, as the log itself says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Membership {
    /// The position of the entry that set this membership.
    pub position: Position,
    /// Every member by its id.
    pub members: BTreeMap<MemberId, RaftMember>,
}

/// What raft knows of a member.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RaftMember {
    /// The URLs that other members dial, as advertised.
    pub peer_urls: Vec<String>,
    /// Whether the member receives the log without a vote.
    pub is_learner: bool,
}

impl Membership {
    /// The members that vote.
    pub fn voters(&self) -> impl Iterator<Item = MemberId> + '_ {
        self.members.iter().filter(|(_, member)| !member.is_learner).map(|(id, _)| *id)
    }

    pub(crate) fn record(&self) -> MembershipRecord {
        let members = self.members.iter().map(|(id, member)| MemberRecord {
            id: id.0,
            peer_urls: member.peer_urls.clone(),
            is_learner: member.is_learner,
        });
        MembershipRecord {
            members: members.collect(),
            term: self.position.term,
            index: self.position.index,
        }
    }

    pub(crate) fn from_record(record: MembershipRecord) -> Membership {
        let members = record.members.into_iter().map(|member| {
            let raft_member =
                RaftMember { peer_urls: member.peer_urls, is_learner: member.is_learner };
            (MemberId(member.id), raft_member)
        });
        Membership {
            position: Position { term: record.term, index: record.index },
            members: members.collect(),
        }
    }

    pub(crate) fn from_openraft(position: Position, membership: &types::Membership) -> Membership {
        let voters: BTreeSet<u64> = membership.voter_ids().collect();
        let members = membership.nodes().map(|(id, node)| {
            let member =
                RaftMember { peer_urls: node.peer_urls.clone(), is_learner: !voters.contains(id) };
            (MemberId(*id), member)
        });
        Membership { position, members: members.collect() }
    }

    pub(crate) fn to_openraft(&self) -> types::Membership {
        if self.members.is_empty() {
            return types::Membership::default();
        }
        let voters: BTreeSet<u64> = self.voters().map(|id| id.0).collect();
        types::Membership::new(vec![voters], self.nodes()).expect("every voter is among the nodes")
    }

    pub(crate) fn to_stored(&self) -> types::StoredMembership {
        types::StoredMembership::new(self.position.log_id(), self.to_openraft())
    }

    pub(crate) fn nodes(&self) -> BTreeMap<u64, types::Node> {
        let node = |member: &RaftMember| types::Node { peer_urls: member.peer_urls.clone() };
        self.members.iter().map(|(id, member)| (id.0, node(member))).collect()
    }
}
