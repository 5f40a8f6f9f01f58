//! Visitors in crowds.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The first bytes of a TLS record that says it is a handshake of 512 bytes.
pub const BEGUN_HANDSHAKE: [u8; 5] = [0x16, 3, 1, 2, 0];

/// Allows this process, and those it starts, as many open files as they may have, and says whether
/// they are enough.
///
/// # Panics
/// When the system does not let a process raise its limit to what it may have.
pub fn allows_files(needed: u64) -> bool {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, wanted).expect("the soft limit may be raised");
    limit.maximum.is_none_or(|maximum| maximum >= needed)
}
