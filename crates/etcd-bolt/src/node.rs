//! A page while its elements are gathered.

use crate::Error;
use crate::page::{BUCKET_BYTES, ELEMENT_BYTES, HEADER_BYTES, Header, Kind, PAGE_SIZE};

/// The largest page that stands inside its bucket's value instead of a page of its own.
const INLINE_BYTES: usize = PAGE_SIZE / 4;

/// Elements of one page in key order, and their bytes end to end.
#[derive(Debug)]
pub(crate) struct Node {
    kind: Kind,
    elements: Vec<Element>,
    data: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Element {
    key_bytes: u32,
    value_bytes: u32,
    /// A leaf's flags, or the page that a branch leads to.
    extra: u64,
}

impl Node {
    pub(crate) fn new(kind: Kind) -> Node {
        Node { kind, elements: Vec::new(), data: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.elements.len()
    }

    /// The page's size, without the padding.
    pub(crate) fn byte_size(&self) -> usize {
        HEADER_BYTES + self.elements.len() * ELEMENT_BYTES + self.data.len()
    }

    /// Whether a key and a value of these sizes fit the page beside what is there.
    pub(crate) fn fits(&self, key: usize, value: usize) -> bool {
        let added = key.saturating_add(value).saturating_add(ELEMENT_BYTES);
        self.byte_size().saturating_add(added) <= PAGE_SIZE
    }

    /// Whether this leaf, being the whole bucket, has its place in the bucket's value.
    pub(crate) fn is_inline(&self) -> bool {
        self.byte_size() <= INLINE_BYTES
    }

    /// Appends an element; a branch has no values.
    pub(crate) fn push(&mut self, extra: u64, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let bytes = key.len().saturating_add(value.len());
        // Positions within a page have 32 bits, and in front of them there are other elements.
        let (Ok(key_bytes), Ok(value_bytes), true) =
            (u32::try_from(key.len()), u32::try_from(value.len()), bytes <= i32::MAX as usize)
        else {
            return Err(Error::TooLarge { bytes });
        };
        self.elements.push(Element { key_bytes, value_bytes, extra });
        self.data.extend_from_slice(key);
        self.data.extend_from_slice(value);
        Ok(())
    }

    /// Takes the last element of a branch away: its key and its page.
    pub(crate) fn pop(&mut self) -> Option<(Vec<u8>, u64)> {
        let last = self.elements.pop()?;
        let start = self.data.len() - last.key_bytes as usize;
        Some((self.data.split_off(start), last.extra))
    }

    pub(crate) fn first_key(&self) -> &[u8] {
        let bytes = self.elements.first().map_or(0, |first| first.key_bytes as usize);
        &self.data[..bytes]
    }

    pub(crate) fn clear(&mut self) {
        self.elements.clear();
        self.data.clear();
    }

    /// How many pages follow the first.
    pub(crate) fn overflow(&self) -> Result<u32, Error> {
        let bytes = self.byte_size();
        let pages = bytes.div_ceil(PAGE_SIZE);
        u32::try_from(pages - 1).map_err(|_| Error::TooLarge { bytes })
    }

    /// Appends the page with the number `id`, unpadded.
    pub(crate) fn encode(&self, id: u64, into: &mut Vec<u8>) -> Result<(), Error> {
        let overflow = self.overflow()?;
        let bytes = self.byte_size();
        let too_large = |_| Error::TooLarge { bytes };
        let count = u16::try_from(self.elements.len()).map_err(too_large)?;
        Header::new(id, self.kind, count, overflow).encode(into);
        // Positions count from their own element.
        let mut position = self.elements.len() * ELEMENT_BYTES;
        for element in &self.elements {
            let from_here = u32::try_from(position).map_err(too_large)?;
            match self.kind {
                Kind::Branch => {
                    into.extend_from_slice(&from_here.to_le_bytes());
                    into.extend_from_slice(&element.key_bytes.to_le_bytes());
                    into.extend_from_slice(&element.extra.to_le_bytes());
                }
                Kind::Leaf | Kind::Meta => {
                    let flags = u32::try_from(element.extra).map_err(too_large)?;
                    for number in [flags, from_here, element.key_bytes, element.value_bytes] {
                        into.extend_from_slice(&number.to_le_bytes());
                    }
                }
            }
            position += (element.key_bytes + element.value_bytes) as usize;
            position -= ELEMENT_BYTES;
        }
        into.extend_from_slice(&self.data);
        Ok(())
    }
}

/// What stands for a bucket in the tree above it: the page where its own tree begins.
pub(crate) fn bucket_value(root: u64) -> Vec<u8> {
    let mut value = Vec::with_capacity(BUCKET_BYTES + INLINE_BYTES);
    value.extend_from_slice(&root.to_le_bytes());
    let sequence = 0_u64;
    value.extend_from_slice(&sequence.to_le_bytes());
    value
}
