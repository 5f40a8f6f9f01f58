//! Which keys a load touches.

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, RngExt};

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

/// The key with this number, of eight bytes: numbers and keys sort alike. It begins with a letter,
/// so that 0 is no special key.
pub(crate) fn key(number: u64) -> Bytes {
    let mut bytes = number.to_be_bytes();
    bytes[0] = b'k';
    Bytes::copy_from_slice(&bytes)
}

/// A value of letters and other printable characters, six bits of chance in each: it does not
/// compress to nothing.
pub(crate) fn value(random: &mut SmallRng, bytes: usize) -> Bytes {
    let mut value = Vec::with_capacity(bytes);
    while value.len() < bytes {
        // Eight characters at once, from '0' on.
        let eight = (random.next_u64() & 0x3f3f_3f3f_3f3f_3f3f) + 0x3030_3030_3030_3030;
        let part = eight.to_ne_bytes();
        value.extend_from_slice(&part[..part.len().min(bytes - value.len())]);
    }
    Bytes::from(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn values_have_any_length_and_are_printable() {
        let mut random = SmallRng::seed_from_u64(1);
        for bytes in [0, 1, 7, 8, 9, 256] {
            let value = value(&mut random, bytes);
            assert_eq!(value.len(), bytes);
            assert!(value.iter().all(u8::is_ascii_graphic));
        }
    }
}
