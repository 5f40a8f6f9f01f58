//! What a feed says of one of its watchers.

use crate::changes::{Change, Part};

/// The next word of a feed.
#[derive(Debug)]
pub enum Told {
    /// Keys of a watcher changed.
    Changed(Changed),
    /// A watcher needs what is compacted away: it is told nothing more, and keeps its id until it
    /// is cancelled.
    Compacted {
        /// The watcher.
        id: i64,
        /// The lowest revision that can still be watched.
        compact_revision: i64,
    },
    /// There is nothing new up to a revision that was not said before.
    Progress {
        /// The watcher; `None` for all of the feed.
        id: Option<i64>,
        /// Everything up to it was said.
        revision: i64,
    },
}

/// Changes for one watcher, ascending. A main revision's are never split.
#[derive(Debug)]
pub struct Changed {
    /// The watcher.
    pub id: i64,
    /// The revision of the changes if they come as they happen (then there is just one), the
    /// store's current one if they are read from the past.
    pub revision: i64,
    pub(crate) parts: Parts,
}

/// What happens now comes one by one.
#[derive(Debug)]
pub(crate) enum Parts {
    One(Part),
    Many(Vec<Part>),
}

impl Changed {
    /// How many changes; never zero.
    pub fn count(&self) -> usize {
        self.parts().iter().map(Part::count).sum()
    }

    /// The changes, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Change> {
        self.parts().iter().flat_map(Part::iter)
    }

    fn parts(&self) -> &[Part] {
        match &self.parts {
            Parts::One(part) => std::slice::from_ref(part),
            Parts::Many(parts) => parts,
        }
    }
}
