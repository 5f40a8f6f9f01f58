//! Which keys came and went lately: it turns the count of now into the count of a moment ago.
//!
//! The tree counts the keys that are live after all changes, published or not. A reader stands at
//! an older revision, often by a few changes only (the applier's unpublished batch, or the writes
//! since a paged list began). The difference is the keys that appeared and vanished since.

use std::collections::VecDeque;

use crate::KeyRange;

/// Most changes remembered.
const CAPACITY: usize = 8192;

#[derive(Debug, Default)]
pub(super) struct Recent {
    /// Ascending by main revision.
    turns: VecDeque<Turn>,
    /// Every turn of a greater main revision is remembered.
    complete_after: i64,
}

#[derive(Debug)]
struct Turn {
    main: i64,
    way: Way,
    key: Box<[u8]>,
}

/// How a key's presence changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Appeared,
    Vanished,
}

impl Recent {
    /// Remembers nothing, and knows that everything up to `main` is missing.
    pub(super) fn starting_after(main: i64) -> Recent {
        Recent { turns: VecDeque::new(), complete_after: main }
    }

    pub(super) fn push(&mut self, main: i64, way: Way, key: &[u8]) {
        if self.turns.len() == CAPACITY
            && let Some(oldest) = self.turns.pop_front()
        {
            self.complete_after = oldest.main;
        }
        self.turns.push_back(Turn { main, way, key: key.into() });
    }

    /// How many more keys of `range` are live now than after `main`; `None` when too long ago.
    pub(super) fn grown_since(&self, main: i64, range: &KeyRange) -> Option<i64> {
        if main < self.complete_after {
            return None;
        }
        let first = self.turns.partition_point(|turn| turn.main <= main);
        let since = self.turns.range(first..).filter(|turn| range.contains(&turn.key));
        Some(since.map(|turn| if turn.way == Way::Appeared { 1 } else { -1 }).sum())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn turns_after_a_revision_in_a_range_add_up() {
        let mut recent = Recent::starting_after(5);
        recent.push(6, Way::Appeared, b"a");
        recent.push(6, Way::Appeared, b"b");
        recent.push(7, Way::Vanished, b"a");
        recent.push(8, Way::Vanished, b"c");
        let all = KeyRange::everything();
        let a = KeyRange::One(Bytes::from_static(b"a"));
        assert_eq!(recent.grown_since(8, &all), Some(0));
        assert_eq!(recent.grown_since(7, &all), Some(-1));
        assert_eq!(recent.grown_since(5, &all), Some(0));
        assert_eq!(recent.grown_since(5, &a), Some(0));
        assert_eq!(recent.grown_since(6, &a), Some(-1));
        assert_eq!(recent.grown_since(4, &all), None);
    }

    #[test]
    fn what_was_forgotten_is_not_answered() {
        let mut recent = Recent::default();
        for main in 0..CAPACITY as i64 + 10 {
            recent.push(main, Way::Appeared, b"k");
        }
        assert_eq!(recent.grown_since(8, &KeyRange::everything()), None);
        assert_eq!(recent.grown_since(9, &KeyRange::everything()), Some(CAPACITY as i64));
    }
}
