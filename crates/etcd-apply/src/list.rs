//! A range answered piece by piece, all pieces at one revision.

use etcd_mvcc::{Fields, Listing};

use crate::Error;

/// A list in key order that is under way. It holds no lock and no key-values between two pieces.
#[derive(Debug)]
pub struct List {
    listing: Listing,
}

impl List {
    pub(crate) fn new(listing: Listing) -> List {
        List { listing }
    }

    /// The store's revision when the list began.
    pub fn revision(&self) -> i64 {
        self.listing.revision()
    }

    /// The live keys of the whole range, whatever the limit.
    pub fn count(&self) -> i64 {
        self.listing.count()
    }

    /// Whether the limit cuts the list.
    pub fn more(&self) -> bool {
        self.listing.more()
    }

    /// The next key-values, at most `most`; none at the end. May block on storage.
    ///
    /// # Errors
    /// `Refused` with `Compacted` when a compaction overtook the list.
    pub fn next(&mut self, most: usize) -> Result<Fields, Error> {
        Ok(self.listing.next_page(most)?)
    }
}
