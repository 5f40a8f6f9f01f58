//! A list fetched page by page, all pages at one revision.

use crate::Error;
use crate::cursor::Cursor;
use crate::fields::Fields;
use crate::mvcc::Mvcc;
use crate::query::{Content, RangeQuery};
use crate::reader::Reader;

/// A list in key order. It holds a few bytes, however long it is, and no lock between two pages.
#[derive(Debug)]
pub struct Listing {
    mvcc: Mvcc,
    cursor: Cursor,
    query: RangeQuery,
    revision: i64,
    count: u64,
    /// Key-values that the limit still allows.
    left: usize,
}

impl Listing {
    pub(crate) fn begin(mvcc: &Mvcc, asked: &RangeQuery) -> Result<Listing, Error> {
        let reader = mvcc.reader();
        let at = reader.resolve(asked.revision)?;
        let range = asked.range();
        let count = reader.count(&range, at)?;
        let left = if asked.content == Content::CountOnly { 0 } else { asked.limit() };
        let query =
            RangeQuery { content: asked.content, limit: asked.limit, ..RangeQuery::default() };
        let cursor = Cursor::new(range, at);
        Ok(Listing { mvcc: mvcc.clone(), cursor, query, revision: reader.revision(), count, left })
    }

    /// The store's revision when the list began; the pages may show an older one, as asked.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// The live keys of the whole range at the list's revision.
    pub fn count(&self) -> i64 {
        i64::try_from(self.count).expect("fewer than 2^63 keys")
    }

    /// Whether the limit cuts the list; never for a count alone.
    pub fn more(&self) -> bool {
        self.query.content != Content::CountOnly && self.count > self.query.limit() as u64
    }

    /// The next key-values, at most `most` (zero counts as one); none at the end.
    ///
    /// # Errors
    /// `Compacted` when a compaction overtook the list.
    pub fn next_page(&mut self, most: usize) -> Result<Fields, Error> {
        let most = most.max(1).min(self.left);
        let reader = Reader { current: self.revision, ..self.mvcc.reader() };
        let page = reader.list_fields(&mut self.cursor, most, &self.query)?;
        self.left -= page.keys;
        Ok(page)
    }
}
