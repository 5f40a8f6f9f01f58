//! What raft hands to the state machine.

use bytes::Bytes;

use crate::{Membership, Position};

/// A committed entry of the log.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its place in the log.
    pub position: Position,
    /// What it holds.
    pub payload: Payload,
}

/// The contents of an entry.
#[derive(Debug, Clone)]
pub enum Payload {
    /// Nothing: a new leader's first entry.
    Blank,
    /// Commands that were waiting together, in the order of their effect.
    Commands(Vec<Proposal>),
    /// A new membership.
    Membership(Membership),
}

/// One command on its way through the log.
#[derive(Clone)]
pub struct Proposal {
    /// The number under which the proposing member waits for the reply.
    pub id: u64,
    /// The command, opaque to raft.
    pub command: Bytes,
    /// Whether a caller on this member waits for the reply. It may spare the state machine work on
    /// the answer; it must never change what is stored.
    pub awaited: bool,
}

impl std::fmt::Debug for Proposal {
    /// The command's size: what is in it may be a secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Proposal")
            .field("id", &self.id)
            .field("command_bytes", &self.command.len())
            .field("awaited", &self.awaited)
            .finish()
    }
}
