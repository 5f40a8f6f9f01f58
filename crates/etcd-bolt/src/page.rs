//! Pages: their header and elements, as numbers at fixed places.

/// Bytes of a page that is written here. Files of other machines may have other sizes.
pub const PAGE_SIZE: usize = 4096;

/// Bytes of the header in front of every page's contents.
pub(crate) const HEADER_BYTES: usize = 16;
/// Bytes of an element, of either kind.
pub(crate) const ELEMENT_BYTES: usize = 16;
/// Bytes of what stands for a bucket in the tree above it, without an inline page.
pub(crate) const BUCKET_BYTES: usize = 16;
/// The element is a bucket, not a pair.
pub(crate) const BUCKET_FLAG: u32 = 1;

const BRANCH_FLAG: u16 = 1;
const LEAF_FLAG: u16 = 2;
const META_FLAG: u16 = 4;

/// What a page holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Keys and the pages where they begin.
    Branch,
    /// Keys and their values.
    Leaf,
    /// Where everything begins.
    Meta,
}

impl Kind {
    fn flag(self) -> u16 {
        match self {
            Kind::Branch => BRANCH_FLAG,
            Kind::Leaf => LEAF_FLAG,
            Kind::Meta => META_FLAG,
        }
    }
}

/// The beginning of every page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// The page's number, 0 for an inline one.
    pub(crate) id: u64,
    /// `None` for a kind that holds no part of a tree.
    pub(crate) kind: Option<Kind>,
    pub(crate) count: u16,
    /// Pages after this one that belong to it.
    pub(crate) overflow: u32,
}

impl Header {
    pub(crate) fn new(id: u64, kind: Kind, count: u16, overflow: u32) -> Header {
        Header { id, kind: Some(kind), count, overflow }
    }

    pub(crate) fn encode(self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.id.to_le_bytes());
        into.extend_from_slice(&self.kind.map_or(0, Kind::flag).to_le_bytes());
        into.extend_from_slice(&self.count.to_le_bytes());
        into.extend_from_slice(&self.overflow.to_le_bytes());
    }

    /// Reads a header; `None` where the bytes end before it does.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Header> {
        let kinds = [Kind::Branch, Kind::Leaf, Kind::Meta];
        let flag = u16::from_le_bytes(array(bytes, 8)?);
        Some(Header {
            id: u64::from_le_bytes(array(bytes, 0)?),
            kind: kinds.into_iter().find(|kind| kind.flag() == flag),
            count: u16::from_le_bytes(array(bytes, 10)?),
            overflow: u32::from_le_bytes(array(bytes, 12)?),
        })
    }
}

/// The `N` bytes at `at`, if they are there.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// The number at `at`, if it is there.
pub(crate) fn number(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

/// The long number at `at`, if it is there.
pub(crate) fn long(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}
