//! Who is in a cluster: member and cluster ids by etcd's hash, the initial cluster, and the
//! replicated member set.
//!
//! - [`MemberId`], [`ClusterId`], [`member_id`], [`cluster_id`]: ids computed from configuration
//!   alone, so that every member finds the same ones before it speaks to another.
//! - [`PeerUrls`]: a list of URLs, normalised as etcd does it, since ids hash their text.
//! - [`InitialCluster`]: `--initial-cluster`, parsed and checked.
//! - [`Member`], [`Members`]: the member set as the log changes it, record for record as etcd
//!   stores it. A [`Change`] is what somebody asks for.
//!
//! Never in this crate: network, storage, a clock. Names are resolved by a closure that the
//! caller gives, and the time of an id is passed in.

mod error;
mod id;
mod parse_url;
mod urls;
mod member;
mod members;
mod change;
mod initial;
mod join;

pub use change::Change;
pub use error::Error;
pub use id::{ClusterId, MemberId, cluster_id, member_id};
pub use initial::InitialCluster;
pub use join::take_over_ids;
pub use member::Member;
pub use members::{Members, REMOVED_RECORD};
pub use urls::{PeerUrls, Resolve};

/// The README's example, kept true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
