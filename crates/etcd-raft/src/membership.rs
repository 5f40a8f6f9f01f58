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
    /// Whether a member that is no learner has no vote yet. Who was added gets the log first, and
    /// counts in decisions once it has caught up: until then it cannot cost the cluster its quorum.
    pub awaits_vote: bool,
}

impl RaftMember {
    /// Whether it counts in decisions.
    pub fn votes(&self) -> bool {
        !self.is_learner && !self.awaits_vote
    }
}

impl Membership {
    /// The members that vote.
    pub fn voters(&self) -> impl Iterator<Item = MemberId> + '_ {
        self.members.iter().filter(|(_, member)| member.votes()).map(|(id, _)| *id)
    }

    pub(crate) fn record(&self) -> MembershipRecord {
        let members = self.members.iter().map(|(id, member)| MemberRecord {
            id: id.0,
            peer_urls: member.peer_urls.clone(),
            is_learner: member.is_learner,
            awaits_vote: member.awaits_vote,
        });
        MembershipRecord {
            members: members.collect(),
            term: self.position.term,
            index: self.position.index,
        }
    }

    pub(crate) fn from_record(record: MembershipRecord) -> Membership {
        let members = record.members.into_iter().map(|member| {
            let MemberRecord { id, peer_urls, is_learner, awaits_vote } = member;
            (MemberId(id), RaftMember { peer_urls, is_learner, awaits_vote })
        });
        Membership {
            position: Position { term: record.term, index: record.index },
            members: members.collect(),
        }
    }

    pub(crate) fn from_openraft(position: Position, membership: &types::Membership) -> Membership {
        let voters: BTreeSet<u64> = membership.voter_ids().collect();
        let members = membership.nodes().map(|(id, node)| {
            let (votes, peer_urls) = (voters.contains(id), node.peer_urls.clone());
            let is_learner = node.is_learner && !votes;
            let awaits_vote = !node.is_learner && !votes;
            (MemberId(*id), RaftMember { peer_urls, is_learner, awaits_vote })
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
        let node = |member: &RaftMember| types::Node {
            peer_urls: member.peer_urls.clone(),
            is_learner: member.is_learner,
        };
        self.members.iter().map(|(id, member)| (id.0, node(member))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_votes_who_will_and_who_learns_survives_every_form() {
        let member = |is_learner, awaits_vote| {
            let peer_urls = vec![format!("http://{is_learner}-{awaits_vote}:1")];
            RaftMember { peer_urls, is_learner, awaits_vote }
        };
        let members = [member(false, false), member(false, true), member(true, false)];
        let members = (1..).map(MemberId).zip(members).collect();
        let position = Position { term: 2, index: 7 };
        let membership = Membership { position, members };
        assert_eq!(membership.voters().collect::<Vec<_>>(), [MemberId(1)]);
        assert_eq!(Membership::from_record(membership.record()), membership);
        let there = membership.to_openraft();
        assert_eq!(there.voter_ids().collect::<Vec<_>>(), [1]);
        assert_eq!(Membership::from_openraft(position, &there), membership);
    }
}
