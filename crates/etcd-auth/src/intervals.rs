//! A set of keys, as sorted intervals with gaps between them.

use std::cmp::Ordering;

use bytes::Bytes;

/// The `range_end` that stands for no end.
pub(crate) const OPEN_END: &[u8] = &[0];

/// Keys from one on, up to another one that is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) from: Bytes,
    /// None reaches behind the last key.
    pub(crate) to: Option<Bytes>,
}

impl Interval {
    /// The keys that a permission names. A range that holds none, which no permission granted since
    /// etcd 3.5 does, is none.
    pub(crate) fn of(key: &Bytes, range_end: &Bytes) -> Option<Interval> {
        let to = match &range_end[..] {
            [] => Some(after(key)),
            OPEN_END => None,
            _ => Some(range_end.clone()),
        };
        let is_empty = key.is_empty() || to.as_ref().is_some_and(|to| to <= key);
        (!is_empty).then(|| Interval { from: key.clone(), to })
    }

    /// Whether it begins before another one, or with it and ends before it.
    pub(crate) fn is_before(&self, other: &Interval) -> bool {
        match self.from.cmp(&other.from) {
            Ordering::Equal => match (&self.to, &other.to) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(end), Some(other)) => end < other,
            },
            order => order == Ordering::Less,
        }
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        &self.from[..] <= key && self.reaches_over(key)
    }

    fn reaches_over(&self, key: &[u8]) -> bool {
        self.to.as_ref().is_none_or(|to| key < &to[..])
    }

    fn reaches_to(&self, end: &[u8]) -> bool {
        self.to.as_ref().is_none_or(|to| end <= &to[..])
    }
}

/// The smallest key that is greater.
fn after(key: &Bytes) -> Bytes {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next.into()
}

/// A union of intervals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Intervals {
    /// Invariant: ascending, and no two of them overlap or touch.
    intervals: Vec<Interval>,
}

impl Intervals {
    /// The union of all.
    pub(crate) fn union(mut parts: Vec<Interval>) -> Intervals {
        parts.sort_by(|a, b| a.from.cmp(&b.from));
        let mut intervals: Vec<Interval> = Vec::with_capacity(parts.len());
        for part in parts {
            match intervals.last_mut() {
                Some(last) if last.reaches_to(&part.from) => {
                    let is_longer = match (&last.to, &part.to) {
                        (None, _) => false,
                        (Some(_), None) => true,
                        (Some(end), Some(other)) => end < other,
                    };
                    if is_longer {
                        last.to = part.to;
                    }
                }
                _ => intervals.push(part),
            }
        }
        Intervals { intervals }
    }

    /// Whether all keys of a range are in the set. A range that ends where it begins counts as its
    /// first key, as it does in etcd; for one that ends before, see
    /// [`SearchTree`](crate::search_tree::SearchTree).
    pub(crate) fn cover(&self, key: &[u8], range_end: &[u8]) -> bool {
        let behind = self.intervals.partition_point(|interval| &interval.from[..] <= key);
        let Some(candidate) = behind.checked_sub(1).map(|at| &self.intervals[at]) else {
            return false;
        };
        candidate.contains(key)
            && match range_end {
                [] => true,
                OPEN_END => candidate.to.is_none(),
                end => candidate.reaches_to(end),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn union(parts: &[(&'static str, &'static str)]) -> Intervals {
        let interval = |(key, end): &(&'static str, &'static str)| {
            Interval::of(&(*key).into(), &(*end).into())
        };
        Intervals::union(parts.iter().filter_map(interval).collect())
    }

    #[test]
    fn what_overlaps_or_touches_becomes_one() {
        let touching = union(&[("c", "d"), ("a", "c"), ("b", "bb")]);
        assert_eq!(touching, union(&[("a", "d")]));
        assert!(touching.cover(b"a", b"d"));
        assert!(!touching.cover(b"a", b"d\0"));
        // A single key reaches up to the next one that there could be.
        assert_eq!(union(&[("a", ""), ("a\0", "b")]), union(&[("a", "b")]));
        assert_ne!(union(&[("a", "b"), ("b\0", "c")]), union(&[("a", "c")]));
    }

    #[test]
    fn an_open_end_holds_every_later_key() {
        let open = union(&[("x", "\0"), ("y", "z")]);
        assert!(open.cover(b"x", b"\0") && open.cover(b"\xff\xff", b""));
        assert!(!open.cover(b"w", b"\0") && !open.cover(b"w", b"y"));
        assert!(!union(&[("x", "z")]).cover(b"x", b"\0"));
    }

    #[test]
    fn one_key_is_that_key_alone() {
        let key = union(&[("q", "")]);
        assert!(key.cover(b"q", b"") && key.cover(b"q", b"q\0"));
        for (from, to) in [("q", "q\0\0"), ("q", "r"), ("q\0", ""), ("p", "q\0"), ("q", "\0")] {
            assert!(!key.cover(from.as_bytes(), to.as_bytes()), "{from:?} {to:?}");
        }
    }

    #[test]
    fn a_range_without_keys_counts_as_its_first_one() {
        let set = union(&[("b", "d")]);
        assert!(set.cover(b"c", b"c") && !set.cover(b"d", b"d"));
    }

    #[test]
    fn permissions_that_name_no_key_give_none() {
        assert_eq!(union(&[("", ""), ("", "\0"), ("", "b"), ("b", "a"), ("b", "b")]), union(&[]));
        assert!(!union(&[]).cover(b"a", b""));
    }

    /// Keys of at most two letters, in order: every range over them can be counted out.
    fn keys() -> Vec<Vec<u8>> {
        let letters = [0, b'a', b'b', 0xff];
        let mut keys: Vec<Vec<u8>> = letters.iter().map(|letter| vec![*letter]).collect();
        for first in letters {
            keys.extend(letters.iter().map(|second| vec![first, *second]));
        }
        keys
    }

    fn is_in(key: &[u8], from: &[u8], end: &[u8]) -> bool {
        match end {
            [] => key == from,
            OPEN_END => key >= from,
            end => key >= from && key < end,
        }
    }

    fn range() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
        let ends = || keys().into_iter().chain([vec![]]).collect::<Vec<_>>();
        (prop::sample::select(keys()), prop::sample::select(ends()))
    }

    proptest! {
        #[test]
        fn a_set_covers_no_key_that_no_part_holds(
            parts in prop::collection::vec(range(), 0..6),
            (from, end) in range(),
        ) {
            let intervals = parts
                .iter()
                .filter_map(|(key, end)| {
                    Interval::of(&key.clone().into(), &end.clone().into())
                })
                .collect();
            let set = Intervals::union(intervals);
            let held = |key: &[u8]| parts.iter().any(|(from, end)| is_in(key, from, end));
            for key in keys() {
                prop_assert_eq!(set.cover(&key, b""), held(&key));
            }
            if set.cover(&from, &end) {
                for key in keys().iter().filter(|key| is_in(key, &from, &end)) {
                    prop_assert!(held(key), "{:?}", key);
                }
            }
        }
    }
}
