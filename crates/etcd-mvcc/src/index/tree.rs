//! An ordered tree from keys to their generations, whose branches count the live keys below them.
//!
//! A B+ tree: leaves hold keys and generations, branches hold separators, children and a live count
//! for each child. All leaves have the same depth. Nodes split when they outgrow [`FANOUT`] and
//! merge with a neighbour when compaction leaves little in them.

use std::ops::ControlFlow;

use super::generations::{Change, Generations, KeyState};
use super::packed_keys::{PackedKeys, grow};
use crate::Revision;
use crate::revision::Kind;

/// Most keys of a leaf and most children of a branch. One more, before a split, fills sizes of which
/// the allocator has blocks.
const FANOUT: usize = 63;
/// A node with fewer is merged with a neighbour if both fit into `MERGED_MAX`.
const MERGE_BELOW: usize = FANOUT / 4;
const MERGED_MAX: usize = FANOUT * 3 / 4;

/// What a change made of its key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Changed {
    /// The live key before it.
    pub(crate) before: Option<KeyState>,
    /// The live key after it.
    pub(crate) after: Option<KeyState>,
    /// The change made the key known to the index.
    pub(crate) is_new: bool,
}

#[derive(Debug)]
pub(super) struct Tree {
    root: Node,
}

#[derive(Debug)]
enum Node {
    Leaf(Leaf),
    Branch(Branch),
}

#[derive(Debug, Default)]
struct Leaf {
    keys: PackedKeys,
    lives: Vec<Generations>,
}

#[derive(Debug)]
struct Branch {
    /// Invariant: one fewer than children; all keys below child `i` are less than separator `i`,
    /// and all below child `i + 1` are not.
    separators: PackedKeys,
    children: Vec<Node>,
    /// Live keys below each child.
    live: Vec<u64>,
}

/// The upper half of a node that grew too large.
struct Split {
    separator: Vec<u8>,
    right: Node,
}

/// A visitor of keys in order.
pub(super) type Visit<'v> = dyn FnMut(&[u8], &Generations) -> ControlFlow<()> + 'v;

impl Default for Tree {
    fn default() -> Tree {
        Tree { root: Node::Leaf(Leaf::default()) }
    }
}

impl Tree {
    pub(super) fn get(&self, key: &[u8]) -> Option<&Generations> {
        let mut node = &self.root;
        loop {
            match node {
                Node::Branch(branch) => node = &branch.children[branch.child_of(key)],
                Node::Leaf(leaf) => {
                    return leaf.keys.search(key).ok().map(|place| &leaf.lives[place]);
                }
            }
        }
    }

    /// Adds a change to the key's life, which begins here if there is none.
    pub(super) fn change(&mut self, key: &[u8], revision: Revision, change: Change) -> Changed {
        let (changed, split) = self.root.change(key, revision, change);
        if let Some(Split { separator, right }) = split {
            let left = std::mem::replace(&mut self.root, Node::Leaf(Leaf::default()));
            let live = vec![left.live(), right.live()];
            let mut separators = PackedKeys::default();
            separators.insert(0, &separator);
            self.root = Node::Branch(Branch { separators, children: vec![left, right], live });
        }
        changed
    }

    /// How many live keys are less than `key`.
    pub(super) fn rank(&self, key: &[u8]) -> u64 {
        let mut before = 0;
        let mut node = &self.root;
        loop {
            match node {
                Node::Branch(branch) => {
                    let at = branch.child_of(key);
                    before += branch.live[..at].iter().sum::<u64>();
                    node = &branch.children[at];
                }
                Node::Leaf(leaf) => {
                    let place = leaf.keys.search(key).unwrap_or_else(|place| place);
                    return before + count_live(&leaf.lives[..place]);
                }
            }
        }
    }

    /// How many keys are live.
    pub(super) fn live(&self) -> u64 {
        self.root.live()
    }

    /// Shows every key from `from` on to `visit`, ascending, until it breaks.
    pub(super) fn walk(&self, from: &[u8], visit: &mut Visit<'_>) {
        let _ = self.root.walk(from, visit);
    }

    /// Bytes of memory below one of the root's children, without what the allocator adds; none
    /// beyond the last.
    pub(super) fn part_bytes(&self, part: usize) -> Option<usize> {
        match &self.root {
            Node::Branch(branch) => branch.children.get(part).map(heap_bytes),
            leaf => (part == 0).then(|| heap_bytes(leaf)),
        }
    }

    /// Compacts the one leaf in which `from` belongs. Returns where the next leaf begins, and how
    /// many keys were removed.
    pub(super) fn compact_leaf(
        &mut self,
        from: &[u8],
        revision: i64,
        dropped: &mut Vec<(Revision, Kind)>,
    ) -> (Option<Vec<u8>>, usize) {
        let done = self.root.compact_leaf(from, revision, dropped);
        while let Node::Branch(branch) = &mut self.root {
            match branch.children.len() {
                0 => self.root = Node::Leaf(Leaf::default()),
                1 => self.root = branch.children.remove(0),
                _ => break,
            }
        }
        done
    }
}

