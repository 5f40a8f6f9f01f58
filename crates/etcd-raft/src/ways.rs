//! The ways into a member's consensus.

use crate::barrier::Readers;
use crate::proposer::Submissions;
use crate::reconfiguration::Changes;

/// For commands, for reads, for changes of the members. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ways {
    pub(crate) submissions: Submissions,
    pub(crate) readers: Readers,
    pub(crate) changes: Changes,
}
