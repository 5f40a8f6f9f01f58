//! What a search for a range that ends before it begins comes by.
//!
//! Such a range holds no keys, so it does not matter whether it is permitted; but clients see the
//! answer. etcd looks it up in a red-black tree of a user's intervals in the order in which they were
//! added, and leaves out whole branches that an ordinary range could not be in. What is left out
//! depends on the tree's shape, so the same tree is made here (Cormen et al., "Introduction to
//! Algorithms", chapter 13.3). Ordinary ranges need none of this.

use bytes::Bytes;

use crate::intervals::Interval;

/// Stands for no node.
const NONE: usize = usize::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Color {
    Red,
    Black,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hand {
    Left,
    Right,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    interval: Interval,
    /// The furthest end at it and below; none is behind the last key.
    reach: Option<Bytes>,
    left: usize,
    right: usize,
    parent: usize,
    color: Color,
}

/// Intervals in etcd's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SearchTree {
    nodes: Vec<Node>,
    root: usize,
}

impl SearchTree {
    /// Of intervals in the order in which they are added.
    pub(crate) fn of(intervals: &[Interval]) -> SearchTree {
        let mut tree = SearchTree { nodes: Vec::with_capacity(intervals.len()), root: NONE };
        intervals.iter().for_each(|interval| tree.insert(interval.clone()));
        tree.measure();
        tree
    }

    /// Whether the search for a range comes by an interval that holds its first key. The range ends
    /// before it begins.
    pub(crate) fn finds(&self, key: &[u8], range_end: &[u8]) -> bool {
        let mut open = vec![self.root];
        while let Some(at) = open.pop() {
            let Some(node) = self.nodes.get(at) else { continue };
            if key < &node.interval.from[..] {
                open.push(node.left);
            } else if node.interval.contains(key) {
                return true;
            } else {
                let reaches = node.reach.as_ref().is_none_or(|reach| key < &reach[..]);
                // Here etcd takes what begins behind the range's end to be behind the range.
                if reaches && &node.interval.from[..] < range_end {
                    open.extend([node.left, node.right]);
                }
            }
        }
        false
    }

    fn insert(&mut self, interval: Interval) {
        let (mut parent, mut at) = (NONE, self.root);
        let mut hand = Hand::Left;
        while let Some(node) = self.nodes.get(at) {
            parent = at;
            hand = if interval.is_before(&node.interval) { Hand::Left } else { Hand::Right };
            at = self.child(at, hand);
        }
        let new = self.nodes.len();
        let reach = interval.to.clone();
        let (left, right, color) = (NONE, NONE, Color::Red);
        self.nodes.push(Node { interval, reach, left, right, parent, color });
        match parent {
            NONE => self.root = new,
            _ => self.set_child(parent, hand, new),
        }
        self.balance(new);
    }

    /// Makes it a red-black tree again, of which a new red node may have a red parent.
    fn balance(&mut self, mut at: usize) {
        while self.is_red(self.parent(at)) {
            let parent = self.parent(at);
            // A red node is not the root.
            let above = self.parent(parent);
            let hand = if self.nodes[above].left == parent { Hand::Left } else { Hand::Right };
            let uncle = self.child(above, hand.other());
            if self.is_red(uncle) {
                self.nodes[uncle].color = Color::Black;
                self.nodes[parent].color = Color::Black;
                self.nodes[above].color = Color::Red;
                at = above;
                continue;
            }
            if at == self.child(parent, hand.other()) {
                at = parent;
                self.rotate(at, hand);
            }
            let parent = self.parent(at);
            self.nodes[parent].color = Color::Black;
            self.nodes[above].color = Color::Red;
            self.rotate(above, hand.other());
        }
        let root = self.root;
        self.nodes[root].color = Color::Black;
    }

    /// Moves a node down to one hand, and its child of the other hand into its place.
    fn rotate(&mut self, at: usize, hand: Hand) {
        let up = self.child(at, hand.other());
        let between = self.child(up, hand);
        self.set_child(at, hand.other(), between);
        if let Some(node) = self.nodes.get_mut(between) {
            node.parent = at;
        }
        let parent = self.parent(at);
        match parent {
            NONE => self.root = up,
            _ if self.nodes[parent].left == at => self.nodes[parent].left = up,
            _ => self.nodes[parent].right = up,
        }
        self.nodes[up].parent = parent;
        self.set_child(up, hand, at);
        self.nodes[at].parent = up;
    }

