//! The state machine: committed commands in, one batch and the replies out.

use std::sync::Arc;
use std::time::Duration;

use etcd_auth::{Auth, Identity, Store};
use etcd_figures::Lap;
use etcd_lease::{Clock, Lessor};
use etcd_membership::Members;
use etcd_mvcc::{Mvcc, Writer};
use etcd_nesting::with_room;
use etcd_proto::etcdserverpb::{AlarmResponse, AlarmType, CompactionResponse, LeaseRevokeResponse};
use etcd_raft::{
    Applied, Entry, Membership, Payload, Position, Proposal, StateMachine, StateMachineError,
};
use etcd_storage::{Batch, Storage};
use etcd_watch::{Hub, News};

use crate::command::Command;
use crate::execute::{self, Answering};
use crate::leased_txn::LeasedTxn;
use crate::permits::Permits;
use crate::{
    Answer, Cluster, Error, Kind, Outcome, Refusal, Reply, Views, gates, leases, range, slow,
};

/// The key of field 4 of a command, the put, which is a message.
const PUT_KEY: u8 = 4 << 3 | 2;
/// What a put takes in a batch beside its command, in bytes.
const RECORD_OVERHEAD_BYTES: usize = 64;

/// Executes commands in the order of the log.
#[derive(Debug)]
pub struct Applier {
    storage: Storage,
    writer: Writer,
    leases: etcd_lease::Writer,
    /// Users and roles. Copied before the first change of a batch, since the views hold it too.
    auth: Arc<Store>,
    /// The place of the entry that is being executed.
    position: Position,
    /// Copied before the first change of a batch, since the views hold it too.
    cluster: Arc<Cluster>,
    /// What the batch that is being made changes, for the watchers.
    news: News,
    views: Views,
}

impl Applier {
    /// Reads the whole state that `storage` holds.
    ///
    /// # Errors
    /// Those of the storage, and `Damaged` for rows that cannot be read.
    pub fn open(storage: Storage) -> Result<(Applier, Views), Error> {
        let (mvcc, writer) = Mvcc::open(storage.clone())?;
        let cluster = Arc::new(Cluster::load(&storage)?);
        let applied = Applied::load(&storage)?.position;
        let (lessor, leases) = Lessor::open(&storage, mvcc.leased_keys()?, Clock::machine())?;
        let auth = Arc::new(Store::open(&storage)?);
        let hub = Hub::new(mvcc.clone());
        let news = hub.news();
        let shown = Auth::new(Arc::clone(&auth));
        let views =
            Views::new(mvcc, hub, lessor, shown, storage.clone(), Arc::clone(&cluster), applied);
        let position = Position::default();
        let applier = Applier {
            storage,
            writer,
            leases,
            auth,
            position,
            cluster,
            news,
            views: views.clone(),
        };
        applier.note_version();
        Ok((applier, views))
    }

    fn apply_entries(&mut self, entries: &[Entry], applied: &Applied) -> Result<Vec<Reply>, Error> {
        self.news = self.views.hub.news();
        let mut batch = Batch::with_room(entries.iter().map(room).sum());
        let mut replies = Vec::new();
        let mut lap = Lap::begin();
        for entry in entries {
            self.position = entry.position;
            match &entry.payload {
                Payload::Blank => {}
                Payload::Membership(membership) => self.reconcile(membership, &mut batch)?,
                Payload::Commands(proposals) => {
                    replies.reserve(proposals.len());
                    for proposal in proposals {
                        let (kind, reply) = self.apply_proposal(proposal, &mut batch)?;
                        let took = lap.end();
                        if self.views.figures.note_command(kind, outcome(&reply), took) {
                            self.tell_slow(took, std::iter::once(proposal));
                        }
                        replies.push(reply);
                    }
                }
            }
        }
        applied.save(&mut batch);
        self.views.quota.count(batch.byte_size());
        self.storage.commit(batch)?;
        self.writer.publish();
        self.views.auth.publish(&self.auth);
        self.views.advance(&self.cluster, applied.position);
        // Whoever hears of a change can read it, and nobody is answered before watchers are told.
        let news = std::mem::take(&mut self.news);
        self.views.hub.publish(news, self.writer.revision());
        // What follows the commands is their batch's: writing it, and showing what it changed.
        let took = lap.end();
        if took > self.views.figures.slow_from() {
            self.tell_slow(took, entries.iter().flat_map(slow::commands));
        }
        Ok(replies)
    }

