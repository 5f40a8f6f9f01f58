//! The state machine as openraft drives it.

use std::io;
use std::sync::Arc;

use etcd_membership::Members;
use etcd_proto::raftpb::ProposalBatch;
use futures_util::{Stream, StreamExt};
use openraft::storage::{ApplyResponder, EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use prost::Message as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::failure::Failure;
use crate::openraft_types::{
    LogId, RaftEntry, RaftPayload, Snapshot, SnapshotMeta, StoredMembership, TypeConfig,
};
use crate::reservation::Reservations;
use crate::snapshot::{Scratch, SnapshotFiles};
use crate::tasks::{Hold, Tasks};
use crate::waiters::{Reply, Waiters};
use crate::{Applied, Entry, Figures, Membership, Payload, Position, Proposal, StateMachine};

/// Entries that are applied in one batch at most.
const APPLY_ENTRIES: usize = 64;
/// Brief commands that are applied on the thread of the consensus at most.
const BRIEF_COMMANDS: usize = 16;
/// The bytes that those may have together.
const BRIEF_BYTES: usize = 64 << 10;

/// Joins a [`StateMachine`] to openraft and to the callers that wait for replies.
pub(crate) struct Machine<M: StateMachine> {
    /// Invariant: there, unless an apply or an install runs or did not come to its end.
    applier: Option<Box<Applier<M>>>,
    tasks: Tasks,
}

/// What an apply needs.
pub(crate) struct Applier<M: StateMachine> {
    pub(crate) machine: M,
    pub(crate) applied: Applied,
    pub(crate) waiters: Arc<Waiters<M::Reply>>,
    pub(crate) shown: Shown,
    pub(crate) reservations: Reservations,
    pub(crate) failure: Failure,
    pub(crate) figures: Arc<Figures>,
    pub(crate) hold: Hold,
}

/// What others see of what is applied.
pub(crate) struct Shown {
    position: watch::Sender<Position>,
    /// Changes before the position that it changes at is seen.
    members: watch::Sender<Arc<Members>>,
}

impl Shown {
    /// What is applied at the start, and where what comes after it is seen.
    pub(crate) fn of(
        applied: &Applied,
        members: Members,
    ) -> (Shown, watch::Receiver<Position>, watch::Receiver<Arc<Members>>) {
        let (position, applied) = watch::channel(applied.position);
        let (members, shown) = watch::channel(Arc::new(members));
        (Shown { position, members }, applied, shown)
    }
}

impl<M: StateMachine> Machine<M> {
    pub(crate) fn new(applier: Applier<M>, tasks: Tasks) -> Machine<M> {
        Machine { applier: Some(Box::new(applier)), tasks }
    }

    fn applier(&mut self) -> &mut Applier<M> {
        self.applier
            .as_mut()
            .expect("openraft asks for nothing while it waits, nor after a failure")
    }

    /// Applies here what is brief. All else may take long or wakes many callers, and is done beside
    /// them: nothing keeps the consensus from its heartbeats.
    async fn apply_chunk(&mut self, chunk: Vec<EntryResponder<TypeConfig>>) -> io::Result<()> {
        let applier = self.applier();
        let chunk = Chunk::open(chunk).map_err(|error| applier.failure.note(error))?;
        if chunk.is_brief(&applier.machine) {
            return applier.apply(chunk);
        }
        let mut applier = self.take_applier();
        let working = self.tasks.work_beside_callers(move || {
            let result = applier.apply(chunk);
            (applier, result)
        });
        self.applier_back(working).await
    }

    fn take_applier(&mut self) -> Box<Applier<M>> {
        self.applier.take().expect("one piece of work after the other")
    }

    /// Waits for work that has the applier.
    async fn applier_back(
        &mut self,
        working: JoinHandle<(Box<Applier<M>>, io::Result<()>)>,
    ) -> io::Result<()> {
        let (applier, result) = working.await.map_err(io::Error::other)?;
        self.applier = Some(applier);
        result
    }
}

impl<M: StateMachine> Applier<M> {
    fn meta(&self) -> SnapshotMeta {
        SnapshotMeta {
            last_log_id: self.applied.position.log_id(),
            last_membership: self.applied.membership.to_stored(),
        }
    }

    /// Lets others see how far it is, and those read that waited for it.
    fn show_position(&self) {
        self.shown.position.send_replace(self.applied.position);
        self.waiters.confirmed.reach(self.applied.position.index);
    }

    fn apply(&mut self, chunk: Chunk) -> io::Result<()> {
        self.try_apply(chunk).map_err(|error| self.failure.note(error))
    }

    fn try_apply(&mut self, chunk: Chunk) -> io::Result<()> {
        let Chunk { mut entries, responders } = chunk;
        self.applied.previous = self.applied.position;
        for entry in &entries {
            self.applied.position = entry.position;
            if let Payload::Membership(membership) = &entry.payload {
                self.applied.membership = membership.clone();
            }
        }
        let callers = self.waiters.take(proposals(&entries).map(|proposal| proposal.id));
        mark_awaited(&mut entries, &callers);
        let replies = self.machine.apply(&entries, &self.applied).map_err(io::Error::other)?;
        let expected = callers.len();
        if replies.len() != expected {
            let message = format!("{} replies to {expected} commands", replies.len());
            return Err(io::Error::other(message));
        }
        if self.applied.membership.position.index > self.applied.previous.index {
            self.shown.members.send_replace(Arc::new(self.machine.members()));
        }
        self.show_position();
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
        let figures = self.figures.clone();
        let _installing = figures.installing.hold();
        self.machine.storage().install(scratch.path())?;
        self.machine.reload().map_err(io::Error::other)?;
        self.applied = Applied::load(self.machine.storage()).map_err(io::Error::other)?;
        if self.applied.position.log_id() != meta.last_log_id {
            let message = format!("a snapshot of {:?} holds {}", meta, self.applied.position);
            return Err(io::Error::other(message));
        }
        self.shown.members.send_replace(Arc::new(self.machine.members()));
        self.show_position();
        let index = self.applied.position.index;
        tracing::info!(index, term = self.applied.position.term, "applied snapshot");
        Ok(())
    }
}

/// Entries that are applied together, and whom openraft wants to be told of it.
struct Chunk {
    entries: Vec<Entry>,
    responders: Vec<ApplyResponder<TypeConfig>>,
}

impl Chunk {
    fn open(chunk: Vec<EntryResponder<TypeConfig>>) -> io::Result<Chunk> {
        let mut opened = Chunk { entries: Vec::with_capacity(chunk.len()), responders: Vec::new() };
        for (entry, responder) in chunk {
            opened.responders.extend(responder);
            opened.entries.push(open_entry(entry)?);
        }
        Ok(opened)
    }

    /// Whether all of it is applied within microseconds.
    fn is_brief<M: StateMachine>(&self, machine: &M) -> bool {
        let is_commands = |entry: &Entry| matches!(entry.payload, Payload::Commands(_));
        let mut left = (BRIEF_COMMANDS, BRIEF_BYTES);
        self.entries.iter().all(is_commands)
            && proposals(&self.entries).all(|proposal| {
                let (commands, bytes) = left;
                let room = (commands.checked_sub(1), bytes.checked_sub(proposal.command.len()));
                let (Some(commands), Some(bytes)) = room else { return false };
                left = (commands, bytes);
                machine.is_brief(&proposal.command)
            })
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
        let applied = &self.applier().applied;
        Ok((applied.position.log_id(), applied.membership.to_stored()))
    }

    async fn apply<Strm>(&mut self, entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + Send,
    {
        let mut chunks = entries.ready_chunks(APPLY_ENTRIES);
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.into_iter().collect::<Result<Vec<_>, _>>()?;
            self.apply_chunk(chunk).await?;
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        let applier = self.applier();
        Builder {
            storage: applier.machine.storage().clone(),
            meta: applier.meta(),
            reservations: applier.reservations.clone(),
            failure: applier.failure.clone(),
            hold: applier.hold.clone(),
        }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: SnapshotFiles,
    ) -> Result<(), io::Error> {
        // At start openraft offers a member its own state, which is in place already.
        let SnapshotFiles::Received(scratch) = snapshot else { return Ok(()) };
        let mut applier = self.take_applier();
        let meta = meta.clone();
        // Reading a large state takes seconds, in which this member goes on hearing its leader.
        let working = self.tasks.long_work_beside_callers(move || {
            let installed = applier.install(&meta, &scratch);
            let result = installed.map_err(|error| applier.failure.note(error));
            (applier, result)
        });
        self.applier_back(working).await
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        if self.applier().applied.position.index == 0 {
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
    reservations: Reservations,
    failure: Failure,
    hold: Hold,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = SnapshotFiles;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        // From now on: a flush takes its time.
        let last = self.meta.last_log_id.map_or(0, |log_id| log_id.index);
        let reservation = self.reservations.reserve(last);
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
        Ok(Snapshot { meta: self.meta.clone(), snapshot: SnapshotFiles::Deferred(reservation) })
    }
}
