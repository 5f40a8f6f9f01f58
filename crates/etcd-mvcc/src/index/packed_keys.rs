//! The sorted keys of one tree node, end to end in one allocation.

use std::cmp::Ordering;

/// Sorted byte strings without an allocation or a pointer for each.
///
/// Neighbours mostly begin alike and differ soon after: what they share is compared once, and the
/// four bytes after it decide most searches in numbers that lie side by side.
#[derive(Debug, Default)]
pub(super) struct PackedKeys {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
    /// Invariant: all keys have at least so many bytes, and the same ones.
    shared: u32,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// The key's bytes after the shared ones, as far as they fit; zeros where it has none.
    head: u32,
    /// Where the key ends in `bytes`; it starts where the one before ends.
    end: u32,
}

impl PackedKeys {
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn get(&self, place: usize) -> &[u8] {
        &self.bytes[self.start(place)..self.slots[place].end as usize]
    }

    /// The place of `key`, or the place where it would be inserted.
    pub(super) fn search(&self, key: &[u8]) -> Result<usize, usize> {
        let shared = self.shared as usize;
        let head = if key.len() < shared { 0 } else { head(key, shared) };
        let mut low = self.slots.partition_point(|slot| slot.head < head);
        let Some(last) = self.len().checked_sub(1) else { return Err(0) };
        // Heads say nothing of a key that does not share what all share. Any of those tells whether
        // it does; this one is going to be looked at anyway, and the wait for memory is what counts.
        let like_all = &self.get(low.min(last))[..shared];
        match key[..key.len().min(shared)].cmp(like_all) {
            Ordering::Less => return Err(0),
            Ordering::Greater => return Err(self.len()),
            Ordering::Equal => {}
        }
        if self.slots.get(low).is_none_or(|slot| slot.head != head) {
            return Err(low);
        }
        // Few have the same head, unless keys differ far behind what all of them share.
        let alike = self.slots[low..].iter().take_while(|slot| slot.head == head).count();
        let mut high = low + alike;
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
        let shared = self.shared_with(key);
        grow(&mut self.bytes, key.len());
        let old_len = self.bytes.len();
        self.bytes.resize(old_len + key.len(), 0);
        self.bytes.copy_within(start..old_len, start + key.len());
        self.bytes[start..start + key.len()].copy_from_slice(key);
        grow(&mut self.slots, 1);
        self.slots.insert(place, Slot { head: head(key, shared), end: offset(start) });
        for slot in &mut self.slots[place..] {
            slot.end += offset(key.len());
        }
        self.share(shared);
    }

    pub(super) fn remove(&mut self, place: usize) {
        let (start, end) = (self.start(place), self.slots[place].end);
        self.bytes.drain(start..end as usize);
        self.slots.remove(place);
        for later in &mut self.slots[place..] {
            later.end -= end - offset(start);
        }
    }

    /// Keeps the keys before `place` and gives the others away.
    pub(super) fn split_off(&mut self, place: usize) -> PackedKeys {
        let start = self.start(place);
        let bytes = self.bytes.split_off(start);
        let mut slots = self.slots.split_off(place);
        for slot in &mut slots {
            slot.end -= offset(start);
        }
        self.bytes.shrink_to_fit();
        self.slots.shrink_to_fit();
        let mut right = PackedKeys { bytes, slots, shared: self.shared };
        self.share_most();
        right.share_most();
        right
    }

    /// Adds keys that are all greater.
    pub(super) fn append(&mut self, greater: &PackedKeys) {
        let shift = offset(self.bytes.len());
        grow(&mut self.bytes, greater.bytes.len());
        self.bytes.extend_from_slice(&greater.bytes);
        grow(&mut self.slots, greater.len());
        let slots = greater.slots.iter().map(|slot| Slot { end: slot.end + shift, ..*slot });
        self.slots.extend(slots);
        // What came from there has heads after what the keys there shared.
        self.cut_heads(self.most_shared());
    }

    /// Bytes of memory, without what the allocator adds.
    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.capacity() + self.slots.capacity() * size_of::<Slot>()
    }

    fn start(&self, place: usize) -> usize {
        if place == 0 { 0 } else { self.slots[place - 1].end as usize }
    }

    /// The bytes with which every key begins.
    fn shared(&self) -> &[u8] {
        &self.bytes[..self.shared as usize]
    }

    /// How many bytes all keys share once `key` is one of them.
    fn shared_with(&self, key: &[u8]) -> usize {
        if self.slots.is_empty() { key.len() } else { common(self.shared(), key) }
    }

    /// How many bytes all keys share: the first and the last one tell.
    fn most_shared(&self) -> usize {
        self.len().checked_sub(1).map_or(0, |last| common(self.get(0), self.get(last)))
    }

    /// Finds out anew how many bytes all keys share.
    fn share_most(&mut self) {
        self.share(self.most_shared());
    }

    fn share(&mut self, shared: usize) {
        if self.shared as usize != shared {
            self.cut_heads(shared);
        }
    }

    /// Takes the heads of all keys anew, behind so many shared bytes.
    fn cut_heads(&mut self, shared: usize) {
        self.shared = offset(shared);
        let mut start = 0;
        for slot in &mut self.slots {
            slot.head = head(&self.bytes[start..slot.end as usize], shared);
            start = slot.end as usize;
        }
    }
}

