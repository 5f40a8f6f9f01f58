//! A walk over the keys of a range at one revision, in steps that each hold the index briefly.

use std::ops::ControlFlow;

use crate::index::KeyState;
use crate::store::Store;
use crate::{Error, KeyRange};

/// Most keys looked at while the index is held once: tens of microseconds.
pub(crate) const STEP_KEYS: usize = 256;

/// Where a walk stands. Between steps the store may change freely: the walk still sees the one
/// revision, or fails when that is compacted.
#[derive(Debug)]
pub(crate) struct Cursor {
    range: KeyRange,
    revision: i64,
    /// Where the next step begins; `None` at the end.
    next: Option<Vec<u8>>,
}

impl Cursor {
    pub(crate) fn new(range: KeyRange, revision: i64) -> Cursor {
        let next = Some(range.start().to_vec());
        Cursor { range, revision, next }
    }

    pub(crate) fn revision(&self) -> i64 {
        self.revision
    }

    pub(crate) fn is_done(&self) -> bool {
        self.next.is_none()
    }

    /// Shows the next live keys to `found`, at most `most` of them; it may be none before the end.
    pub(crate) fn step(
        &mut self,
        store: &Store,
        most: usize,
        mut found: impl FnMut(&[u8], KeyState),
    ) -> Result<(), Error> {
        let Some(from) = self.next.take() else { return Ok(()) };
        let index = store.index.read();
        // Whoever removed something raised the compact revision before.
        store.check_readable(self.revision)?;
        let (mut seen, mut taken) = (0, 0);
        index.walk(&self.range, &from, |key, life| {
            if seen == STEP_KEYS || taken == most {
                self.next = Some(key.to_vec());
                return ControlFlow::Break(());
            }
            seen += 1;
            if let Some(state) = life.at(self.revision) {
                taken += 1;
                found(key, state);
            }
            ControlFlow::Continue(())
        });
        Ok(())
    }
}