impl Node {
    fn len(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.lives.len(),
            Node::Branch(branch) => branch.children.len(),
        }
    }

    fn live(&self) -> u64 {
        match self {
            Node::Leaf(leaf) => count_live(&leaf.lives),
            Node::Branch(branch) => branch.live.iter().sum(),
        }
    }

    fn change(
        &mut self,
        key: &[u8],
        revision: Revision,
        change: Change,
    ) -> (Changed, Option<Split>) {
        match self {
            Node::Leaf(leaf) => leaf.change(key, revision, change),
            Node::Branch(branch) => branch.change(key, revision, change),
        }
    }

    fn walk(&self, from: &[u8], visit: &mut Visit<'_>) -> ControlFlow<()> {
        match self {
            Node::Leaf(leaf) => {
                let first = leaf.keys.search(from).unwrap_or_else(|place| place);
                for place in first..leaf.lives.len() {
                    visit(leaf.keys.get(place), &leaf.lives[place])?;
                }
            }
            Node::Branch(branch) => {
                let first = branch.child_of(from);
                branch.children[first].walk(from, visit)?;
                for child in &branch.children[first + 1..] {
                    child.walk(b"", visit)?;
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn compact_leaf(
        &mut self,
        from: &[u8],
        revision: i64,
        dropped: &mut Vec<(Revision, Kind)>,
    ) -> (Option<Vec<u8>>, usize) {
        match self {
            Node::Leaf(leaf) => (None, leaf.compact(revision, dropped)),
            Node::Branch(branch) => {
                let at = branch.child_of(from);
                let (next, removed) = branch.children[at].compact_leaf(from, revision, dropped);
                let next = next.or_else(|| {
                    (at < branch.separators.len()).then(|| branch.separators.get(at).to_vec())
                });
                if removed > 0 {
                    branch.tidy(at);
                }
                (next, removed)
            }
        }
    }

    /// Takes over a greater neighbour of the same height; `separator` lies between them.
    fn merge(&mut self, separator: &[u8], right: Node) {
        match (self, right) {
            (Node::Leaf(left), Node::Leaf(mut right)) => {
                left.keys.append(&right.keys);
                grow(&mut left.lives, right.lives.len());
                left.lives.append(&mut right.lives);
            }
            (Node::Branch(left), Node::Branch(mut right)) => {
                left.separators.insert(left.separators.len(), separator);
                left.separators.append(&right.separators);
                left.children.append(&mut right.children);
                left.live.append(&mut right.live);
            }
            _ => unreachable!("neighbours have the same height"),
        }
    }
}

impl Leaf {
    fn change(
        &mut self,
        key: &[u8],
        revision: Revision,
        change: Change,
    ) -> (Changed, Option<Split>) {
        match self.keys.search(key) {
            Ok(place) => {
                let life = &mut self.lives[place];
                let before = life.newest();
                life.push(revision, change);
                (Changed { before, after: life.newest(), is_new: false }, None)
            }
            Err(place) => {
                let life = Generations::begin(revision, change);
                let changed = Changed { before: None, after: life.newest(), is_new: true };
                self.keys.insert(place, key);
                grow(&mut self.lives, 1);
                self.lives.insert(place, life);
                let split = (self.lives.len() > FANOUT).then(|| self.split(place));
                (changed, split)
            }
        }
    }

    fn split(&mut self, inserted: usize) -> Split {
        let middle = split_place(self.lives.len(), inserted);
        let keys = self.keys.split_off(middle);
        let lives = self.lives.split_off(middle);
        self.lives.shrink_to_fit();
        let last = self.keys.get(self.keys.len() - 1);
        let first = keys.get(0);
        // The shortest string that divides the two leaves serves as well as a whole key.
        let common = last.iter().zip(first).take_while(|(a, b)| a == b).count();
        let separator = first[..=common].to_vec();
        Split { separator, right: Node::Leaf(Leaf { keys, lives }) }
    }

    /// Returns how many keys were removed.
    fn compact(&mut self, revision: i64, dropped: &mut Vec<(Revision, Kind)>) -> usize {
        let mut removed = 0;
        for place in (0..self.lives.len()).rev() {
            if self.lives[place].compact(revision, dropped) {
                self.keys.remove(place);
                self.lives.remove(place);
                removed += 1;
            }
        }
        if removed > 0 {
            self.lives.shrink_to_fit();
        }
        removed
    }
}

impl Branch {
    /// The child below which `key` belongs.
    fn child_of(&self, key: &[u8]) -> usize {
        match self.separators.search(key) {
            Ok(place) => place + 1,
            Err(place) => place,
        }
    }

    fn change(
        &mut self,
        key: &[u8],
        revision: Revision,
        change: Change,
    ) -> (Changed, Option<Split>) {
        let at = self.child_of(key);
        let (changed, split) = self.children[at].change(key, revision, change);
        match (changed.before.is_some(), changed.after.is_some()) {
            (false, true) => self.live[at] += 1,
            (true, false) => self.live[at] -= 1,
            _ => {}
        }
        let Some(Split { separator, right }) = split else { return (changed, None) };
        let right_live = right.live();
        self.live[at] -= right_live;
        self.live.insert(at + 1, right_live);
        self.separators.insert(at, &separator);
        self.children.insert(at + 1, right);
        (changed, (self.children.len() > FANOUT).then(|| self.split(at + 1)))
    }

    fn split(&mut self, inserted: usize) -> Split {
        let middle = split_place(self.children.len(), inserted);
        let separators = self.separators.split_off(middle);
        let separator = self.separators.get(middle - 1).to_vec();
        self.separators.remove(middle - 1);
        let children = self.children.split_off(middle);
        let live = self.live.split_off(middle);
        Split { separator, right: Node::Branch(Branch { separators, children, live }) }
    }

    /// Removes the child at `at` if it is empty, or merges it with a neighbour if both are small.
    fn tidy(&mut self, at: usize) {
        let len = self.children[at].len();
        if len == 0 {
            self.children.remove(at);
            self.live.remove(at);
            if self.separators.len() > 0 {
                self.separators.remove(at.saturating_sub(1));
            }
            return;
        }
        let fits = |place: usize| {
            self.children.get(place).is_some_and(|near| near.len() + len <= MERGED_MAX)
        };
        if len >= MERGE_BELOW {
            return;
        }
        if fits(at + 1) {
            self.merge_with_next(at);
        } else if at > 0 && fits(at - 1) {
            self.merge_with_next(at - 1);
        }
    }

    fn merge_with_next(&mut self, at: usize) {
        let right = self.children.remove(at + 1);
        self.live[at] += self.live.remove(at + 1);
        let separator = self.separators.get(at).to_vec();
        self.separators.remove(at);
        self.children[at].merge(&separator, right);
    }
}

fn count_live(lives: &[Generations]) -> u64 {
    lives.iter().filter(|life| life.is_live()).count() as u64
}

/// Where to cut a node of `len`: in the middle, or, if the newcomer stands at the end, right before
/// it, so that keys inserted in ascending order fill their nodes.
fn split_place(len: usize, inserted: usize) -> usize {
    if inserted + 1 == len { inserted } else { len / 2 }
}

#[cfg(test)]
impl Tree {
    /// Bytes of memory that the tree takes, without what the allocator adds.
    pub(super) fn heap_bytes(&self) -> usize {
        heap_bytes(&self.root)
    }

    /// Panics unless every invariant of the structure holds; returns the number of keys.
    pub(super) fn check(&self) -> usize {
        check_node(&self.root, None, None).0
    }
}

fn heap_bytes(node: &Node) -> usize {
    match node {
        Node::Leaf(leaf) => {
            leaf.keys.heap_bytes() + leaf.lives.capacity() * size_of::<Generations>()
        }
        Node::Branch(branch) => {
            let children = branch.children.capacity() * size_of::<Node>();
            let below: usize = branch.children.iter().map(heap_bytes).sum();
            branch.separators.heap_bytes() + branch.live.capacity() * 8 + children + below
        }
    }
}

#[cfg(test)]
fn check_node(node: &Node, low: Option<&[u8]>, high: Option<&[u8]>) -> (usize, u64, usize) {
    match node {
        Node::Leaf(leaf) => {
            assert!(leaf.lives.len() <= FANOUT && leaf.lives.len() == leaf.keys.len());
            for place in 0..leaf.keys.len() {
                let key = leaf.keys.get(place);
                assert!(low.is_none_or(|low| low <= key) && high.is_none_or(|high| key < high));
                assert!(place == 0 || leaf.keys.get(place - 1) < key, "keys ascend");
            }
            (leaf.lives.len(), count_live(&leaf.lives), 1)
        }
        Node::Branch(branch) => {
            let children = branch.children.len();
            assert!((1..=FANOUT).contains(&children));
            assert!(branch.separators.len() + 1 == children && branch.live.len() == children);
            let (mut keys, mut live, mut heights) = (0, 0, Vec::new());
            for (place, child) in branch.children.iter().enumerate() {
                let low = if place == 0 { low } else { Some(branch.separators.get(place - 1)) };
                let last = place + 1 == children;
                let high = if last { high } else { Some(branch.separators.get(place)) };
                let (below, live_below, height) = check_node(child, low, high);
                assert_eq!(live_below, branch.live[place], "the count of a child is exact");
                keys += below;
                live += live_below;
                heights.push(height);
            }
            assert!(heights.windows(2).all(|pair| pair[0] == pair[1]), "all leaves are level");
            (keys, live, heights[0] + 1)
        }
    }
}
