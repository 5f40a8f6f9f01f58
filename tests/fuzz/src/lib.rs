//! Requests as bytes, through all that a server does with them.
//!
//! - [`run`] takes an [`input`]: requests as they come from the wire. Each is read, written and read
//!   again, its shape is checked, and what passes is applied by two members.
//! - [`Cluster`] is those two, without a network: one answers the client, one does not.
//!
//! No panic, no error that would stop a member, and no difference between the two members: that
//! is all that is asked. What the answers should be, other tests say.
//!
//! Never in it: a network, a log, a clock.

pub mod input;
mod member;
mod watchers;
mod cluster;
pub mod seeds;

use std::cell::RefCell;

pub use cluster::Cluster;

/// A cluster serves this many inputs: so few that what is left of the earlier ones stays small.
const INPUTS: usize = 3000;

/// Runs one input on a cluster without keys.
///
/// # Panics
///
/// When a request breaks a member, or lets the two differ.
pub fn run(input: &[u8]) {
    thread_local! {
        static CLUSTER: RefCell<Option<(Cluster, usize)>> = const { RefCell::new(None) };
    }
    CLUSTER.with_borrow_mut(|slot| {
        // A panic leaves nothing behind for the next input.
        let (mut cluster, inputs) = slot.take().unwrap_or_else(|| (Cluster::new(), 0));
        for request in input::requests(input) {
            cluster.serve(&request);
        }
        if inputs < INPUTS {
            cluster.clear();
            *slot = Some((cluster, inputs + 1));
        }
    });
}
