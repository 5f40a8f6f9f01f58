//! The server held against a real etcd: both get the same random operations, one after the other,
//! and must answer alike, field by field.
//!
//! - [`Generator`] makes sequences of [`Operation`]s from a seed.
//! - [`run`] puts them to pairs of a real etcd and this project's server, on one member or more, and
//!   makes what differs as small as it gets: a behaviour script.
//!
//! What etcd leaves open is said where it is heeded: the order of responses on a watch stream in
//! `compare`, how equal keys are sorted in `ties`, what depends on clocks in `clock` and the pair's
//! `expiry`, what each server picks itself in `names`, who waits for whom in the pair's `recipes`,
//! what other versions do in `known`, what ends a real etcd in `generate` and `events`.
//! Nothing waits for time to pass: what must come is known and awaited.
//!
//! Half of the [`Operation`]s' sequences are asked with authentication on, each step in the name of
//! a [`Caller`].

pub mod moment;
pub mod caller;
pub mod call;
pub mod names;
pub mod operation;
pub mod generate;
mod print;
mod told;
mod answer;
mod difference;
mod stream;
mod log;
mod compare;
mod events;
mod watching;
mod side;
mod recorder;
mod known;
mod ties;
mod clock;
mod counts;
mod tokens;
mod reference;
mod servers;
mod pair;
mod shrink;
mod run;

pub use answer::{Answer, Refusal};
pub use call::Call;
pub use caller::Caller;
pub use counts::Counts;
pub use difference::Difference;
pub use generate::Generator;
pub use operation::{Operation, Step};
pub use pair::Found;
pub use reference::Program;
pub use run::{Case, Options, Outcome, Progress, SEQUENCES_PER_STORE, run};
pub use servers::Subject;
pub use told::Told;

/// What the servers take in one request: little, so that requests are now and then too large, and
/// that streams and fragments of watch responses, whose sizes depend on it, come in several parts.
pub const MAX_REQUEST_BYTES: usize = 64 << 10;

/// From how many bytes on a watch response comes in fragments, when its watcher wants that.
const MAX_RESPONSE_BYTES: usize = MAX_REQUEST_BYTES + (512 << 10);
