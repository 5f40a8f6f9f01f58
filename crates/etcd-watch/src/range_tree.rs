//! Ranges of keys, and which of them hold a key: a search tree whose nodes know how far the ranges
//! below them reach.

use std::cmp::Ordering;

use bytes::Bytes;

/// Where a range ends, exclusively; `None` is beyond all keys.
type End = Option<Bytes>;
type Link<T> = Option<Box<Node<T>>>;

/// Values under ranges of keys. Ranges may be equal and overlap at will.
///
/// A treap: ordered by range, and balanced since every node has a mixed number by which no parent
/// is below its children.
#[derive(Debug)]
pub(crate) struct RangeTree<T> {
    root: Link<T>,
    /// Nodes made so far.
    made: u64,
}

#[derive(Debug)]
struct Node<T> {
    start: Bytes,
    end: End,
    /// Invariant: the greatest end in this node and below it.
    farthest: End,
    rank: u64,
    /// Never empty.
    values: Vec<T>,
    left: Link<T>,
    right: Link<T>,
}

impl<T> Default for RangeTree<T> {
    fn default() -> RangeTree<T> {
        RangeTree { root: None, made: 0 }
    }
}

impl<T> RangeTree<T> {
    /// Adds a value under the keys from `start` up to but without `end`.
    pub(crate) fn insert(&mut self, start: &Bytes, end: &End, value: T) {
        if let Some(node) = find(self.root.as_deref_mut(), start, end) {
            node.values.push(value);
            return;
        }
        self.made += 1;
        let node = Box::new(Node {
            start: start.clone(),
            end: end.clone(),
            farthest: end.clone(),
            rank: mix(self.made),
            values: vec![value],
            left: None,
            right: None,
        });
        self.root = Some(insert(self.root.take(), node));
    }

    /// Takes out the first value under exactly this range that is the one.
    pub(crate) fn remove(
        &mut self,
        start: &Bytes,
        end: &End,
        is_it: impl Fn(&T) -> bool,
    ) -> Option<T> {
        let node = find(self.root.as_deref_mut(), start, end)?;
        let place = node.values.iter().position(is_it)?;
        let value = node.values.swap_remove(place);
        if node.values.is_empty() {
            self.root = without(self.root.take(), start, end);
        }
        Some(value)
    }

    /// Shows every value whose range holds `key`.
    pub(crate) fn each<'t>(&'t self, key: &[u8], mut show: impl FnMut(&'t T)) {
        visit(self.root.as_deref(), key, &mut show);
    }

    /// Takes out all values.
    pub(crate) fn drain(&mut self, values: &mut Vec<T>) {
        let mut left: Vec<Box<Node<T>>> = self.root.take().into_iter().collect();
        while let Some(mut node) = left.pop() {
            values.append(&mut node.values);
            left.extend(node.left.take());
            left.extend(node.right.take());
        }
    }
}

impl<T> Node<T> {
    fn compare(&self, start: &Bytes, end: &End) -> Ordering {
        start.cmp(&self.start).then_with(|| compare_ends(end, &self.end))
    }

    /// Restores the invariant after a change below.
    fn measure(&mut self) {
        let below = [&self.left, &self.right].into_iter().flatten().map(|node| &node.farthest);
        let farthest =
            below.fold(
                &self.end,
                |farthest, end| {
                    if compare_ends(end, farthest).is_gt() { end } else { farthest }
                },
            );
        self.farthest = farthest.clone();
    }
}

fn compare_ends(left: &End, right: &End) -> Ordering {
    match (left, right) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(left), Some(right)) => left.cmp(right),
    }
}

fn find<'t, T>(
    mut node: Option<&'t mut Node<T>>,
    start: &Bytes,
    end: &End,
) -> Option<&'t mut Node<T>> {
    while let Some(here) = node {
        match here.compare(start, end) {
            Ordering::Equal => return Some(here),
            Ordering::Less => node = here.left.as_deref_mut(),
            Ordering::Greater => node = here.right.as_deref_mut(),
        }
    }
    None
}

/// Recursion is as deep as the tree: some tens of levels.
fn visit<'t, T>(node: Option<&'t Node<T>>, key: &[u8], show: &mut impl FnMut(&'t T)) {
    let Some(node) = node else { return };
    if !reaches(&node.farthest, key) {
        return;
    }
    visit(node.left.as_deref(), key, show);
    if key >= &node.start[..] {
        if reaches(&node.end, key) {
            node.values.iter().for_each(&mut *show);
        }
        visit(node.right.as_deref(), key, show);
    }
}

