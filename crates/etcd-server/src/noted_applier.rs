//! The state machine, with a note of when it applied what somebody wants to know of.

use std::time::SystemTime;

use etcd_apply::{Applier, Reply};
use etcd_membership::Members;
use etcd_raft::{Applied, Entry, Payload, StateMachine, StateMachineError};
use etcd_spans::{Applies, Spans};
use etcd_storage::Storage;

/// An [`Applier`] that changes nothing of what is applied.
pub(crate) struct NotedApplier {
    applier: Applier,
    /// Where those who wait for a command learn when it was applied, if anybody wants to.
    applies: Option<Applies>,
}

impl NotedApplier {
    pub(crate) fn new(applier: Applier, spans: Option<&Spans>) -> NotedApplier {
        NotedApplier { applier, applies: spans.map(|spans| spans.applies().clone()) }
    }
}

impl StateMachine for NotedApplier {
    type Reply = Reply;

    fn storage(&self) -> &Storage {
        self.applier.storage()
    }

    fn apply(
        &mut self,
        entries: &[Entry],
        applied: &Applied,
    ) -> Result<Vec<Reply>, StateMachineError> {
        let Some(applies) = &self.applies else { return self.applier.apply(entries, applied) };
        let begun = SystemTime::now();
        let replies = self.applier.apply(entries, applied);
        // Before the replies are sent: who has one finds the times.
        applies.note(entries.iter().flat_map(awaited), begun, SystemTime::now());
        replies
    }

    fn is_brief(&self, command: &[u8]) -> bool {
        self.applier.is_brief(command)
    }

    fn members(&self) -> Members {
        self.applier.members()
    }

    fn reload(&mut self) -> Result<(), StateMachineError> {
        self.applier.reload()
    }
}

/// The commands of an entry for which somebody waits here, by their ids.
fn awaited(entry: &Entry) -> impl Iterator<Item = u64> {
    let proposals = match &entry.payload {
        Payload::Commands(proposals) => &proposals[..],
        Payload::Blank | Payload::Membership(_) => &[],
    };
    proposals.iter().filter(|proposal| proposal.awaited).map(|proposal| proposal.id)
}
