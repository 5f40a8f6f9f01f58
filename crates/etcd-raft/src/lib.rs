//! One log, one order, on every member: wraps openraft.
//!
//! [`Raft`] is a member's handle: propose, read barrier, leadership, members, status.
//! [`make_alone`] is for the last member of a cluster. [`StateMachine`] is what the caller replicates; it is handed [`Entry`] after entry, and keeps [`Applied`] beside its own
//! rows. [`Options`] says who takes part and how others are reached.
//!
//! Never in this crate: what a command means. Never in its face: openraft's types.

mod openraft_types;
mod position;
mod membership;
mod error;
mod figures;
mod log_facts;
mod status;
mod entry;
mod applied;
mod state_machine;
mod reservation;
mod log_store;
mod divergence;
mod failure;
mod tasks;
mod confirmed;
mod waiters;
mod codec;
mod link;
mod snapshot;
mod machine;
mod network;
mod metrics;
mod contact;
mod leader;
mod absence;
mod proposer;
mod barrier;
mod change_codec;
mod reconfiguration;
mod ways;
mod peer_service;
mod retention;
mod solitude;
mod raft;

pub use applied::Applied;
pub use entry::{Entry, Payload, Proposal};
pub use error::{ChangeError, Error, ProposeError, ReadError, TransferError};
pub use figures::{Figures, PeerFigures, Transfers};
pub use link::Connect;
pub use log_facts::LogFacts;
pub use membership::{Membership, RaftMember};
pub use position::Position;
pub use raft::{Options, Progress, Raft};
pub use solitude::make_alone;
pub use state_machine::{StateMachine, StateMachineError};
pub use status::Status;
