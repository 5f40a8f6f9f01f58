//! A walk through one bucket of a file.

use bytes::Bytes;

use crate::page::{BUCKET_FLAG, ELEMENT_BYTES, HEADER_BYTES, Kind, long, number};
use crate::reader::{Page, Root};
use crate::{BoltReader, Bucket, Error};

/// A key of a bucket and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Bytes,
    /// What it stands for.
    pub content: Content,
}

/// What a key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A value.
    Value(Bytes),
    /// A bucket inside this one.
    Bucket(Bucket),
}

/// The entries of a bucket in key order, read as the walk comes to them. It ends after an error.
#[derive(Debug)]
pub struct Entries<'f> {
    reader: &'f BoltReader,
    /// Where the walk begins, until it did.
    start: Option<Root>,
    /// The pages from the root to the leaf at hand, each with its next element.
    path: Vec<(Page, usize)>,
    last_key: Option<Bytes>,
    /// Pages that may still be read. No page belongs to a tree twice, so that a walk in a circle is
    /// found out here.
    budget: u64,
}

impl<'f> Entries<'f> {
    pub(crate) fn new(reader: &'f BoltReader, bucket: &Bucket) -> Entries<'f> {
        let start = Some(bucket.root.clone());
        Entries { reader, start, path: Vec::new(), last_key: None, budget: reader.pages() }
    }

    fn advance(&mut self) -> Result<Option<Entry>, Error> {
        match self.start.take() {
            Some(Root::Page(id)) => self.descend(id)?,
            Some(Root::Inline(bytes, around)) => self.path.push((Page::inline(bytes, around)?, 0)),
            None => {}
        }
        while let Some((page, next)) = self.path.last_mut() {
            let at = *next;
            if at == page.count {
                self.path.pop();
                continue;
            }
            *next += 1;
            if page.kind == Kind::Branch {
                let child = branch_child(page, at)?;
                self.descend(child)?;
                continue;
            }
            let (id, entry) = (page.id, leaf_entry(page, at)?);
            if self.last_key.as_ref().is_some_and(|last| *last >= entry.key) {
                return Err(Error::damaged(id, "its keys are out of order"));
            }
            self.last_key = Some(entry.key.clone());
            return Ok(Some(entry));
        }
        Ok(None)
    }

    fn descend(&mut self, id: u64) -> Result<(), Error> {
        let (page, taken) = self.reader.page(id)?;
        let left = self.budget.checked_sub(taken);
        self.budget = left.ok_or_else(|| Error::damaged(id, "it is in its tree twice"))?;
        self.path.push((page, 0));
        Ok(())
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Result<Entry, Error>> {
        let entry = self.advance();
        if entry.is_err() {
            self.path.clear();
        }
        entry.transpose()
    }
}

/// Where a page's element begins.
fn element(at: usize) -> usize {
    HEADER_BYTES + at * ELEMENT_BYTES
}

fn branch_child(page: &Page, at: usize) -> Result<u64, Error> {
    let child = long(&page.bytes, element(at) + 8);
    child.ok_or_else(|| Error::damaged(page.id, "an element is cut off"))
}

fn leaf_entry(page: &Page, at: usize) -> Result<Entry, Error> {
    let cut = || Error::damaged(page.id, "an element is cut off");
    let start = element(at);
    let field = |index: usize| number(&page.bytes, start + index * 4).ok_or_else(cut);
    let flags = field(0)?;
    let size = |index| field(index).and_then(|n| usize::try_from(n).map_err(|_| cut()));
    let (position, key_bytes, value_bytes) = (size(1)?, size(2)?, size(3)?);
    let key_start = start.checked_add(position).ok_or_else(cut)?;
    let key_end = key_start.checked_add(key_bytes).ok_or_else(cut)?;
    let value_end = key_end.checked_add(value_bytes).ok_or_else(cut)?;
    if value_end > page.bytes.len() {
        return Err(cut());
    }
    let value = page.bytes.slice(key_end..value_end);
    let content = match flags & BUCKET_FLAG {
        0 => Content::Value(value),
        _ => Content::Bucket(Bucket::decode(&value, page.id)?),
    };
    Ok(Entry { key: page.bytes.slice(key_start..key_end), content })
}
