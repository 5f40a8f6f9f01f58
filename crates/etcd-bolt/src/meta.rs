//! The meta pages: where a file's tree begins, told twice.

use crate::page::{HEADER_BYTES, Header, Kind, PAGE_SIZE, long, number};

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
/// In the place of the free list's page: the file has none, its reader finds the free pages.
const NO_FREE_LIST: u64 = u64::MAX;
/// Bytes that the checksum covers, and where it stands.
const CHECKED_BYTES: usize = 56;
const META_BYTES: usize = CHECKED_BYTES + 8;
/// The smallest and largest page that a file may have.
const PAGE_SIZES: std::ops::RangeInclusive<u32> = 512..=65_536;

/// One of the two meta pages. The valid one with the greater transaction counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) page_size: u32,
    /// The page where the tree of buckets begins.
    pub(crate) root: u64,
    /// The number of pages: all that is in use lies below.
    pub(crate) pages: u64,
    pub(crate) transaction: u64,
}

impl Meta {
    /// The whole page with the number `id`.
    pub(crate) fn encode_page(self, id: u64) -> Vec<u8> {
        let mut page = Vec::with_capacity(PAGE_SIZE);
        Header::new(id, Kind::Meta, 0, 0).encode(&mut page);
        for number in [MAGIC, VERSION, self.page_size, 0] {
            page.extend_from_slice(&number.to_le_bytes());
        }
        let root_sequence = 0;
        for long in [self.root, root_sequence, NO_FREE_LIST, self.pages, self.transaction] {
            page.extend_from_slice(&long.to_le_bytes());
        }
        let checksum = fnv_1a(&page[HEADER_BYTES..]);
        page.extend_from_slice(&checksum.to_le_bytes());
        page.resize(PAGE_SIZE, 0);
        page
    }

    /// Reads a meta page. `Err` says why it does not count.
    pub(crate) fn decode(page: &[u8]) -> Result<Meta, &'static str> {
        let header = Header::decode(page).ok_or("it is too short")?;
        if header.kind != Some(Kind::Meta) {
            return Err("it has no meta page where one belongs");
        }
        let meta = page.get(HEADER_BYTES..HEADER_BYTES + META_BYTES).ok_or("it is too short")?;
        let cut = "it is too short";
        if number(meta, 0) != Some(MAGIC) {
            return Err("its magic number is another");
        }
        if number(meta, 4) != Some(VERSION) {
            return Err("its version is another");
        }
        if long(meta, CHECKED_BYTES) != Some(fnv_1a(&meta[..CHECKED_BYTES])) {
            return Err("the checksum of its meta page is wrong");
        }
        let page_size = number(meta, 8).ok_or(cut)?;
        if !page_size.is_power_of_two() || !PAGE_SIZES.contains(&page_size) {
            return Err("its page size is none");
        }
        Ok(Meta {
            page_size,
            root: long(meta, 16).ok_or(cut)?,
            pages: long(meta, 40).ok_or(cut)?,
            transaction: long(meta, 48).ok_or(cut)?,
        })
    }
}

/// The 64-bit FNV-1a hash.
fn fnv_1a(bytes: &[u8]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes.iter().fold(OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    const META: Meta = Meta { page_size: 4096, root: 3, pages: 7, transaction: 12 };

    #[test]
    fn the_checksum_is_the_one_of_an_etcd_3_7_1_with_the_same_meta() {
        let page = META.encode_page(0);
        let checksum = long(&page, HEADER_BYTES + CHECKED_BYTES);
        assert_eq!(checksum, Some(17_458_572_873_573_948_139));
    }

    #[test]
    fn a_meta_page_is_read_back() {
        let page = META.encode_page(1);
        assert_eq!(page.len(), PAGE_SIZE);
        assert_eq!(Meta::decode(&page), Ok(META));
    }

    #[test]
    fn a_changed_bit_anywhere_in_it_makes_it_invalid() {
        let page = META.encode_page(0);
        for at in HEADER_BYTES..HEADER_BYTES + META_BYTES {
            let mut changed = page.clone();
            changed[at] ^= 0x10;
            assert!(Meta::decode(&changed).is_err(), "byte {at}");
        }
        assert!(Meta::decode(&page[..HEADER_BYTES + META_BYTES - 1]).is_err());
        assert!(Meta::decode(b"").is_err());
    }
}
