//! Every message of the system, once.
//!
//! The modules are named like the protobuf packages: what clients say ([`etcdserverpb`],
//! [`v3lockpb`], [`v3electionpb`]), what is stored ([`mvccpb`], [`authpb`], [`leasepb`]), what the
//! replicated log holds ([`etcdserverpb::InternalRaftRequest`], the command, with
//! [`membershippb`]), and what members say to each other ([`raftpb`]). Services have a client and
//! a server stub each, as `kv_client` and `kv_server` in [`etcdserverpb`].
//!
//! The code is made by `cargo xtask codegen` from the .proto files and committed, so that the
//! crate builds without any protobuf compiler.
//!
//! The stubs' buffers begin small and make room for a message at once.
//!
//! Messages with passwords or tokens are printed without them.
//!
//! Never in it: logic, I/O, hand-written messages.

#![allow(
    missing_docs,
    clippy::all,
    clippy::too_many_lines,
    reason = "all code here is generated; the .proto files say what needs saying"
)]

mod codec;

pub use codec::buffer_settings;

/// The messages and services as a `google.protobuf.FileDescriptorSet`, with the fields' original
/// names: for those who learn at run time what messages look like.
pub const DESCRIPTORS: &[u8] = include_bytes!("gen/descriptors.bin");

/// Keys at their revisions, and events.
pub mod mvccpb {
    include!("gen/mvccpb.rs");
}

/// Users, roles and permissions.
pub mod authpb {
    include!("gen/authpb.rs");
}

/// Commands that change the cluster's own facts.
pub mod membershippb {
    include!("gen/membershippb.rs");
}

/// The client API, and the replicated command.
pub mod etcdserverpb {
    include!("gen/etcdserverpb.rs");
}

/// Leases as they are stored.
pub mod leasepb {
    include!("gen/leasepb.rs");
}

/// Locks as a service.
pub mod v3lockpb {
    include!("gen/v3lockpb.rs");
}

/// Elections as a service.
pub mod v3electionpb {
    include!("gen/v3electionpb.rs");
}

/// gRPC's own health service.
pub mod healthpb {
    include!("gen/grpc.health.v1.rs");
}

/// What members say to each other.
pub mod raftpb {
    include!("gen/raftpb.rs");
}

mod secrets;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
