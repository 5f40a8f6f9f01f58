//! Which keys a load touches.

use bytes::Bytes;
use rand::RngExt;
use rand::rngs::SmallRng;

/// How the keys follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Each client goes through keys of its own, upwards.
    Sequential,
    /// Any of them.
    Random,
    /// All clients the same one.
    One,
}

/// A key space of numbered keys.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keys {
    pub(crate) count: u64,
    pub(crate) order: Order,
}

impl Keys {
    /// The key of a client's next request, the client's `turn`-th one.
    pub(crate) fn next(
        &self,
        random: &mut SmallRng,
        client: u64,
        clients: u64,
        turn: u64,
    ) -> Bytes {
        let number = match self.order {
            Order::Sequential => (turn * clients + client) % self.count,
            Order::Random => random.random_range(0..self.count),
            Order::One => 0,
        };
        key(number)
    }
}

/// The key with this number, of eight bytes: numbers and keys sort alike. It begins with a letter, so that 0 is no
/// special key.
pub(crate) fn key(number: u64) -> Bytes {
    let mut bytes = number.to_be_bytes();
    bytes[0] = b'k';
    Bytes::copy_from_slice(&bytes)
}

/// A value that does not compress to nothing.
pub(crate) fn value(random: &mut SmallRng, bytes: usize) -> Bytes {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (0..bytes).map(|_| LETTERS[random.random_range(0..LETTERS.len())]).collect()
}
