//! The state machine: committed commands in, one batch and the replies out.

use std::sync::Arc;

use etcd_mvcc::{Mvcc, Writer};
use etcd_proto::etcdserverpb::{AlarmResponse, CompactionResponse};
use etcd_raft::{Applied, Entry, Membership, Payload, Proposal, StateMachine, StateMachineError};
use etcd_storage::{Batch, Storage};

use crate::command::Command;
use crate::execute::{self, Answering};
use crate::{Answer, Cluster, Error, Refusal, Reply, Views, gates, range};

/// Executes commands in the order of the log.
#[derive(Debug)]
pub struct Applier {
    storage: Storage,
    writer: Writer,
    /// Copied before the first change of a batch, since the views hold it too.
    cluster: Arc<Cluster>,
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
        let views = Views::new(mvcc, storage.clone(), Arc::clone(&cluster), applied);
        Ok((Applier { storage, writer, cluster, views: views.clone() }, views))
    }

    fn apply_entries(&mut self, entries: &[Entry], applied: &Applied) -> Result<Vec<Reply>, Error> {
        let mut batch = Batch::new();
        let mut replies = Vec::new();
        for entry in entries {
            match &entry.payload {
                Payload::Blank => {}
                Payload::Membership(membership) => self.reconcile(membership, &mut batch)?,
                Payload::Commands(proposals) => {
                    replies.reserve(proposals.len());
                    for proposal in proposals {
                        replies.push(self.apply_proposal(proposal, &mut batch)?);
                    }
                }
            }
        }
        applied.save(&mut batch);
        self.storage.commit(batch)?;
        self.writer.publish();
        self.views.advance(&self.cluster, applied.position);
        Ok(replies)
    }

    fn reconcile(&mut self, membership: &Membership, batch: &mut Batch) -> Result<(), Error> {
        Arc::make_mut(&mut self.cluster).reconcile(membership, batch)
    }

    fn apply_proposal(&mut self, proposal: &Proposal, batch: &mut Batch) -> Result<Reply, Error> {
        let answering = match proposal.awaited {
            true => Answering::Wanted,
            false => Answering::Spared,
        };
        let answer = Command::decode(proposal.command.clone())
            .map_err(Error::from)
            .and_then(|command| self.execute(command, answering, batch));
        match answer {
            Ok(answer) => Ok(Ok(answer)),
            Err(Error::Refused(refusal)) => {
                if refusal == Refusal::Malformed {
                    let bytes = proposal.command.len();
                    tracing::error!(id = proposal.id, bytes, "a malformed command was refused");
                }
                Ok(Err(refusal))
            }
            Err(error) => Err(error),
        }
    }

    fn execute(
        &mut self,
        command: Command,
        answering: Answering,
        batch: &mut Batch,
    ) -> Result<Answer, Error> {
        gates::pass(&self.cluster, &command)?;
        let answer = match command {
            Command::Put(request) => {
                let mut txn = self.writer.begin(batch);
                Answer::Put(execute::put(&mut txn, &request, answering)?)
            }
            Command::DeleteRange(request) => {
                let mut txn = self.writer.begin(batch);
                Answer::DeleteRange(execute::delete_range(&mut txn, &request, answering)?)
            }
            Command::Txn(request) => {
                let mut txn = self.writer.begin(batch);
                Answer::Txn(execute::txn(&mut txn, &request, answering)?)
            }
            Command::Compaction(request) => {
                self.writer.compact(request.revision, batch)?;
                let header = range::header(self.writer.revision());
                Answer::Compaction(CompactionResponse { header })
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
                Answer::Done
            }
            Command::Unsupported(field) => return Err(Refusal::Unsupported(field).into()),
        };
        Ok(if answering == Answering::Wanted { answer } else { Answer::Done })
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

    fn reload(&mut self) -> Result<(), StateMachineError> {
        self.writer.reload().map_err(Error::from)?;
        self.cluster = Arc::new(Cluster::load(&self.storage).map_err(StateMachineError::from)?);
        let applied = Applied::load(&self.storage)?.position;
        self.views.advance(&self.cluster, applied);
        Ok(())
    }
}

#[cfg(test)]
#[path = "applier_tests.rs"]
mod tests;