    fn tell_slow<'c>(&self, took: Duration, of: impl Iterator<Item = &'c Proposal> + Clone) {
        slow::tell(took, self.views.figures.slow_from(), of);
    }

    fn reconcile(&mut self, membership: &Membership, batch: &mut Batch) -> Result<(), Error> {
        Arc::make_mut(&mut self.cluster).reconcile(membership, batch)
    }

    fn apply_proposal(
        &mut self,
        proposal: &Proposal,
        batch: &mut Batch,
    ) -> Result<(Kind, Reply), Error> {
        let answering = match proposal.awaited {
            true => Answering::Wanted,
            false => Answering::Spared,
        };
        let mut kind = Kind::Unknown;
        let answer = Command::decode(proposal.command.clone()).map_err(Error::from).and_then(
            |(by, command)| {
                kind = command.kind();
                // How deep a txn may be must not depend on the stack that a member happens to have.
                with_room(command.levels(), || self.execute(&by, command, answering, batch))
            },
        );
        match answer {
            Ok(answer) => Ok((kind, Ok(answer))),
            Err(Error::Refused(refusal)) => {
                if refusal == Refusal::Malformed {
                    let bytes = proposal.command.len();
                    tracing::error!(id = proposal.id, bytes, "a malformed command was refused");
                }
                Ok((kind, Err(refusal)))
            }
            Err(error) => Err(error),
        }
    }

    fn execute(
        &mut self,
        caller: &Identity,
        command: Command,
        answering: Answering,
        batch: &mut Batch,
    ) -> Result<Answer, Error> {
        gates::pass(&self.cluster, &command)?;
        Permits { store: &self.auth, lessor: &self.views.lessor, caller }.command(&command)?;
        let has_room = self.views.quota.has_room(command.cost());
        let answer = self.carry_out(command, answering, batch)?;
        if !has_room {
            // Others may have had room: what is done stays done, and an alarm stops what comes next.
            if !self.cluster.alarms.has(AlarmType::Nospace) {
                self.views.quota.report_overrun();
            }
            return Err(Refusal::NoSpace.into());
        }
        Ok(if answering == Answering::Wanted { answer } else { Answer::Done })
    }

    fn carry_out(
        &mut self,
        command: Command,
        answering: Answering,
        batch: &mut Batch,
    ) -> Result<Answer, Error> {
        Ok(match command {
            Command::Put(request) => {
                Answer::Put(self.write(batch, |txn| execute::put(txn, &request, answering))?)
            }
            Command::DeleteRange(request) => {
                let response =
                    self.write(batch, |txn| execute::delete_range(txn, &request, answering))?;
                Answer::DeleteRange(response)
            }
            Command::Txn(request) => {
                let response = self.write(batch, |txn| execute::txn(txn, &request, answering))?;
                Answer::Txn(response.into())
            }
            Command::Compaction(request) => {
                self.writer.compact(request.revision, batch)?;
                // etcd reads the revision of its answer by a range.
                self.views.mvcc.figures().ranges.raise();
                let header = range::header(self.writer.revision());
                Answer::Compaction(CompactionResponse { header })
            }
            Command::LeaseGrant(request) => {
                let revision = self.writer.revision();
                Answer::LeaseGrant(leases::grant(&mut self.leases, &request, revision, batch)?)
            }
            Command::LeaseRevoke(request) => Answer::LeaseRevoke(self.revoke(request.id, batch)?),
            Command::LeaseExpire(request) => {
                leases::check_term(&request, self.position.term)?;
                Answer::LeaseRevoke(self.revoke(request.id, batch)?)
            }
            Command::LeaseCheckpoint(request) => {
                leases::checkpoint(&mut self.leases, &request, batch);
                Answer::Done
            }
            Command::Auth(command) => {
                let (tokens, index) = (self.views.auth.tokens(), self.position.index);
                let answer = command.execute(&mut self.auth, tokens, index, batch)?;
                Answer::Auth(answer, self.writer.revision())
            }
            Command::Alarm(request) => {
                let alarms = Arc::make_mut(&mut self.cluster).alarms.execute(&request, batch);
                let header = range::header(self.writer.revision());
                Answer::Alarm(AlarmResponse { header, alarms })
            }
            Command::PublishMember(request) => {
                Arc::make_mut(&mut self.cluster).publish(request, batch)?;
                Answer::Done
            }
            Command::SetVersion(request) => {
                Arc::make_mut(&mut self.cluster).set_version(request.ver, batch);
                self.note_version();
                Answer::Done
            }
            Command::SetDowngrade(request) => {
                Arc::make_mut(&mut self.cluster).set_downgrade(&request, batch)?;
                Answer::Done
            }
            Command::Unsupported(field) => return Err(Refusal::Unsupported(field).into()),
        })
    }

    /// Metrics tell of all versions that there were.
    fn note_version(&self) {
        if let Some(version) = self.cluster.version_number() {
            self.views.figures.note_version(version);
        }
    }

    /// Ends a lease: it and its keys go in one revision, or in none if it has no keys.
    fn revoke(&mut self, id: i64, batch: &mut Batch) -> Result<LeaseRevokeResponse, Error> {
        let keys = self.leases.revoke(id, batch)?;
        self.write(batch, |txn| leases::delete_keys(txn, keys))?;
        Ok(LeaseRevokeResponse { header: range::header(self.writer.revision()) })
    }

    /// Changes keys in one transaction, of which the watchers will be told.
    fn write<T>(
        &mut self,
        batch: &mut Batch,
        change: impl FnOnce(&mut LeasedTxn<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut keys = self.writer.begin(batch);
        if !self.news.is_wanted() {
            keys.spare_events();
        }
        let mut txn = LeasedTxn::new(keys, &mut self.leases);
        let result = change(&mut txn);
        self.news.add(txn.finish().events);
        result
    }
}

