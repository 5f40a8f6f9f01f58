//! In whose name requests are.

use crate::parity::caller::{Caller, TOKENS};
use proptest::prelude::*;

/// Tokens that no server made. None has an index that members would wait for.
const FORGED: [&str; 4] = ["", "abcdefghijklmnop.1", "a.b.c", "no token"];

/// Mostly root's, which stands first, or a user's.
pub(super) fn caller() -> impl Strategy<Value = Caller> {
    prop_oneof![
        45 => Just(Caller::Token(0)),
        45 => (1..TOKENS).prop_map(Caller::Token),
        6 => Just(Caller::Nobody),
        2 => prop::sample::select(FORGED.to_vec()).prop_map(Caller::Forged),
    ]
}
