//! The state machine as openraft drives it.

use std::io;
use std::sync::Arc;

use etcd_proto::raftpb::ProposalBatch;
use futures_util::{Stream, StreamExt};
use openraft::storage::{ApplyResponder, EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use prost::Message as _;
use tokio::sync::watch;

use crate::failure::Failure;
use crate::openraft_types::{
    LogId, RaftEntry, RaftPayload, Snapshot, SnapshotMeta, StoredMembership, TypeConfig,
};
use crate::snapshot::{Scratch, SnapshotFiles};
use crate::tasks::Hold;
use crate::waiters::{Reply, Waiters};
use crate::{Applied, Entry, Membership, Payload, Position, Proposal, StateMachine};

/// Entries that are applied in one batch at most.
const APPLY_ENTRIES: usize = 64;

/// Joins a [`StateMachine`] to openraft and to the callers that wait for replies.
pub(crate) struct Machine<M: StateMachine> {
    machine: M,
    applied: Applied,
    waiters: Arc<Waiters<M::Reply>>,
    position: watch::Sender<Position>,
    failure: Failure,
    hold: Hold,
}

impl<M: StateMachine> Machine<M> {
    pub(crate) fn new(
        machine: M,
        applied: Applied,
        waiters: Arc<Waiters<M::Reply>>,
        position: watch::Sender<Position>,
        failure: Failure,
        hold: Hold,
    ) -> Machine<M> {
        Machine { machine, applied, waiters, position, failure, hold }
    }

    fn meta(&self) -> SnapshotMeta {
        SnapshotMeta {
            last_log_id: self.applied.position.log_id(),
            last_membership: self.applied.membership.to_stored(),
        }
    }

    fn apply_chunk(&mut self, chunk: Vec<EntryResponder<TypeConfig>>) -> io::Result<()> {
        let previous = self.applied.position;
        let mut entries = Vec::with_capacity(chunk.len());
        let mut responders: Vec<ApplyResponder<TypeConfig>> = Vec::new();
        for (entry, responder) in chunk {
            responders.extend(responder);
            let entry = open_entry(entry)?;
            self.applied.position = entry.position;
            if let Payload::Membership(membership) = &entry.payload {
                self.applied.membership = membership.clone();
            }
            entries.push(entry);
        }
        self.applied.previous = previous;
        let callers = self.waiters.take(proposals(&entries).map(|proposal| proposal.id));
        mark_awaited(&mut entries, &callers);
        let replies = self.machine.apply(&entries, &self.applied).map_err(io::Error::other)?;
        let expected = callers.len();
        if replies.len() != expected {
            let message = format!("{} replies to {expected} commands", replies.len());
            return Err(io::Error::other(message));
        }
        self.position.send_replace(self.applied.position);
        for (caller, reply) in callers.into_iter().zip(replies) {
            // A caller that gave up meanwhile needs no reply.
            caller.map(|caller| caller.send(Ok(reply)));
        }
        for responder in responders {
            responder.send(());
        }
        Ok(())
    }

    fn install(&mut self, meta: &SnapshotMeta, scratch: &Scratch) -> io::Result<()> {
        self.machine.storage().install(scratch.path())?;
        self.machine.reload().map_err(io::Error::other)?;
        self.applied = Applied::load(self.machine.storage()).map_err(io::Error::other)?;
        if self.applied.position.log_id() != meta.last_log_id {
            let message = format!("a snapshot of {:?} holds {}", meta, self.applied.position);
            return Err(io::Error::other(message));
        }
        self.position.send_replace(self.applied.position);
        let index = self.applied.position.index;
        tracing::info!(index, term = self.applied.position.term, "applied snapshot");
        Ok(())
    }
}

fn proposals(entries: &[Entry]) -> impl Iterator<Item = &Proposal> {
    entries.iter().flat_map(|entry| match &entry.payload {
        Payload::Commands(proposals) => proposals.as_slice(),
        Payload::Blank | Payload::Membership(_) => &[],
    })
}

fn mark_awaited<R>(entries: &mut [Entry], callers: &[Option<Reply<R>>]) {
    let mut callers = callers.iter();
    for entry in entries {
        if let Payload::Commands(proposals) = &mut entry.payload {
            for (proposal, caller) in proposals.iter_mut().zip(&mut callers) {
                proposal.awaited = caller.is_some();
            }
        }
    }
}

fn open_entry(entry: RaftEntry) -> io::Result<Entry> {
    let position = Position::of(Some(entry.log_id));
    let payload = match entry.payload {
        RaftPayload::Blank => Payload::Blank,
        RaftPayload::Membership(membership) => {
            Payload::Membership(Membership::from_openraft(position, &membership))
        }
        RaftPayload::Normal(commands) => {
            let batch = ProposalBatch::decode(commands.0).map_err(io::Error::other)?;
            let proposals = batch.proposals.into_iter().map(|proposal| Proposal {
                id: proposal.id,
                command: proposal.command,
                awaited: false,
            });
            Payload::Commands(proposals.collect())
        }
    };
    Ok(Entry { position, payload })
}

impl<M: StateMachine> RaftStateMachine<TypeConfig> for Machine<M> {
    type SnapshotData = SnapshotFiles;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.applied.position.log_id(), self.applied.membership.to_stored()))
    }

    async fn apply<Strm>(&mut self, entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + Send,
    {
        let mut chunks = entries.ready_chunks(APPLY_ENTRIES);
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.into_iter().collect::<Result<Vec<_>, _>>()?;
            self.apply_chunk(chunk).map_err(|error| self.failure.note(error))?;
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder {
            storage: self.machine.storage().clone(),
            meta: self.meta(),
            failure: self.failure.clone(),
            hold: self.hold.clone(),
        }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: SnapshotFiles,
    ) -> Result<(), io::Error> {
        // At start openraft offers a member its own state, which is in place already.
        let SnapshotFiles::Received(scratch) = snapshot else { return Ok(()) };
        self.install(meta, &scratch).map_err(|error| self.failure.note(error))
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        if self.applied.position.index == 0 {
            return Ok(None);
        }
        // Whoever asks may let the log go up to what this answers, so it must be durable first:
        // right after a start the state holds replayed entries that no file has.
        self.get_snapshot_builder().await.build_snapshot().await.map(Some)
    }
}

/// Makes everything applied when it was created durable: what raft calls a snapshot here, since the
/// state itself is the snapshot and only the log before it is to be let go.
pub(crate) struct Builder {
    storage: etcd_storage::Storage,
    meta: SnapshotMeta,
    failure: Failure,
    hold: Hold,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = SnapshotFiles;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let (storage, hold) = (self.storage.clone(), self.hold.clone());
        // A flush goes on when raft's task that waits for it is ended.
        let flushed = tokio::task::spawn_blocking(move || {
            let flushed = storage.flush();
            drop((storage, hold));
            flushed
        });
        let flushed = flushed.await;
        flushed.map_err(io::Error::other)?.map_err(|error| self.failure.note(error))?;
        let position = Position::of(self.meta.last_log_id);
        tracing::info!(index = position.index, term = position.term, "saved snapshot");
        Ok(Snapshot { meta: self.meta.clone(), snapshot: SnapshotFiles::Deferred })
    }
}