    /// Finds out how far each node and what is below it reaches.
    fn measure(&mut self) {
        let mut order = Vec::with_capacity(self.nodes.len());
        let mut open = vec![self.root];
        while let Some(at) = open.pop() {
            let Some(node) = self.nodes.get(at) else { continue };
            open.extend([node.left, node.right]);
            order.push(at);
        }
        // What is below comes first.
        for at in order.into_iter().rev() {
            let Some(parent) = self.nodes.get(self.nodes[at].parent) else { continue };
            let reach = match (&self.nodes[at].reach, &parent.reach) {
                (None, _) | (_, None) => None,
                (Some(own), Some(other)) => Some(own.max(other).clone()),
            };
            let parent = self.nodes[at].parent;
            self.nodes[parent].reach = reach;
        }
    }

    fn child(&self, at: usize, hand: Hand) -> usize {
        match hand {
            Hand::Left => self.nodes[at].left,
            Hand::Right => self.nodes[at].right,
        }
    }

    fn set_child(&mut self, at: usize, hand: Hand, child: usize) {
        match hand {
            Hand::Left => self.nodes[at].left = child,
            Hand::Right => self.nodes[at].right = child,
        }
    }

    fn parent(&self, at: usize) -> usize {
        self.nodes[at].parent
    }

    fn is_red(&self, at: usize) -> bool {
        self.nodes.get(at).is_some_and(|node| node.color == Color::Red)
    }
}

impl Default for SearchTree {
    fn default() -> SearchTree {
        SearchTree { nodes: Vec::new(), root: NONE }
    }
}

impl Hand {
    fn other(self) -> Hand {
        match self {
            Hand::Left => Hand::Right,
            Hand::Right => Hand::Left,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(parts: &[(&'static str, &'static str)], key: &str, range_end: &str) -> bool {
        let interval = |(key, end): &(&'static str, &'static str)| {
            Interval::of(&(*key).into(), &(*end).into())
        };
        let intervals: Vec<_> = parts.iter().filter_map(interval).collect();
        SearchTree::of(&intervals).finds(key.as_bytes(), range_end.as_bytes())
    }

    #[test]
    fn an_interval_at_the_root_is_found() {
        assert!(finds(&[("\0", "\0")], "c", "a"));
        assert!(finds(&[("\0", "\0"), ("k", "l")], "x", "a"));
        assert!(!finds(&[("b", "d")], "d", "a"));
        assert!(!finds(&[], "d", "a"));
    }

    #[test]
    fn a_branch_below_what_begins_behind_the_ranges_end_is_left_out() {
        // The third one makes the second one the root.
        let parts = [("\0", "\0"), ("b", "c"), ("k", "l")];
        assert!(!finds(&parts, "x", "a"));
        assert!(finds(&parts, "x", "ba"));
        assert!(finds(&parts, "bb", "a"));
        assert!(finds(&parts, "a", "\0\0"));
    }

    #[test]
    fn branches_are_moved_and_painted_as_intervals_come() {
        let of = |key: &'static str| (key, "");
        let inner = [of("d"), of("b"), of("c"), of("a"), of("e"), of("f"), of("g")];
        let intervals: Vec<_> = inner
            .iter()
            .filter_map(|(key, end)| Interval::of(&(*key).into(), &(*end).into()))
            .collect();
        let tree = SearchTree::of(&intervals);
        let mut levels = Vec::new();
        let mut open = vec![(tree.root, 0)];
        while let Some((at, depth)) = open.pop() {
            let Some(node) = tree.nodes.get(at) else { continue };
            levels.push((depth, node.interval.from.clone(), node.color));
            open.extend([(node.left, depth + 1), (node.right, depth + 1)]);
        }
        levels.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let shown: Vec<String> =
            levels.iter().map(|(depth, key, color)| format!("{depth}{key:?}{color:?}")).collect();
        let expected = [
            "0b\"c\"Black",
            "1b\"b\"Black",
            "1b\"e\"Red",
            "2b\"a\"Red",
            "2b\"d\"Black",
            "2b\"f\"Black",
            "3b\"g\"Red",
        ];
        assert_eq!(shown, expected);
    }
}
