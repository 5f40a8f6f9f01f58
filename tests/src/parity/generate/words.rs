//! Keys, values, revisions and numbers that all requests are made of.

use crate::parity::moment::{COMPACTED, NEWEST};
use crate::parity::names::candidate;
use bytes::Bytes;
use proptest::prelude::*;

/// Neighbours in order, and both ends.
const KEYS: [&str; 7] = ["a", "ab", "b", "b\0", "c", "\0", "\u{7f}"];

/// Names of locks and elections, between other keys.
const LOCKS: [&str; 2] = ["a", "l"];

/// Leases with these numbers, from 1, come and go.
pub(super) const LEASES: i64 = 4;

/// How many keys there are of those that make ranges long.
const MANY: u8 = 40;

/// Sizes of values, around what the size of a request and of a stream's messages turns at: the
/// servers take requests up to [`MAX_REQUEST_BYTES`](super::super::MAX_REQUEST_BYTES).
const LONG: [usize; 6] = [4_000, 20_000, 33_000, 60_000, 65_300, 70_000];

pub(super) fn key() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        60 => prop::sample::select(KEYS.to_vec()).prop_map(Bytes::from),
        6 => (0..MANY).prop_map(numbered),
        2 => lock_key(),
        1 => Just(Bytes::new()),
    ]
}

/// One of many keys between "c" and "\x7f".
pub(super) fn numbered(number: u8) -> Bytes {
    format!("k{number:02}").into()
}

pub(super) fn many() -> std::ops::Range<u8> {
    0..MANY
}

pub(super) fn range_end() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        8 => Just(Bytes::new()),
        2 => Just(Bytes::from_static(b"\0")),
        1 => Just(Bytes::from_static(b"l")),
        1 => Just(Bytes::from_static(b"\0\0")),
        6 => key(),
    ]
}

pub(super) fn value() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        90 => short(),
        1 => prop::sample::select(LONG.to_vec()).prop_map(|size| vec![b'v'; size].into()),
    ]
}

pub(super) fn short() -> impl Strategy<Value = Bytes> {
    prop::sample::select(vec!["", "1", "2", "10"]).prop_map(Bytes::from)
}

/// Mostly the newest, else one of the last few or around the last compaction, or one that cannot be.
pub(super) fn revision() -> impl Strategy<Value = i64> {
    prop_oneof![
        12 => Just(0),
        5 => (NEWEST - 6)..=NEWEST,
        2 => COMPACTED..(COMPACTED + 3),
        1 => prop::sample::select(vec![
            -2, -1, 1, NEWEST + 1, NEWEST + 2, COMPACTED - 1, i64::MAX, i64::MIN
        ]),
    ]
}

/// Leases that a client named, mostly.
pub(super) fn lease() -> impl Strategy<Value = i64> {
    prop_oneof![
        40 => 1..=LEASES,
        3 => prop::sample::select(vec![-1, 255, i64::MAX, i64::MIN, LEASES + 1]),
    ]
}

/// Names of locks and elections, which are the same: below each are keys.
pub(super) fn lock_name() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        8 => prop::sample::select(LOCKS.to_vec()).prop_map(Bytes::from),
        1 => Just(Bytes::new()),
    ]
}

/// The key of a lease at a lock or an election.
pub(super) fn lock_key() -> impl Strategy<Value = Bytes> {
    (lock_name(), 1..=LEASES).prop_map(|(name, lease)| candidate(&name, lease))
}

pub(super) fn rarely() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.15)
}

/// An enumeration's number with `known` values, seldom one beyond.
pub(super) fn choice(known: i32) -> impl Strategy<Value = i32> {
    prop_oneof![60 => 0..known, 1 => Just(known), 1 => Just(-1)]
}
