//! Going through rows in order, whichever moment they are of.

use std::ops::ControlFlow;

use rocksdb::{DBAccess, DBRawIteratorWithThreadMode};

/// Shows every row from `start` on to `visit`, without the prefix of its table, until it breaks. The
/// iterator's own bound ends it.
pub(crate) fn walk<D: DBAccess>(
    mut rows: DBRawIteratorWithThreadMode<'_, D>,
    start: &[u8],
    mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
) -> Result<(), rocksdb::Error> {
    rows.seek(start);
    while let Some((row, value)) = rows.item() {
        if visit(&row[1..], value).is_break() {
            return Ok(());
        }
        rows.next();
    }
    rows.status()
}
