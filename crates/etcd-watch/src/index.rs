//! Who wants to know of a key: single keys by hash, ranges in a tree.

use std::collections::HashMap;

use bytes::Bytes;
use etcd_mvcc::KeyRange;

use crate::changes::{Change, Changes, Picks};
use crate::range_tree::RangeTree;

/// Values under the keys and ranges of keys that they want to know of.
#[derive(Debug)]
pub(crate) struct Index<T> {
    keys: HashMap<Bytes, Vec<T>>,
    ranges: RangeTree<T>,
}

impl<T> Default for Index<T> {
    fn default() -> Index<T> {
        Index { keys: HashMap::new(), ranges: RangeTree::default() }
    }
}

impl<T> Index<T> {
    pub(crate) fn insert(&mut self, range: &KeyRange, value: T) {
        match range {
            KeyRange::One(key) => self.keys.entry(key.clone()).or_default().push(value),
            KeyRange::From(start) => self.ranges.insert(start, &None, value),
            KeyRange::Span(start, end) => self.ranges.insert(start, &Some(end.clone()), value),
        }
    }

    /// Takes out the value under exactly this range that is the one.
    pub(crate) fn remove(&mut self, range: &KeyRange, is_it: impl Fn(&T) -> bool) -> Option<T> {
        match range {
            KeyRange::One(key) => {
                let values = self.keys.get_mut(key)?;
                let value = values.swap_remove(values.iter().position(is_it)?);
                if values.is_empty() {
                    self.keys.remove(key);
                }
                Some(value)
            }
            KeyRange::From(start) => self.ranges.remove(start, &None, is_it),
            KeyRange::Span(start, end) => self.ranges.remove(start, &Some(end.clone()), is_it),
        }
    }

    /// Takes out all values.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        let mut values: Vec<T> = self.keys.drain().flat_map(|(_, values)| values).collect();
        self.ranges.drain(&mut values);
        values
    }

    /// Shows every value that wants to know of `key`.
    pub(crate) fn each<'i>(&'i self, key: &[u8], mut show: impl FnMut(&'i T)) {
        self.keys.get(key).into_iter().flatten().for_each(&mut show);
        self.ranges.each(key, show);
    }

    /// Whether anybody wants to know of `key`.
    pub(crate) fn wants(&self, key: &[u8]) -> bool {
        let mut wants = false;
        self.each(key, |_| wants = true);
        wants
    }

    /// Hands every value that `admits` at least one of the changes of a revision those that it
    /// does, once for all of them.
    pub(crate) fn deal<'i>(
        &'i self,
        changes: &Changes,
        admits: impl Fn(&T, &Change) -> bool,
        mut take: impl FnMut(&'i T, Picks),
    ) {
        if let [only] = &changes.list[..] {
            self.each(&only.kv.key, |value| {
                if admits(value, only) {
                    take(value, Picks::All);
                }
            });
            return;
        }
        // By address: a value stays where it is as long as the index is borrowed.
        let mut dealt: HashMap<*const T, (&'i T, Vec<u32>)> = HashMap::new();
        for (place, change) in (0u32..).zip(&changes.list) {
            self.each(&change.kv.key, |value| {
                if admits(value, change) {
                    let hand = dealt.entry(std::ptr::from_ref(value));
                    hand.or_insert_with(|| (value, Vec::new())).1.push(place);
                }
            });
        }
        for (value, places) in dealt.into_values() {
            let is_all = places.len() == changes.list.len();
            take(value, if is_all { Picks::All } else { Picks::Some(places.into()) });
        }
    }
}
