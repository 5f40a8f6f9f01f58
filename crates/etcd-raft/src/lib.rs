//! One log, one order, on every member: wraps openraft.

mod openraft_types;
mod position;
mod membership;
mod error;
mod status;
mod entry;
mod applied;
mod state_machine;
mod log_store;
mod tasks;
mod waiters;
mod codec;
mod link;
mod snapshot;
mod machine;
mod network;
mod metrics;
mod leader;
mod proposer;
mod barrier;
mod peer_service;
mod retention;
mod raft;

pub use applied::Applied;
pub use entry::{Entry, Payload, Proposal};
pub use error::{Error, ProposeError, ReadError, TransferError};
pub use link::Connect;
pub use membership::{Membership, RaftMember};
pub use position::Position;
pub use raft::{Options, Raft};
pub use state_machine::{StateMachine, StateMachineError};
pub use status::Status;
