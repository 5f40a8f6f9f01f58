//! One watcher, and what it is interested in.

use std::sync::Arc;

use bytes::Bytes;
use etcd_mvcc::{KeyRange, Kind};

use crate::changes::Change;
use crate::inbox::Inbox;

/// What a watcher is asked to tell.
#[derive(Debug, Clone)]
pub struct Interest {
    /// Of which keys.
    pub range: KeyRange,
    /// The first revision; zero is the next one. Others may be past or future.
    pub start_revision: i64,
    /// What to leave out.
    pub filter: Filter,
}

/// Kinds of changes that a watcher leaves out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filter {
    /// It tells no puts.
    pub no_puts: bool,
    /// It tells no deletes.
    pub no_deletes: bool,
}

/// A watcher as the hub knows it.
#[derive(Debug)]
pub(crate) struct Watcher {
    pub(crate) id: i64,
    pub(crate) range: KeyRange,
    pub(crate) filter: Filter,
    /// As it was asked for: zero if from then on.
    pub(crate) start_revision: i64,
    pub(crate) inbox: Arc<Inbox>,
}

/// A watcher that is not in the hub, and the first revision that it has not been told of.
#[derive(Debug, Clone)]
pub(crate) struct Behind {
    pub(crate) watcher: Arc<Watcher>,
    pub(crate) next: i64,
}

impl Watcher {
    pub(crate) fn new(id: i64, interest: Interest, inbox: &Arc<Inbox>) -> Arc<Watcher> {
        let Interest { range, start_revision, filter } = interest;
        let range = own(&range);
        Arc::new(Watcher { id, range, filter, start_revision, inbox: Arc::clone(inbox) })
    }

    /// Whether it tells a change of one of its keys.
    pub(crate) fn admits(&self, change: &Change) -> bool {
        match change.kind {
            Kind::Put => !self.filter.no_puts,
            Kind::Tombstone => !self.filter.no_deletes,
        }
    }
}

/// The range with memory of its own: a watcher may live long, and must not keep the buffer of the
/// request that made it.
fn own(range: &KeyRange) -> KeyRange {
    let own = |key: &Bytes| Bytes::copy_from_slice(key);
    match range {
        KeyRange::One(key) => KeyRange::One(own(key)),
        KeyRange::From(start) => KeyRange::From(own(start)),
        KeyRange::Span(start, end) => KeyRange::Span(own(start), own(end)),
    }
}
