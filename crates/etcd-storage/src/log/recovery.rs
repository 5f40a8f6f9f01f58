//! What the log's files say after a start: all that was ever reported written, or an error.

use std::collections::VecDeque;
use std::fs;

use super::contents::{Contents, Segment};
use super::directory::Directory;
use super::frame::{ALIGNMENT, Frame};
use crate::Error;

/// Bytes that are looked at together; a multiple of [`ALIGNMENT`].
const PAGE: usize = 4096;

/// The log as it was found.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) contents: Contents,
    pub(super) end: End,
}

/// Where the log goes on.
#[derive(Debug)]
pub(super) struct End {
    /// The last segment; nothing if there is none, or none that may be written.
    pub(super) segment: Option<Segment>,
    pub(super) offset: u64,
    /// The number of the last frame; zero if there is none.
    pub(super) frame: u64,
    /// The number of the last segment; zero if there is none.
    pub(super) number: u64,
}

/// How far one segment's frames go.
struct Reach {
    offset: usize,
    frame: u64,
    ends: bool,
    /// Where the frames begin of which none after them says that they were synced.
    unproven: usize,
}

/// Reads all segments.
///
/// A frame that is not whole, with nothing behind it that proves that it once was, is what a crash
/// left of a write that nobody was told of: it is dropped.
///
/// # Errors
/// `Damaged` when something is missing that had been written; nothing was changed then.
pub(super) fn recover(directory: &Directory) -> Result<Recovered, Error> {
    let numbers = directory.segments()?;
    // A crash of the machine may bring back some of those that were removed.
    let gap = numbers.windows(2).rposition(|pair| pair[0] + 1 != pair[1]);
    let (strays, numbers) = numbers.split_at(gap.map_or(0, |gap| gap + 1));
    let mut contents = Contents::default();
    let mut end = End { segment: None, offset: 0, frame: 0, number: 0 };
    let mut unbegun = None;
    let mut is_cut = false;
    let mut unproven = (0, Vec::new());
    for (place, number) in numbers.iter().enumerate() {
        let (path, is_last) = (directory.segment_path(*number), place + 1 == numbers.len());
        let damaged = |reason: String| Error::damaged(&path, reason);
        let bytes = fs::read(&path).map_err(|error| Error::from_io(&path, &error))?;
        let first = (place > 0).then_some(end.frame + 1);
        let reach = read_segment(&mut contents, *number, &bytes, first, end.frame)
            .map_err(|offset| damaged(format!("unknown operation at byte {offset}")))?;
        let left = bytes.get(reach.offset..).unwrap_or_default();
        // What follows, in this segment or in others, was written only when this had been synced.
        let next = (place > 0 || reach.offset > 0).then_some(reach.frame + 1);
        if !reach.ends && (!is_last || is_proven(left, *number, next)) {
            let reason = format!("what was written at byte {} is unreadable", reach.offset);
            return Err(damaged(reason));
        }
        if reach.offset == 0 {
            unbegun = Some(*number);
            break;
        }
        is_cut = !reach.ends && used(left).next().is_some();
        let segment = directory.open_segment(*number)?;
        contents.push_segment(segment.clone());
        let (offset, frame) = (reach.offset as u64, reach.frame);
        let segment = (!reach.ends).then_some(segment);
        let place = reach.unproven..reach.offset.min(bytes.len());
        unproven = (reach.unproven as u64, bytes[place].to_vec());
        end = End { segment, offset, frame, number: *number };
    }
    let checked = numbers.first().map_or(Ok(()), |first| contents.check_first(*first));
    checked.map_err(|missing| {
        Error::damaged(&directory.segment_path(missing), "the file is missing")
    })?;
    for number in strays.iter().chain(&unbegun) {
        directory.remove(*number)?;
    }
    if let Some(segment) = end.segment.as_ref().filter(|_| is_cut) {
        directory.cut(segment, end.offset)?;
    }
    if let Some(last) = contents.last_segment() {
        // Another segment is begun only when this one was synced.
        directory.keep(last, &unproven.1, unproven.0)?;
    }
    Ok(Recovered { contents, end })
}

