//! Blocks in memory, for lookups: the kernel has them in memory too, but asking it costs more than
//! all the rest of a lookup.

use parking_lot::RwLock;

use super::block::BLOCK_BYTES;

/// Larger blocks have large rows, for which to ask the kernel is cheap.
const CACHED_BYTES_MAX: usize = 2 * BLOCK_BYTES;

/// A file's number, and a block's in it.
type Name = (u64, usize);

/// A place for each of so many blocks. Neighbours have different ones.
#[derive(Debug)]
pub(super) struct BlockCache {
    slots: Box<[RwLock<Slot>]>,
}

#[derive(Debug, Default)]
struct Slot {
    name: Name,
    /// The block's rows; empty when there is none.
    rows: Vec<u8>,
    /// Who asked for the place last and did not get it: asking again, it does.
    missed: Name,
}

impl BlockCache {
    /// One that takes at most so much memory.
    pub(super) fn new(bytes: usize) -> BlockCache {
        let slots = (bytes / CACHED_BYTES_MAX).max(1);
        BlockCache { slots: (0..slots).map(|_| RwLock::default()).collect() }
    }

    fn slot(&self, (file, block): Name) -> &RwLock<Slot> {
        // Files are alike in size, so that their beginnings should not meet.
        let spread = usize::try_from(file).unwrap_or(0).wrapping_mul(0x9e37_79b1);
        &self.slots[spread.wrapping_add(block) % self.slots.len()]
    }

    /// Shows the rows of a block, if it is here.
    pub(super) fn look<T>(&self, name: Name, look: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let slot = self.slot(name).read();
        (slot.name == name && !slot.rows.is_empty()).then(|| look(&slot.rows))
    }

    /// Offers the rows of a block that was not.
    pub(super) fn offer(&self, name: Name, rows: &[u8]) {
        if rows.len() > CACHED_BYTES_MAX {
            return;
        }
        let mut slot = self.slot(name).write();
        if slot.rows.is_empty() || slot.missed == name {
            slot.name = name;
            slot.rows.clear();
            slot.rows.extend_from_slice(rows);
            slot.rows.shrink_to(CACHED_BYTES_MAX);
        }
        slot.missed = name;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_taken_by_whoever_asks_twice() {
        let cache = BlockCache::new(CACHED_BYTES_MAX);
        let has = |name| cache.look(name, <[u8]>::to_vec);
        cache.offer((1, 0), b"one");
        assert_eq!(has((1, 0)).as_deref(), Some(&b"one"[..]));
        cache.offer((1, 1), b"other");
        assert_eq!((has((1, 0)).is_some(), has((1, 1))), (true, None));
        cache.offer((1, 1), b"other");
        assert_eq!((has((1, 0)), has((1, 1)).as_deref()), (None, Some(&b"other"[..])));
    }

    #[test]
    fn neighbours_do_not_meet_and_the_large_stay_out() {
        let cache = BlockCache::new(100 * CACHED_BYTES_MAX);
        for block in 0..100 {
            cache.offer((7, block), &[1]);
        }
        assert!((0..100).all(|block| cache.look((7, block), |_| ()).is_some()));
        let cache = BlockCache::new(0);
        cache.offer((1, 0), &vec![0; CACHED_BYTES_MAX + 1]);
        assert_eq!(cache.look((1, 0), |_| ()), None);
    }
}
