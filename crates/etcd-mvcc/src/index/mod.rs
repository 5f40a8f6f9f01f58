//! Every key in memory, in order, with its changes that are not yet compacted.

mod generations;
mod packed_keys;
mod tree;
mod recent;
#[cfg(test)]
mod model;

use std::ops::ControlFlow;

pub use generations::KeyState;
pub(crate) use generations::{Change, Generations};
use recent::{Recent, Way};
pub(crate) use tree::Changed;
use tree::Tree;

use crate::revision::Kind;
use crate::{KeyRange, Revision};

/// The index of one store. It has one writer; readers share it between the writer's changes.
///
/// It holds changes before they are published: a reader looks at it through the revision it reads
/// at and never sees a newer one.
#[derive(Debug, Default)]
pub(crate) struct Index {
    tree: Tree,
    recent: Recent,
    keys: usize,
}

impl Index {
    /// Adds a change to a key. Changes come in revision order.
    pub(crate) fn change(&mut self, key: &[u8], revision: Revision, change: Change) -> Changed {
        let changed = self.load(key, revision, change);
        match (changed.before.is_some(), changed.after.is_some()) {
            (false, true) => self.recent.push(revision.main, Way::Appeared, key),
            (true, false) => self.recent.push(revision.main, Way::Vanished, key),
            _ => {}
        }
        changed
    }

    /// The same while the index is built from storage, where nobody reads yet.
    pub(crate) fn load(&mut self, key: &[u8], revision: Revision, change: Change) -> Changed {
        let changed = self.tree.change(key, revision, change);
        self.keys += usize::from(changed.is_new);
        changed
    }

    /// Ends the building: everything up to the main revision `last` was loaded.
    pub(crate) fn loaded(&mut self, last: i64) {
        self.recent = Recent::starting_after(last);
    }

    /// The life of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Generations> {
        self.tree.get(key)
    }

    /// Keys in the index, those included that are deleted but not yet compacted.
    pub(crate) fn keys(&self) -> usize {
        self.keys
    }

    /// How many keys are live after all changes.
    pub(crate) fn live(&self) -> u64 {
        self.tree.live()
    }

    /// Bytes of memory of a part of the index, of which there are few; none beyond the last.
    pub(crate) fn part_bytes(&self, part: usize) -> Option<usize> {
        self.tree.part_bytes(part)
    }

    /// How many keys of `range` are live at `revision`, in O(log n) and the number of keys that
    /// came and went since; `None` when that is too long ago and the caller has to walk.
    pub(crate) fn count(&self, range: &KeyRange, revision: i64) -> Option<u64> {
        if let KeyRange::One(key) = range {
            return Some(self.get(key).and_then(|life| life.at(revision)).map_or(0, |_| 1));
        }
        let grown = self.recent.grown_since(revision, range)?;
        let before = self.tree.rank(range.start());
        let until = match range {
            KeyRange::Span(_, end) => self.tree.rank(end),
            _ => self.tree.live(),
        };
        let now = until.saturating_sub(before);
        Some(now.checked_add_signed(-grown).expect("no more keys came than are there"))
    }

    /// Shows the keys of `range` from `from` on to `visit`, ascending, until it breaks.
    pub(crate) fn walk(
        &self,
        range: &KeyRange,
        from: &[u8],
        mut visit: impl FnMut(&[u8], &Generations) -> ControlFlow<()>,
    ) {
        if let KeyRange::One(key) = range {
            if from <= &key[..]
                && let Some(life) = self.get(key)
            {
                let _ = visit(key, life);
            }
            return;
        }
        self.tree.walk(from, &mut |key, life| {
            if range.ends_before(key) {
                return ControlFlow::Break(());
            }
            visit(key, life)
        });
    }

    /// Forgets what no read at `revision` or later needs, for the keys near `from`, and appends it
    /// to `dropped`, ascending for each key. Returns where to go on, `None` at the end.
    pub(crate) fn compact_from(
        &mut self,
        from: &[u8],
        revision: i64,
        dropped: &mut Vec<(Revision, Kind)>,
    ) -> Option<Vec<u8>> {
        let (next, removed) = self.tree.compact_leaf(from, revision, dropped);
        self.keys -= removed;
        next
    }
}
