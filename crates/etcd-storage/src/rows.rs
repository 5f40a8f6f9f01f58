//! Going through rows in order, whichever moment they are of.

use std::ops::ControlFlow;

use rocksdb::{DBAccess, DBRawIteratorWithThreadMode};

use crate::Table;

/// Where a reader goes on after a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leap {
    /// At the next row.
    Next,
    /// At the row with this key, or the first one after it; it must lie ahead.
    To(Vec<u8>),
    /// Nowhere: it has seen enough.
    End,
}

impl From<ControlFlow<()>> for Leap {
    fn from(flow: ControlFlow<()>) -> Leap {
        if flow.is_break() { Leap::End } else { Leap::Next }
    }
}

/// Shows rows of `table` from `start` on to `visit`, without the table's prefix, as long as it goes
/// on. The iterator's own bound ends it.
pub(crate) fn walk<D: DBAccess>(
    mut rows: DBRawIteratorWithThreadMode<'_, D>,
    table: Table,
    start: &[u8],
    mut visit: impl FnMut(&[u8], &[u8]) -> Leap,
) -> Result<(), rocksdb::Error> {
    rows.seek(table.row(start));
    while let Some((row, value)) = rows.item() {
        match visit(&row[1..], value) {
            Leap::Next => rows.next(),
            Leap::To(key) => rows.seek(table.row(&key)),
            Leap::End => return Ok(()),
        }
    }
    rows.status()
}
