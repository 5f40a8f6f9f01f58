//! The border to what is replicated.

use etcd_membership::Members;
use etcd_storage::Storage;

use crate::{Applied, Entry};

/// What a state machine may fail with: the process must stop, or members would diverge.
pub type StateMachineError = Box<dyn std::error::Error + Send + Sync>;

/// The replicated state behind the log. The same entries in the same order must lead to the same
/// state on every member: no clock, no randomness, no map order may decide anything.
pub trait StateMachine: Send + Sync + 'static {
    /// What a proposer gets back.
    type Reply: Send + 'static;

    /// Where the state is kept. Raft flushes, copies and replaces it through this handle.
    fn storage(&self) -> &Storage;

    /// Applies committed entries in order, and commits exactly one batch to [`storage`] that holds
    /// all their effects and [`Applied::save`]. Answers one reply for each [`Proposal`], in order.
    ///
    /// [`storage`]: StateMachine::storage
    /// [`Proposal`]: crate::Proposal
    fn apply(
        &mut self,
        entries: &[Entry],
        applied: &Applied,
    ) -> Result<Vec<Self::Reply>, StateMachineError>;

    /// Whether a command is surely applied within microseconds, whatever the state holds. A few such
    /// commands are applied on the thread of the consensus, which spares them two changes of
    /// threads. Any other would keep heartbeats waiting there.
    fn is_brief(&self, command: &[u8]) -> bool;

    /// The members as the entries so far have made them, with those that were removed. It is asked at
    /// the start, and after entries that change them.
    fn members(&self) -> Members;

    /// The storage now holds the state of a snapshot: forget everything read from the old one.
    fn reload(&mut self) -> Result<(), StateMachineError>;
}
