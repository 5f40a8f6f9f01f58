//! The sorted keys of one tree node, end to end in one allocation.

use std::cmp::Ordering;

/// Sorted byte strings without an allocation or a pointer for each.
#[derive(Debug, Default)]
pub(super) struct PackedKeys {
    bytes: Vec<u8>,
    /// Where each key ends in `bytes`; it starts where the one before ends.
    ends: Vec<u32>,
}

impl PackedKeys {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, place: usize) -> &[u8] {
        &self.bytes[self.start(place)..self.ends[place] as usize]
    }

    /// The place of `key`, or the place where it would be inserted.
    pub(super) fn search(&self, key: &[u8]) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.get(middle).cmp(key) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Ok(middle),
                Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    pub(super) fn insert(&mut self, place: usize, key: &[u8]) {
        let start = self.start(place);
        grow(&mut self.bytes, key.len());
        let old_len = self.bytes.len();
        self.bytes.resize(old_len + key.len(), 0);
        self.bytes.copy_within(start..old_len, start + key.len());
        self.bytes[start..start + key.len()].copy_from_slice(key);
        grow(&mut self.ends, 1);
        self.ends.insert(place, offset(start));
        for end in &mut self.ends[place..] {
            *end += offset(key.len());
        }
    }

    pub(super) fn remove(&mut self, place: usize) {
        let (start, end) = (self.start(place), self.ends[place]);
        self.bytes.drain(start..end as usize);
        self.ends.remove(place);
        for later in &mut self.ends[place..] {
            *later -= end - offset(start);
        }
    }

    /// Keeps the keys before `place` and gives the others away.
    pub(super) fn split_off(&mut self, place: usize) -> PackedKeys {
        let start = self.start(place);
        let bytes = self.bytes.split_off(start);
        let mut ends = self.ends.split_off(place);
        for end in &mut ends {
            *end -= offset(start);
        }
        self.bytes.shrink_to_fit();
        self.ends.shrink_to_fit();
        PackedKeys { bytes, ends }
    }

    /// Adds keys that are all greater.
    pub(super) fn append(&mut self, greater: &PackedKeys) {
        let shift = offset(self.bytes.len());
        grow(&mut self.bytes, greater.bytes.len());
        self.bytes.extend_from_slice(&greater.bytes);
        grow(&mut self.ends, greater.len());
        self.ends.extend(greater.ends.iter().map(|end| end + shift));
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * 4
    }

    fn start(&self, place: usize) -> usize {
        if place == 0 { 0 } else { self.ends[place - 1] as usize }
    }
}

fn offset(len: usize) -> u32 {
    u32::try_from(len).expect("the keys of one node take less than 4 GiB")
}

/// Makes room for `extra` more elements and an eighth of the length: doubling, as `Vec` does by
/// itself, would leave a quarter of the index empty.
pub(super) fn grow<T>(vec: &mut Vec<T>, extra: usize) {
    if vec.capacity() - vec.len() < extra {
        vec.reserve_exact(extra + vec.len() / 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(of: &[&str]) -> PackedKeys {
        let mut keys = PackedKeys::default();
        for key in of {
            let place = keys.search(key.as_bytes()).unwrap_err();
            keys.insert(place, key.as_bytes());
        }
        keys
    }

    fn listed(keys: &PackedKeys) -> Vec<String> {
        (0..keys.len()).map(|i| String::from_utf8(keys.get(i).to_vec()).unwrap()).collect()
    }

    #[test]
    fn keys_stay_sorted_whatever_the_order_of_inserts() {
        let keys = keys(&["m", "", "zz", "b", "mm", "a"]);
        assert_eq!(listed(&keys), ["", "a", "b", "m", "mm", "zz"]);
        assert_eq!(keys.search(b"mm"), Ok(4));
        assert_eq!(keys.search(b""), Ok(0));
        assert_eq!(keys.search(b"c"), Err(3));
        assert_eq!(keys.search(b"zzz"), Err(6));
    }

    #[test]
    fn removing_splitting_and_appending_keep_the_others() {
        let mut left = keys(&["aa", "b", "", "dddd", "c"]);
        left.remove(2);
        assert_eq!(listed(&left), ["", "aa", "c", "dddd"]);
        let right = left.split_off(2);
        assert_eq!(listed(&left), ["", "aa"]);
        assert_eq!(listed(&right), ["c", "dddd"]);
        left.append(&right);
        assert_eq!(listed(&left), ["", "aa", "c", "dddd"]);
    }
}
