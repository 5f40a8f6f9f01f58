//! Buckets and pairs in order, straight into pages.

use crate::Error;
use crate::page::BUCKET_FLAG;
use crate::tree::{Pages, Tree};

/// Takes the contents of a file in order. [`Layout`](crate::Layout) makes one.
///
/// It holds one page for each level of two trees, and the value at hand: memory does not grow with
/// the file.
pub struct BoltWriter<'s> {
    pages: Pages<'s>,
    /// The tree of the buckets.
    root: Tree,
    bucket: Option<OpenBucket>,
}

struct OpenBucket {
    name: Vec<u8>,
    tree: Tree,
}

impl std::fmt::Debug for BoltWriter<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.bucket.as_ref().map(|bucket| String::from_utf8_lossy(&bucket.name));
        formatter
            .debug_struct("BoltWriter")
            .field("pages", &self.pages.end())
            .field("bucket", &name)
            .finish_non_exhaustive()
    }
}

impl<'s> BoltWriter<'s> {
    pub(crate) fn new(pages: Pages<'s>) -> BoltWriter<'s> {
        BoltWriter { pages, root: Tree::new(), bucket: None }
    }

    /// Begins the next bucket, which stays empty unless pairs follow.
    ///
    /// # Errors
    /// `Unordered` for a name that is empty or not greater than the last (found when the bucket
    /// ends), `Io` from the sink.
    pub fn bucket(&mut self, name: &[u8]) -> Result<(), Error> {
        self.end_bucket()?;
        self.bucket = Some(OpenBucket { name: name.to_vec(), tree: Tree::new() });
        Ok(())
    }

    /// Appends a pair to the bucket.
    ///
    /// # Errors
    /// `NoBucket` before the first bucket, `Unordered` for a key that is empty or not greater than
    /// the last, `TooLarge` for 2 GiB and more, `Io` from the sink.
    pub fn pair(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let bucket = self.bucket.as_mut().ok_or(Error::NoBucket)?;
        bucket.tree.push(0, key, value, &mut self.pages)
    }

    /// Writes what is left. Returns the root's page and the number of pages.
    pub(crate) fn finish(mut self) -> Result<(u64, u64), Error> {
        self.end_bucket()?;
        let root = self.root.finish_pages(&mut self.pages)?;
        Ok((root, self.pages.end()))
    }

    fn end_bucket(&mut self) -> Result<(), Error> {
        let Some(OpenBucket { name, tree }) = self.bucket.take() else { return Ok(()) };
        let value = tree.finish(&mut self.pages)?;
        self.root.push(BUCKET_FLAG, &name, &value, &mut self.pages)
    }
}
