//! Going through rows in order.

use std::ops::Range;

use super::contents::Contents;
use super::reader::BlockReader;
use crate::{Error, Leap};

/// Shows the rows of `range` to `visit` as long as it goes on. An empty end is none.
pub(super) fn walk(
    contents: &Contents,
    range: Range<&[u8]>,
    mut visit: impl FnMut(&[u8], &[u8]) -> Leap,
) -> Result<(), Error> {
    let Range { start, end } = range;
    let mut reader = BlockReader::default();
    let mut place = contents.place_of(start);
    // Where it was told to go on, until it is there.
    let mut target = Some(start.to_vec());
    while let Some(rows) = contents.rows(place, &mut reader)? {
        for row in rows.live() {
            if target.as_ref().is_some_and(|target| row.key < &target[..]) {
                continue;
            }
            target = None;
            if !end.is_empty() && row.key >= end {
                return Ok(());
            }
            match visit(row.key, row.value) {
                Leap::Next => {}
                Leap::To(key) => target = Some(key),
                Leap::End => return Ok(()),
            }
        }
        let next = contents.after(place);
        place = target.as_ref().map_or(next, |target| next.max(contents.place_of(target)));
    }
    Ok(())
}
