//! A bucket's tree, built from the left: each page is written once, when it is full.

use std::io::Write;

use crate::Error;
use crate::node::{Node, bucket_value};
use crate::page::{Kind, PAGE_SIZE};

/// The fewest elements of a branch, as bbolt keeps it.
const BRANCH_MINIMUM: usize = 2;

/// Numbers pages and writes them in that order.
pub(crate) struct Pages<'s> {
    sink: &'s mut dyn Write,
    next: u64,
    /// The page being written; kept to spare its allocation.
    buffer: Vec<u8>,
}

impl<'s> Pages<'s> {
    /// The first page that is written has the number `next`.
    pub(crate) fn new(sink: &'s mut dyn Write, next: u64) -> Pages<'s> {
        Pages { sink, next, buffer: Vec::new() }
    }

    /// The number of the page after the last.
    pub(crate) fn end(&self) -> u64 {
        self.next
    }

    fn write(&mut self, node: &Node) -> Result<u64, Error> {
        let id = self.next;
        self.buffer.clear();
        node.encode(id, &mut self.buffer)?;
        self.buffer.resize(self.buffer.len().next_multiple_of(PAGE_SIZE), 0);
        self.sink.write_all(&self.buffer)?;
        self.next += 1 + u64::from(node.overflow()?);
        // A value of megabytes is rare: its buffer need not stay.
        self.buffer.shrink_to(16 * PAGE_SIZE);
        Ok(id)
    }
}

/// The right edge of a tree: one unfinished page for each level.
#[derive(Debug)]
pub(crate) struct Tree {
    leaf: Node,
    /// From the leaves' parents up. Invariant: a level exists once the one below wrote a page.
    branches: Vec<Node>,
    last_key: Vec<u8>,
}

impl Tree {
    pub(crate) fn new() -> Tree {
        Tree { leaf: Node::new(Kind::Leaf), branches: Vec::new(), last_key: Vec::new() }
    }

    /// Appends a pair, or a bucket if `flags` says so.
    pub(crate) fn push(
        &mut self,
        flags: u32,
        key: &[u8],
        value: &[u8],
        pages: &mut Pages<'_>,
    ) -> Result<(), Error> {
        // No key is empty, so the first is greater than none.
        if key <= self.last_key.as_slice() {
            return Err(Error::Unordered);
        }
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        if self.leaf.len() > 0 && !self.leaf.fits(key.len(), value.len()) {
            self.write_leaf(pages)?;
        }
        self.leaf.push(u64::from(flags), key, value)
    }

    /// Writes what is left, and returns what stands for this tree in the one above.
    pub(crate) fn finish(mut self, pages: &mut Pages<'_>) -> Result<Vec<u8>, Error> {
        if self.branches.is_empty() && self.leaf.is_inline() {
            let mut value = bucket_value(0);
            self.leaf.encode(0, &mut value)?;
            return Ok(value);
        }
        Ok(bucket_value(self.finish_pages(pages)?))
    }

    /// Writes what is left, and returns the page where the tree begins.
    pub(crate) fn finish_pages(&mut self, pages: &mut Pages<'_>) -> Result<u64, Error> {
        if self.branches.is_empty() {
            return pages.write(&self.leaf);
        }
        self.write_leaf(pages)?;
        let mut level = 0;
        while level + 1 < self.branches.len() {
            self.write_branch(level, pages)?;
            level += 1;
        }
        pages.write(&self.branches[level])
    }

    fn write_leaf(&mut self, pages: &mut Pages<'_>) -> Result<(), Error> {
        let id = pages.write(&self.leaf)?;
        let first_key = self.leaf.first_key().to_vec();
        self.leaf.clear();
        self.push_branch(0, &first_key, id, pages)
    }

    fn write_branch(&mut self, level: usize, pages: &mut Pages<'_>) -> Result<(), Error> {
        let id = pages.write(&self.branches[level])?;
        let first_key = self.branches[level].first_key().to_vec();
        self.branches[level].clear();
        self.push_branch(level + 1, &first_key, id, pages)
    }

    /// Appends a page to the branch of a level. A full branch hands its last element on before it is
    /// written, so that the next one has the minimum even if nothing follows.
    fn push_branch(
        &mut self,
        level: usize,
        key: &[u8],
        page: u64,
        pages: &mut Pages<'_>,
    ) -> Result<(), Error> {
        if level == self.branches.len() {
            self.branches.push(Node::new(Kind::Branch));
        }
        let branch = &mut self.branches[level];
        if branch.len() > BRANCH_MINIMUM && !branch.fits(key.len(), 0) {
            let (last_key, last_page) = branch.pop().expect("it has more than the minimum");
            self.write_branch(level, pages)?;
            self.branches[level].push(last_page, &last_key, &[])?;
        }
        self.branches[level].push(page, key, &[])
    }
}
