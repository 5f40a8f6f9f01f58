//! Where an entry stands in the log.

use crate::openraft_types::{LogId, Term};

/// A place in the log: the term of the entry's leader, and its index. Indexes start at 1, as etcd's
/// do; position 0 in term 0 is the place before the first entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// The term in which a leader appended the entry.
    pub term: u64,
    /// The entry's index.
    pub index: u64,
}

impl std::fmt::Display for Position {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.term, self.index)
    }
}

impl Position {
    /// Openraft's first index is 0 where Raft's paper and etcd say 1: this is the one place that
    /// translates, together with [`Position::log_id`].
    pub(crate) fn of(log_id: Option<LogId>) -> Position {
        log_id.map_or(Position::default(), |log_id| Position {
            term: log_id.leader_id.term,
            index: log_id.index + 1,
        })
    }

    pub(crate) fn log_id(self) -> Option<LogId> {
        let index = self.index.checked_sub(1)?;
        Some(LogId { leader_id: Term::new(self.term), index })
    }

    pub(crate) fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.term.to_be_bytes());
        bytes[8..].copy_from_slice(&self.index.to_be_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Position> {
        let (term, index) = bytes.split_at_checked(8)?;
        Some(Position {
            term: u64::from_be_bytes(term.try_into().ok()?),
            index: u64::from_be_bytes(index.try_into().ok()?),
        })
    }
}
