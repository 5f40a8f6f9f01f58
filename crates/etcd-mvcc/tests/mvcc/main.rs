//! The store as its users see it.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod support;
mod txn;
mod range;
mod compaction;
mod hash;
mod history;
mod model;
mod concurrency;