fn reaches(end: &End, key: &[u8]) -> bool {
    end.as_ref().is_none_or(|end| key < &end[..])
}

/// Adds a node whose range the tree does not have.
fn insert<T>(tree: Link<T>, mut node: Box<Node<T>>) -> Box<Node<T>> {
    let Some(mut root) = tree else { return node };
    if node.rank > root.rank {
        (node.left, node.right) = split(Some(root), &node);
        node.measure();
        return node;
    }
    if root.compare(&node.start, &node.end).is_lt() {
        root.left = Some(insert(root.left.take(), node));
    } else {
        root.right = Some(insert(root.right.take(), node));
    }
    root.measure();
    root
}

/// Splits a tree into what lies before and after a range that it does not have.
fn split<T>(tree: Link<T>, at: &Node<T>) -> (Link<T>, Link<T>) {
    let Some(mut root) = tree else { return (None, None) };
    if root.compare(&at.start, &at.end).is_lt() {
        let (before, after) = split(root.left.take(), at);
        root.left = after;
        root.measure();
        (before, Some(root))
    } else {
        let (before, after) = split(root.right.take(), at);
        root.right = before;
        root.measure();
        (Some(root), after)
    }
}

/// The tree without the node of a range.
fn without<T>(tree: Link<T>, start: &Bytes, end: &End) -> Link<T> {
    let mut root = tree?;
    match root.compare(start, end) {
        Ordering::Equal => return merge(root.left.take(), root.right.take()),
        Ordering::Less => root.left = without(root.left.take(), start, end),
        Ordering::Greater => root.right = without(root.right.take(), start, end),
    }
    root.measure();
    Some(root)
}

/// Joins two trees, all of the first before all of the second.
fn merge<T>(before: Link<T>, after: Link<T>) -> Link<T> {
    let (mut before, mut after) = match (before, after) {
        (Some(before), Some(after)) => (before, after),
        (before, after) => return before.or(after),
    };
    if before.rank > after.rank {
        before.right = merge(before.right.take(), Some(after));
        before.measure();
        Some(before)
    } else {
        after.left = merge(Some(before), after.left.take());
        after.measure();
        Some(after)
    }
}

/// Spreads consecutive numbers (the last step of the generator SplitMix64).
fn mix(number: u64) -> u64 {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn depth<T>(node: &Link<T>) -> usize {
        node.as_ref().map_or(0, |node| 1 + depth(&node.left).max(depth(&node.right)))
    }

    fn found(tree: &RangeTree<u32>, key: &[u8]) -> Vec<u32> {
        let mut found = Vec::new();
        tree.each(key, |value| found.push(*value));
        found.sort_unstable();
        found
    }

    fn key() -> impl Strategy<Value = Bytes> {
        proptest::collection::vec(0u8..4, 0..3).prop_map(Bytes::from)
    }

    proptest! {
        #[test]
        fn it_finds_what_a_list_finds(
            steps in proptest::collection::vec(
                (any::<bool>(), key(), proptest::option::of(key())), 1..80),
            probes in proptest::collection::vec(key(), 20),
        ) {
            let mut tree = RangeTree::default();
            let mut list: Vec<(Bytes, End, u32)> = Vec::new();
            for (value, (removes, start, end)) in (0u32..).zip(steps) {
                if removes && !list.is_empty() {
                    let (start, end, value) = list.swap_remove(value as usize % list.len());
                    let removed = tree.remove(&start, &end, |other| *other == value);
                    prop_assert_eq!(removed, Some(value));
                    prop_assert_eq!(tree.remove(&start, &end, |other| *other == value), None);
                } else {
                    tree.insert(&start, &end, value);
                    list.push((start, end, value));
                }
                for probe in &probes {
                    let holds = |(start, end, _): &&(Bytes, End, u32)| {
                        probe >= start && end.as_ref().is_none_or(|end| probe < end)
                    };
                    let mut expected: Vec<_> =
                        list.iter().filter(holds).map(|(_, _, value)| *value).collect();
                    expected.sort_unstable();
                    prop_assert_eq!(found(&tree, probe), expected);
                }
            }
            let mut drained = Vec::new();
            tree.drain(&mut drained);
            prop_assert_eq!(drained.len(), list.len());
            prop_assert!(tree.root.is_none());
        }
    }

    #[test]
    fn it_stays_flat_whatever_the_order() {
        let mut tree = RangeTree::default();
        for number in 0u32..10_000 {
            let start = Bytes::from(number.to_be_bytes().to_vec());
            tree.insert(&start, &None, number);
        }
        assert!(depth(&tree.root) < 60, "{}", depth(&tree.root));
    }
}