/// Takes in the whole frames at the beginning of a segment, the first of which has a given number if
/// that is known. `Err` is the place of one that this version cannot read.
fn read_segment(
    contents: &mut Contents,
    segment: u64,
    bytes: &[u8],
    first: Option<u64>,
    before: u64,
) -> Result<Reach, usize> {
    let mut reach = Reach { offset: 0, frame: before, ends: false, unproven: 0 };
    let mut places = VecDeque::new();
    let mut wanted = first;
    while !reach.ends
        && let Some(frame) = Frame::read(bytes.get(reach.offset..).unwrap_or_default(), segment)
        && wanted.is_none_or(|wanted| frame.stamp.number == wanted)
    {
        let changes = frame.changes().ok_or(reach.offset)?;
        reach.ends = contents.apply(segment, reach.offset as u64, changes);
        reach.frame = frame.stamp.number;
        wanted = Some(reach.frame + 1);
        places.push_back((reach.frame, reach.offset));
        while places.pop_front_if(|(number, _)| *number <= frame.stamp.synced).is_some() {}
        reach.offset += frame.whole_len();
    }
    reach.unproven = places.front().map_or(reach.offset, |(_, offset)| *offset);
    Ok(reach)
}

/// Whether anything in `left` was written after the frame that it begins with had been synced.
fn is_proven(left: &[u8], segment: u64, frame: Option<u64>) -> bool {
    let places = used(left).flat_map(|page| (page..left.len().min(page + PAGE)).step_by(ALIGNMENT));
    places.map(|at| &left[at..]).any(|bytes| {
        Frame::may_begin(bytes, segment)
            && Frame::read(bytes, segment)
                .is_some_and(|later| later.stamp.proves(frame, left.len()))
    })
}

/// Where pages begin that are not as they were set aside: all zeros.
fn used(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let pages = bytes.chunks(PAGE).zip((0..).step_by(PAGE));
    pages.filter(|(page, _)| **page != [0; PAGE][..page.len()]).map(|(_, at)| at)
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::os::unix::fs::FileExt;
    use std::path::Path;
    use std::sync::mpsc;

    use bytes::Bytes;

    use super::super::frame::{FrameWriter, Stamp};
    use super::super::{Log, LogOperation, LogOptions};
    use super::ALIGNMENT;

    fn append(log: &Log, first_index: u64, record: Vec<u8>) {
        let (done, written) = mpsc::channel();
        let records = vec![Bytes::from(record)];
        let append = LogOperation::Append { first_index, records };
        log.submit(vec![append], Some(Box::new(move |result| done.send(result).expect("awaited"))));
        written.recv().expect("an answer").expect("written");
    }

    fn open(directory: &Path) -> Log {
        Log::open(directory, &LogOptions::default()).expect("a log")
    }

    /// What a client may put that wants it to be taken for frames.
    fn imitation() -> Vec<u8> {
        let frames = (1..=64).flat_map(|number| {
            let mut frame = FrameWriter::default();
            frame.clear();
            frame.add_end();
            frame.seal(Stamp { segment: 1, number, synced: number - 1 }).to_vec()
        });
        frames.collect()
    }

    #[test]
    fn what_a_client_put_proves_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let log = open(directory.path());
        append(&log, 1, b"kept".to_vec());
        drop(log);
        let segment = directory.path().join("0000000000000001.segment");
        let before = std::fs::read(&segment).expect("a file");
        let log = open(directory.path());
        // One of them is where a frame may begin.
        let record: Vec<_> = (0..ALIGNMENT)
            .flat_map(|shift| [vec![0; shift], imitation(), vec![0; ALIGNMENT - shift]].concat())
            .collect();
        append(&log, 2, record);
        drop(log);
        // A crash left all of the last frame but its beginning.
        let after = std::fs::read(&segment).expect("a file");
        let at = before.iter().zip(&after).position(|(before, after)| before != after);
        let file = OpenOptions::new().write(true).open(&segment).expect("a file");
        file.write_all_at(&[0; 8], at.expect("a change") as u64).expect("written");
        drop(file);
        assert_eq!(open(directory.path()).indexes(), 1..2);
    }
}
