//! A file opened for reading, page by page.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use bytes::Bytes;

use crate::meta::Meta;
use crate::page::{BUCKET_BYTES, HEADER_BYTES, Header, Kind, long};
use crate::{Entries, Error};

/// Bytes of a page that are read to find a meta page.
const META_PAGE_BYTES: usize = 512;
/// Page sizes at which a second meta page is looked for when the first is lost.
const SECOND_META_OFFSETS: [u64; 8] = [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536];

/// A file, read by offset as its pages are asked for. Nothing of it is kept in memory.
#[derive(Debug)]
pub struct BoltReader {
    file: File,
    meta: Meta,
}

/// A tree of entries. The file itself is one, and it holds others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    pub(crate) root: Root,
}

/// Where a bucket's tree begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Root {
    Page(u64),
    /// The bucket is so small that its only page stands in its value, in the page given.
    Inline(Bytes, u64),
}

/// A page of a tree, checked against the file's bounds.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// Its number; of an inline one, that of the page around it.
    pub(crate) id: u64,
    pub(crate) kind: Kind,
    pub(crate) count: usize,
    pub(crate) bytes: Bytes,
}

impl BoltReader {
    /// Opens a file and picks the newer of its valid meta pages. What follows the last page, as a
    /// snapshot's digest does, is left alone.
    ///
    /// # Errors
    /// `Io`; `Foreign` without a valid meta page; `Damaged` when the file is shorter than it says.
    pub fn open(path: &Path) -> Result<BoltReader, Error> {
        BoltReader::of(File::open(path)?)
    }

    /// The same for a file that is open already.
    ///
    /// # Errors
    /// As [`BoltReader::open`].
    pub fn of(file: File) -> Result<BoltReader, Error> {
        let meta = newest_meta(&file)?;
        let length = file.metadata()?.len();
        if meta.pages.checked_mul(u64::from(meta.page_size)).is_none_or(|end| end > length) {
            let reason = format!("it promises {} pages, the file ends before", meta.pages);
            return Err(Error::damaged(meta.transaction % 2, reason));
        }
        Ok(BoltReader { file, meta })
    }

    /// The bucket that holds all others.
    pub fn root(&self) -> Bucket {
        Bucket { root: Root::Page(self.meta.root) }
    }

    /// Walks through a bucket of this file in key order.
    pub fn entries(&self, bucket: &Bucket) -> Entries<'_> {
        Entries::new(self, bucket)
    }

    /// The bytes up to the end of the last page.
    pub fn byte_size(&self) -> u64 {
        self.meta.pages * u64::from(self.meta.page_size)
    }

    /// The number of pages.
    pub(crate) fn pages(&self) -> u64 {
        self.meta.pages
    }

    /// Reads a page of a tree with all that overflows from it. Also says how many pages it takes.
    pub(crate) fn page(&self, id: u64) -> Result<(Page, u64), Error> {
        if id < 2 || id >= self.meta.pages {
            return Err(Error::damaged(id, format!("the file has {} pages", self.meta.pages)));
        }
        let page_size = u64::from(self.meta.page_size);
        let offset = id * page_size;
        let mut header = [0; HEADER_BYTES];
        self.file.read_exact_at(&mut header, offset)?;
        let header = Header::decode(&header).expect("the bytes are a header's");
        if header.id != id {
            return Err(Error::damaged(id, format!("it says that it is page {}", header.id)));
        }
        let taken = 1 + u64::from(header.overflow);
        if id + taken > self.meta.pages {
            return Err(Error::damaged(id, "it overflows the file"));
        }
        let bytes = usize::try_from(taken * page_size)
            .map_err(|_| Error::damaged(id, "it is larger than memory"))?;
        let mut page = vec![0; bytes];
        self.file.read_exact_at(&mut page, offset)?;
        Ok((Page::of(id, Bytes::from(page))?, taken))
    }
}

impl Page {
    fn of(id: u64, bytes: Bytes) -> Result<Page, Error> {
        let header = Header::decode(&bytes);
        let header = header.ok_or_else(|| Error::damaged(id, "a page in it is cut off"))?;
        let kind = match header.kind {
            Some(kind @ (Kind::Branch | Kind::Leaf)) => kind,
            Some(Kind::Meta) | None => {
                return Err(Error::damaged(id, "it is neither branch nor leaf"));
            }
        };
        Ok(Page { id, kind, count: usize::from(header.count), bytes })
    }

    /// The page of an inline bucket.
    pub(crate) fn inline(bytes: Bytes, around: u64) -> Result<Page, Error> {
        let page = Page::of(around, bytes)?;
        match page.kind {
            Kind::Leaf => Ok(page),
            Kind::Branch | Kind::Meta => Err(Error::damaged(around, "a page in it is no leaf")),
        }
    }
}

impl Bucket {
    /// Reads what stands for a bucket in the leaf page given.
    pub(crate) fn decode(value: &Bytes, page: u64) -> Result<Bucket, Error> {
        let cut = || Error::damaged(page, "a bucket in it is cut off");
        let root = long(value, 0).ok_or_else(cut)?;
        if value.len() < BUCKET_BYTES {
            return Err(cut());
        }
        let root = match root {
            0 => Root::Inline(value.slice(BUCKET_BYTES..), page),
            id => Root::Page(id),
        };
        Ok(Bucket { root })
    }
}

fn newest_meta(file: &File) -> Result<Meta, Error> {
    let first = meta_at(file, 0)?;
    let second = match &first {
        Ok(first) => meta_at(file, u64::from(first.page_size))?.ok(),
        // Where the second one is, only the first would know: it names its own place.
        Err(_) => {
            let mut found = None;
            for offset in SECOND_META_OFFSETS {
                let meta = meta_at(file, offset)?.ok();
                found = found.or(meta.filter(|meta| u64::from(meta.page_size) == offset));
            }
            found
        }
    };
    match (first, second) {
        (Ok(first), Some(second)) if second.transaction > first.transaction => Ok(second),
        (Ok(first), _) => Ok(first),
        (Err(_), Some(second)) => Ok(second),
        (Err(reason), None) => Err(Error::Foreign(reason.to_owned())),
    }
}

fn meta_at(file: &File, offset: u64) -> Result<Result<Meta, &'static str>, Error> {
    let mut page = [0; META_PAGE_BYTES];
    let mut read = 0;
    loop {
        match file.read_at(&mut page[read..], offset + read as u64)? {
            0 => return Ok(Meta::decode(&page[..read])),
            bytes => read += bytes,
        }
    }
}