/// How many bytes the two begin with alike.
fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

/// The four bytes of a key after its first `shared` ones, to be compared as a number.
fn head(key: &[u8], shared: usize) -> u32 {
    let rest = &key[shared..];
    match rest.first_chunk() {
        Some(head) => u32::from_be_bytes(*head),
        None => {
            let mut head = [0; 4];
            head[..rest.len()].copy_from_slice(rest);
            u32::from_be_bytes(head)
        }
    }
}

fn offset(len: usize) -> u32 {
    u32::try_from(len).expect("the keys of one node take less than 4 GiB")
}

/// Makes room for `extra` more elements, and for as many as fit where the allocator puts them:
/// doubling, as `Vec` does by itself, would leave a quarter of the index empty.
pub(super) fn grow<T>(vec: &mut Vec<T>, extra: usize) {
    let wanted = vec.len() + extra;
    if vec.capacity() < wanted {
        let whole = size_class(wanted * size_of::<T>()) / size_of::<T>();
        vec.reserve_exact(whole - vec.len());
    }
}

/// The least size, of those that allocators hand out, with room for so many bytes: there are four
/// between two powers of two (jemalloc's documentation, "Size classes").
fn size_class(bytes: usize) -> usize {
    const LEAST_STEP: usize = 16;
    let step = (bytes.next_power_of_two() / 8).max(LEAST_STEP);
    bytes.next_multiple_of(step)
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

    /// Searches every key and some beside it in both ways.
    fn check_search(sorted: &[Vec<u8>]) {
        let mut packed = PackedKeys::default();
        // From the middle outwards, so that what all share shrinks on both sides.
        let mut order: Vec<_> = (0..sorted.len()).collect();
        order.sort_by_key(|place| place.abs_diff(sorted.len() / 2));
        for place in order {
            let key = &sorted[place];
            packed.insert(packed.search(key).expect_err("it is new"), key);
        }
        let beside = |key: &Vec<u8>| [[key, &b"\0"[..]].concat(), key[..key.len() / 2].to_vec()];
        for key in sorted.iter().chain(&sorted.iter().flat_map(beside).collect::<Vec<_>>()) {
            assert_eq!(packed.search(key), sorted.binary_search(key), "{key:?}");
        }
    }

    #[test]
    fn search_finds_keys_whatever_they_share() {
        let numbers = (0..70u64).map(|number| (number * 1000).to_be_bytes().to_vec()).collect();
        let far = |number| format!("/registry/pods/default/a-long-name-{number:03}").into_bytes();
        let zeros = (0..9).map(|len| vec![0; len]).collect();
        let lists: [Vec<Vec<u8>>; 4] = [
            numbers,
            (0..70).map(far).collect(),
            zeros,
            vec![b"".to_vec(), b"abcdefgh".to_vec(), b"abcdefgi".to_vec(), b"abcdx".to_vec()],
        ];
        for sorted in &lists {
            check_search(sorted);
        }
        let mut packed = PackedKeys::default();
        for key in &lists[1] {
            packed.insert(packed.len(), key);
        }
        let right = packed.split_off(30);
        for (place, key) in lists[1].iter().enumerate() {
            let (half, at) = if place < 30 { (&packed, place) } else { (&right, place - 30) };
            assert_eq!(half.search(key), Ok(at));
        }
    }

    #[test]
    fn room_is_made_for_what_the_allocator_has_anyway() {
        for (bytes, class) in
            [(1, 16), (40, 48), (128, 128), (129, 160), (1281, 1536), (2560, 2560)]
        {
            assert_eq!(size_class(bytes), class);
        }
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
    fn what_was_appended_is_found_whatever_either_side_shared() {
        let sides: [&[&str]; 6] =
            [&[], &["a"], &["a1", "b1"], &["caa", "cab"], &["cb1", "cb2"], &["d", "e", "f"]];
        for (at, left) in sides.iter().enumerate() {
            for right in &sides[at + 1..] {
                let mut all = keys(left);
                all.append(&keys(right));
                for (place, key) in left.iter().chain(*right).enumerate() {
                    assert_eq!(all.search(key.as_bytes()), Ok(place), "{left:?} and {right:?}");
                }
            }
        }
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
