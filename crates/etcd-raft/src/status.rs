//! What a member knows of the consensus at a moment.

use etcd_membership::MemberId;

use crate::Position;

/// A member's view of the cluster's consensus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// This member.
    pub member: MemberId,
    /// The leader, if this member knows one.
    pub leader: Option<MemberId>,
    /// The current term.
    pub term: u64,
    /// The last index known to be committed.
    pub committed: u64,
    /// The last entry applied to this member's state.
    pub applied: Position,
    /// Whether this member has no vote.
    pub is_learner: bool,
}

impl Status {
    /// Whether this member believes to lead. It may have been replaced without knowing yet.
    pub fn is_leader(&self) -> bool {
        self.leader == Some(self.member)
    }
}
