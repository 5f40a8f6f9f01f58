//! The keys of one lease, small for the usual lease with one key or none.

use std::collections::BTreeSet;
use std::ops::Bound;

use bytes::Bytes;

/// Keys in order. A lease with a million of them must work; a million leases with one each must not
/// take much more than the keys themselves.
#[derive(Debug, Default)]
pub(crate) enum Keys {
    #[default]
    None,
    One(Box<[u8]>),
    Many(BTreeSet<Box<[u8]>>),
}

impl Keys {
    pub(crate) fn insert(&mut self, key: &[u8]) {
        match self {
            Keys::None => *self = Keys::One(key.into()),
            Keys::One(one) if **one == *key => {}
            Keys::One(one) => {
                let both = [std::mem::take(one), key.into()];
                *self = Keys::Many(both.into());
            }
            Keys::Many(many) => {
                many.insert(key.into());
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &[u8]) {
        match self {
            Keys::One(one) if **one == *key => *self = Keys::None,
            Keys::None | Keys::One(_) => {}
            Keys::Many(many) => {
                many.remove(key);
                if many.is_empty() {
                    *self = Keys::None;
                }
            }
        }
    }

    /// Up to `most` keys, from the first one after `after` on; from the very first one without.
    pub(crate) fn page(&self, after: Option<&[u8]>, most: usize) -> Vec<Bytes> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        match self {
            Keys::None => Vec::new(),
            Keys::One(one) if after.is_none_or(|after| **one > *after) => {
                vec![Bytes::copy_from_slice(one)]
            }
            Keys::One(_) => Vec::new(),
            Keys::Many(many) => many
                .range::<[u8], _>((from, Bound::Unbounded))
                .take(most)
                .map(|key| Bytes::copy_from_slice(key))
                .collect(),
        }
    }

    /// All keys, in order.
    pub(crate) fn into_vec(self) -> Vec<Bytes> {
        match self {
            Keys::None => Vec::new(),
            Keys::One(one) => vec![one.into()],
            Keys::Many(many) => many.into_iter().map(Bytes::from).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_are_a_sorted_set(changes in prop::collection::vec((any::<bool>(), 0u8..6), 0..40)) {
            let mut keys = Keys::default();
            let mut model = BTreeSet::new();
            for (is_insert, key) in changes {
                let key = vec![b'k', key];
                if is_insert {
                    keys.insert(&key);
                    model.insert(key);
                } else {
                    keys.remove(&key);
                    model.remove(&key);
                }
                let mut paged = Vec::new();
                loop {
                    let page = keys.page(paged.last().map(|key: &Bytes| &key[..]), 2);
                    if page.is_empty() {
                        break;
                    }
                    prop_assert!(page.len() <= 2);
                    paged.extend(page);
                }
                prop_assert_eq!(&paged, &model.iter().cloned().collect::<Vec<_>>());
            }
            prop_assert_eq!(keys.into_vec(), model.into_iter().collect::<Vec<_>>());
        }
    }
}
