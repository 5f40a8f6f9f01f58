//! The record that ties the state to the log: up to where it was applied.

use std::path::Path;

use etcd_proto::raftpb::MembershipRecord;
use etcd_storage::{Batch, Storage, Table, View};
use prost::Message as _;

use crate::{Error, Membership, Position};

const POSITION: &[u8] = b"applied";
const MEMBERSHIP: &[u8] = b"membership";

/// The position that the state has reached, and the membership there. It is written in the same
/// batch as the changes that lead to it, so the two can never disagree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// The last entry whose effects the state holds.
    pub position: Position,
    /// The membership set by the last membership entry up to there.
    pub membership: Membership,
    /// The position before the entries that led here.
    pub(crate) previous: Position,
}

impl Applied {
    /// Adds the record to the batch that holds the effects of the entries up to it.
    pub fn save(&self, batch: &mut Batch) {
        batch.put(Table::Raft, POSITION, &self.position.to_bytes());
        // Unchanged since the previous batch, the membership's row is there already.
        if self.membership.position.index > self.previous.index {
            batch.put(Table::Raft, MEMBERSHIP, &self.membership.record().encode_to_vec());
        }
    }

    /// The record of `storage`; the default when nothing was ever applied.
    pub fn load(storage: &Storage) -> Result<Applied, Error> {
        let position = storage.get(Table::Raft, POSITION)?;
        let membership = storage.get(Table::Raft, MEMBERSHIP)?;
        Applied::decode(position.as_deref(), membership.as_deref())
    }

    /// The record as it was at the moment of `view`.
    pub fn load_view(view: &View<'_>) -> Result<Applied, Error> {
        let position = view.get(Table::Raft, POSITION)?;
        let membership = view.get(Table::Raft, MEMBERSHIP)?;
        Applied::decode(position.as_deref(), membership.as_deref())
    }

    /// The record inside a checkpoint's directory.
    pub(crate) fn load_checkpoint(directory: &Path) -> Result<Applied, Error> {
        let position = Storage::read_checkpoint(directory, Table::Raft, POSITION)?;
        let membership = Storage::read_checkpoint(directory, Table::Raft, MEMBERSHIP)?;
        Applied::decode(position.as_deref(), membership.as_deref())
    }

    fn decode(position: Option<&[u8]>, membership: Option<&[u8]>) -> Result<Applied, Error> {
        let damaged = || Error::Damaged("the applied position in the state is unreadable".into());
        let position = match position {
            None => return Ok(Applied::default()),
            Some(bytes) => Position::from_bytes(bytes).ok_or_else(damaged)?,
        };
        let record = MembershipRecord::decode(membership.ok_or_else(damaged)?);
        let membership = Membership::from_record(record.map_err(|_| damaged())?);
        Ok(Applied { position, membership, previous: position })
    }
}
