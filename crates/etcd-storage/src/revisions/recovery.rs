//! What is there after a start.

use std::path::Path;
use std::sync::Arc;

use rocksdb::{ColumnFamily, DB};

use super::contents::Contents;
use super::file::{self, RowFile};
use super::part::Part;
use super::record::Records;
use crate::Error;

/// The rows that the last flush left, the number of the next file, and how many changes there were.
///
/// Changes nothing.
///
/// # Errors
/// `Damaged` when anything is missing.
pub(super) fn recover(
    directory: &Path,
    db: &DB,
    family: &ColumnFamily,
) -> Result<(Contents, u64, u64), Error> {
    let records = Records::read(db, family).map_err(|error| match error {
        Some(error) => Error::from_rocksdb(directory, &error),
        None => Error::damaged(directory, "what it says of its files of revisions is unreadable"),
    })?;
    if records.changes != records.flushed_changes {
        let Records { changes, flushed_changes, .. } = records;
        let reason = format!(
            "its tables are those after {changes} changes of revisions, and its files of revisions \
             those after {flushed_changes}"
        );
        return Err(Error::damaged(directory, reason));
    }
    let mut parts = Vec::with_capacity(records.files.len());
    for record in records.files {
        let file = RowFile::open(directory, record.number)?;
        parts.push(file.part(record)?);
    }
    // One that was written anew has a greater number than its neighbours.
    parts.sort_by_key(|part| part.blocks.first().map(|block| block.first));
    if let Some(pair) = parts.windows(2).find(|pair| !is_before(&pair[0], &pair[1])) {
        return Err(Error::damaged(&pair[1].file.path, "it holds what another file holds"));
    }
    let next = parts.iter().map(|part| part.file.number).max().map_or(1, |greatest| greatest + 1);
    let contents = Contents { closed: Arc::new(parts), ..Contents::default() };
    Ok((contents, next, records.changes))
}

fn is_before(one: &Part, other: &Part) -> bool {
    one.blocks.last().map(|block| block.first) < other.blocks.first().map(|block| block.first)
}

/// Removes all that came after the last flush: what is at the ends of files, and files that the flush
/// does not speak of, which were begun after it or replaced by it.
pub(super) fn remove_others(directory: &Path, contents: &Contents) -> Result<(), Error> {
    contents.parts().try_for_each(|part| part.file.cut(part.bytes))?;
    let known: Vec<_> = contents.parts().map(|part| part.file.number).collect();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let number = entry.file_name().to_str().and_then(file::parse_name);
        if number.is_some_and(|number| !known.contains(&number))
            && let Err(error) = std::fs::remove_file(entry.path())
        {
            tracing::warn!(path = %entry.path().display(), %error, "could not remove old revisions");
        }
    }
    Ok(())
}
