//! The newest revisions, kept so that whoever is hardly behind need not ask the storage.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::changes::Changes;

/// Most revisions kept, and most bytes of them.
const REVISIONS: usize = 4096;
const BYTES: usize = 4 << 20;

/// Revisions that were published together, ascending and without a gap.
pub(crate) type Stretch = Arc<[Arc<Changes>]>;

/// The newest revisions without a gap, in the stretches that they came in.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    stretches: VecDeque<Stretch>,
    revisions: usize,
    bytes: usize,
}

/// The end of a tail from some revision on.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// The first stretch may begin before that revision.
    pub(crate) stretches: Vec<Stretch>,
    pub(crate) revisions: usize,
    pub(crate) bytes: usize,
}

impl Tail {
    /// Adds the newest revisions.
    pub(crate) fn push(&mut self, stretch: Stretch) {
        self.revisions += stretch.len();
        self.bytes += weight(&stretch);
        self.stretches.push_back(stretch);
        while self.revisions > REVISIONS || self.bytes > BYTES {
            let Some(oldest) = self.stretches.pop_front() else { break };
            self.revisions -= oldest.len();
            self.bytes -= weight(&oldest);
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Tail::default();
    }

    /// Everything from `from` on, which is above the newest revision or kept here; `None` if it is
    /// neither.
    pub(crate) fn rest(&self, from: i64, newest: i64) -> Option<Rest> {
        let mut rest = Rest::default();
        if from > newest {
            return Some(rest);
        }
        for stretch in self.stretches.iter().rev() {
            rest.revisions += stretch.len();
            rest.bytes += weight(stretch);
            rest.stretches.push(Arc::clone(stretch));
            if stretch.first().is_some_and(|first| first.revision <= from) {
                rest.stretches.reverse();
                return Some(rest);
            }
        }
        None
    }

    /// The first revision kept.
    pub(crate) fn first(&self) -> Option<i64> {
        Some(self.stretches.front()?.first()?.revision)
    }
}

fn weight(stretch: &Stretch) -> usize {
    stretch.iter().map(|changes| changes.weight).sum()
}