/// A compaction of what is compacted counts as done, as in etcd.
fn outcome(reply: &Reply) -> Outcome {
    match reply {
        Ok(_) | Err(Refusal::Compacted) => Outcome::Done,
        Err(_) => Outcome::Refused,
    }
}

/// About how many bytes of a batch an entry's effects take: a put's record is its command with a
/// little more.
fn room(entry: &Entry) -> usize {
    match &entry.payload {
        Payload::Commands(proposals) => {
            proposals.iter().map(|proposal| proposal.command.len() + RECORD_OVERHEAD_BYTES).sum()
        }
        Payload::Blank | Payload::Membership(_) => 0,
    }
}

impl StateMachine for Applier {
    type Reply = Reply;

    fn storage(&self) -> &Storage {
        &self.storage
    }

    fn apply(
        &mut self,
        entries: &[Entry],
        applied: &Applied,
    ) -> Result<Vec<Reply>, StateMachineError> {
        Ok(self.apply_entries(entries, applied)?)
    }

    /// A put is: it touches one key. It begins with its own field, as fields are in order.
    fn is_brief(&self, command: &[u8]) -> bool {
        command.first() == Some(&PUT_KEY)
    }

    fn members(&self) -> Members {
        self.cluster.members.clone()
    }

    fn reload(&mut self) -> Result<(), StateMachineError> {
        self.writer.reload().map_err(Error::from)?;
        let leased = self.views.mvcc.leased_keys().map_err(Error::from)?;
        self.leases.reload(&self.storage, leased).map_err(Error::from)?;
        self.cluster = Arc::new(Cluster::load(&self.storage).map_err(StateMachineError::from)?);
        self.auth = Arc::new(Store::open(&self.storage).map_err(Error::from)?);
        self.views.auth.replace(&self.auth);
        let applied = Applied::load(&self.storage)?.position;
        self.views.advance(&self.cluster, applied);
        self.views.hub.reload(self.writer.revision());
        self.views.quota.forget();
        Ok(())
    }
}

#[cfg(test)]
#[path = "applier_tests.rs"]
mod tests;
