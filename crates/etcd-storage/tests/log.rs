//! The log: order, durability, and damage that must not pass unnoticed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use etcd_storage::{Error, Log, LogOperation, LogOptions};

fn open(path: &Path) -> Result<Log, Error> {
    Log::open(path, &LogOptions::default())
}

/// Submits and waits until the operations are on disk.
fn write(log: &Log, operations: Vec<LogOperation>) -> Result<(), Error> {
    let (done, written) = mpsc::channel();
    log.submit(operations, Some(Box::new(move |result| done.send(result).expect("awaited"))));
    written.recv().expect("answered")
}

fn records(count: usize) -> Vec<Bytes> {
    (0..count).map(|number| Bytes::from(format!("record {number}"))).collect()
}

fn append(first_index: u64, count: usize) -> LogOperation {
    LogOperation::Append { first_index, records: records(count) }
}

#[test]
fn entries_and_marks_are_there_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    {
        let log = open(directory.path()).expect("a log");
        assert!(log.indexes().is_empty());
        let mark = LogOperation::Mark { name: "vote", value: Bytes::from_static(b"me") };
        write(&log, vec![append(0, 5), mark]).expect("written");
    }
    let log = open(directory.path()).expect("a log");
    assert_eq!(log.indexes(), 0..5);
    assert_eq!(log.read(0..5).expect("readable"), records(5));
    assert_eq!(log.mark("vote").as_deref(), Some(&b"me"[..]));
    assert_eq!(log.mark("other"), None);
}

#[test]
fn what_was_perhaps_not_synced_is_written_again_at_a_start() {
    let directory = tempfile::tempdir().expect("a directory");
    write(&open(directory.path()).expect("a log"), vec![append(0, 5)]).expect("written");
    let [segment] = &files(directory.path(), "segment")[..] else { panic!("one segment") };
    let segment = File::options().write(true).open(segment).expect("a file");
    segment.set_modified(UNIX_EPOCH).expect("a time");
    let log = open(directory.path()).expect("a log");
    assert_ne!(segment.metadata().and_then(|file| file.modified()).expect("a time"), UNIX_EPOCH);
    assert_eq!(log.read(0..5).expect("readable"), records(5));
}

#[test]
fn truncation_and_purge_leave_what_is_between() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = open(directory.path()).expect("a log");
    let operations =
        vec![append(0, 10), LogOperation::TruncateFrom(7), LogOperation::PurgeThrough(2)];
    write(&log, operations).expect("written");
    assert_eq!(log.indexes(), 3..7);
    assert_eq!(log.read(3..7).expect("readable"), records(10)[3..7]);
    let missing = log.read(2..4);
    assert!(matches!(missing, Err(Error::Damaged { .. })), "{missing:?}");
    write(&log, vec![append(7, 1)]).expect("written");
    assert_eq!(log.read(7..8).expect("readable"), records(1));
}

/// The files of a log that end in `.extension`, by name.
fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(directory).expect("a directory").flatten();
    let files = files.map(|file| file.path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|it| it == extension)).collect();
    files.sort();
    files
}

/// Entries of a megabyte each.
fn large(first_index: u64, count: usize) -> LogOperation {
    let record = |at| Bytes::from(vec![u8::try_from(at % 251).expect("a byte"); 1 << 20]);
    LogOperation::Append { first_index, records: (first_index..).take(count).map(record).collect() }
}

#[test]
fn files_are_used_again_once_what_they_held_is_purged() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = open(directory.path()).expect("a log");
    let vote = LogOperation::Mark { name: "vote", value: Bytes::from_static(b"me") };
    write(&log, vec![vote]).expect("written");
    for first_index in (0..200).step_by(5) {
        write(&log, vec![large(first_index, 5)]).expect("written");
        if let Some(upto) = first_index.checked_sub(1) {
            write(&log, vec![LogOperation::PurgeThrough(upto)]).expect("purged");
        }
        assert!(log.segments() <= 3, "{} files", log.segments());
    }
    drop(log);
    let held = files(directory.path(), "segment").len() + files(directory.path(), "spare").len();
    assert!(held <= 5, "{held} files");
    let log = open(directory.path()).expect("a log");
    assert_eq!(log.indexes(), 195..200);
    let expected = large(195, 5);
    let LogOperation::Append { records, .. } = expected else { unreachable!("it appends") };
    assert_eq!(log.read(195..200).expect("readable"), records);
    assert_eq!(log.mark("vote").as_deref(), Some(&b"me"[..]), "its first file is long gone");
}

#[test]
fn an_entry_larger_than_a_file_is_kept() {
    let directory = tempfile::tempdir().expect("a directory");
    let record = Bytes::from(vec![7; 20 << 20]);
    {
        let log = open(directory.path()).expect("a log");
        write(&log, vec![append(0, 3)]).expect("written");
        let whole = LogOperation::Append { first_index: 3, records: vec![record.clone()] };
        write(&log, vec![whole]).expect("written");
        write(&log, vec![append(4, 1)]).expect("written");
    }
    let log = open(directory.path()).expect("a log");
    assert_eq!(log.indexes(), 0..5);
    assert_eq!(log.read(3..4).expect("readable"), [record]);
}

#[test]
fn a_reader_is_not_disturbed_by_a_file_that_is_used_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = std::sync::Arc::new(open(directory.path()).expect("a log"));
    write(&log, vec![large(0, 4)]).expect("written");
    let (reads, stop) =
        (log.clone(), std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let stopped = stop.clone();
    let reader = std::thread::spawn(move || {
        let mut read = 0;
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) || read == 0 {
            let indexes = reads.indexes();
            match reads.read(indexes.clone()) {
                Ok(records) => {
                    let firsts: Vec<_> =
                        records.iter().map(|record| u64::from(record[0])).collect();
                    let expected: Vec<_> = indexes.map(|index| index % 251).collect();
                    assert_eq!(firsts, expected);
                    read += 1;
                }
                // Purged between the two questions.
                Err(error) => assert!(error.to_string().contains("missing"), "{error}"),
            }
        }
    });
    for first_index in (4..120).step_by(4) {
        let operations = vec![large(first_index, 4), LogOperation::PurgeThrough(first_index - 1)];
        write(&log, operations).expect("written");
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    reader.join().expect("every record was what it should be");
}

#[test]
fn each_submission_is_answered_in_order() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = open(directory.path()).expect("a log");
    let (done, order) = mpsc::channel();
    for number in 0..100 {
        let done = done.clone();
        let answer = move |result: Result<(), Error>| {
            result.expect("written");
            done.send(number).expect("awaited");
        };
        log.submit(vec![append(number, 1)], Some(Box::new(answer)));
    }
    drop(done);
    assert_eq!(order.iter().collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
}

/// Writes each entry by itself, and leaves the files as a killed process would, without the room that
/// was set aside. Returns the only file, and where each entry's frame ends in it.
fn written_and_killed(directory: &Path) -> (PathBuf, Vec<usize>) {
    let copy = directory.join("copy");
    let log = open(&directory.join("log")).expect("a log");
    let file = || files(&directory.join("log"), "segment").pop().expect("a file");
    let ends = (0..20).map(|index| {
        write(&log, vec![append(index, 1)]).expect("written");
        let bytes = std::fs::read(file()).expect("readable");
        bytes.iter().rposition(|byte| *byte != 0).expect("written") + 1
    });
    let ends: Vec<_> = ends.collect();
    std::fs::create_dir(&copy).expect("a directory");
    let copy = copy.join(file().file_name().expect("a name"));
    let bytes = std::fs::read(file()).expect("readable");
    std::fs::write(&copy, &bytes[..*ends.last().expect("written")]).expect("copied");
    (copy, ends)
}

#[test]
fn a_write_that_a_crash_cut_off_is_dropped_and_those_before_it_are_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let (file, ends) = written_and_killed(directory.path());
    let whole = std::fs::read(&file).expect("readable");
    for cut in (0..=whole.len()).rev().step_by(7) {
        let expected = ends.iter().filter(|end| **end <= cut).count() as u64;
        // What was not written is not there, or is as it was set aside.
        let zeros = [&whole[..cut], &vec![0; 4096][..]].concat();
        for left in [&whole[..cut], &zeros] {
            std::fs::write(&file, left).expect("written");
            let log = open(file.parent().expect("a directory")).expect("a log");
            assert_eq!(log.indexes(), 0..expected, "cut at {cut}");
            // And it goes on from there.
            write(&log, vec![append(expected, 1)]).expect("written");
            drop(log);
            let log = open(file.parent().expect("a directory")).expect("a log");
            assert_eq!(log.indexes(), 0..expected + 1, "cut at {cut}");
        }
    }
}

#[test]
fn what_a_dropped_write_left_behind_is_never_taken_for_a_later_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = open(&directory.path().join("log")).expect("a log");
    write(&log, vec![append(0, 1)]).expect("written");
    // Two writes that nobody waits for, so that a crash may lose the first and not the second.
    for index in 1..3 {
        log.submit(vec![append(index, 1)], None);
        while log.indexes().end <= index {
            std::thread::yield_now();
        }
    }
    let [file] = &files(&directory.path().join("log"), "segment")[..] else { panic!("one file") };
    let mut bytes = std::fs::read(file).expect("readable");
    let place = bytes.iter().rposition(|byte| *byte != 0).expect("written");
    let frame = (place + 1).next_multiple_of(8) / 3;
    bytes[place - frame] ^= 0xff;
    let copy = directory.path().join("copy");
    std::fs::create_dir(&copy).expect("a directory");
    std::fs::write(copy.join(file.file_name().expect("a name")), &bytes).expect("copied");
    let copied = open(&copy).expect("nobody was told that they were written");
    assert_eq!(copied.indexes(), 0..1);
    // It takes exactly the place of the one that was lost.
    write(&copied, vec![append(1, 1)]).expect("written");
    drop(copied);
    assert_eq!(open(&copy).expect("a log").indexes(), 0..2);
}

#[test]
fn damage_before_the_end_is_an_error_and_changes_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let (file, ends) = written_and_killed(directory.path());
    let whole = std::fs::read(&file).expect("readable");
    for at in (0..ends[18]).step_by(11) {
        let in_a_frame = ends.iter().any(|end| (*end..end.next_multiple_of(8)).contains(&at));
        if in_a_frame {
            // Between two frames nothing counts.
            continue;
        }
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        std::fs::write(&file, &bytes).expect("written");
        let opened = open(file.parent().expect("a directory"));
        assert!(matches!(opened, Err(Error::Damaged { .. })), "byte {at}: {opened:?}");
        assert_eq!(std::fs::read(&file).expect("still there"), bytes);
    }
}

#[test]
fn a_file_that_is_missing_is_an_error_and_the_others_are_kept() {
    let directory = tempfile::tempdir().expect("a directory");
    {
        let log = open(directory.path()).expect("a log");
        for first_index in (0..60).step_by(5) {
            write(&log, vec![large(first_index, 5)]).expect("written");
        }
    }
    let there = files(directory.path(), "segment");
    assert!(there.len() >= 4, "{there:?}");
    for missing in &there[..there.len() - 1] {
        let aside = directory.path().with_extension("aside");
        std::fs::rename(missing, &aside).expect("moved");
        let opened = open(directory.path());
        assert!(matches!(opened, Err(Error::Damaged { .. })), "{missing:?}: {opened:?}");
        std::fs::rename(&aside, missing).expect("moved");
        assert_eq!(files(directory.path(), "segment"), there);
    }
    assert_eq!(open(directory.path()).expect("a log").indexes(), 0..60);
}

#[test]
fn a_file_that_a_crash_left_unbegun_hides_none_that_is_missing() {
    let directory = tempfile::tempdir().expect("a directory");
    {
        let log = open(directory.path()).expect("a log");
        for first_index in (0..30).step_by(5) {
            write(&log, vec![large(first_index, 5)]).expect("written");
        }
    }
    let there = files(directory.path(), "segment");
    let [first, .., last] = &there[..] else { panic!("several files: {there:?}") };
    let unbegun = first.with_file_name(format!("{:016x}.segment", there.len() + 1));
    std::fs::write(&unbegun, []).expect("written");
    let aside = directory.path().with_extension("aside");
    std::fs::rename(last, &aside).expect("moved");
    for _ in 0..2 {
        let opened = open(directory.path());
        assert!(matches!(opened, Err(Error::Damaged { .. })), "{opened:?}");
        assert!(first.exists() && unbegun.exists(), "nothing was changed");
    }
    std::fs::rename(&aside, last).expect("moved");
    std::fs::remove_file(&unbegun).expect("removed");
    assert_eq!(open(directory.path()).expect("a log").indexes(), 0..30);
}

#[test]
fn a_directory_in_use_or_of_somebody_else_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let _log = open(&directory.path().join("ours")).expect("a log");
    let second = open(&directory.path().join("ours"));
    assert!(matches!(second, Err(Error::InUse { .. })), "{second:?}");
    let foreign = directory.path().join("foreign");
    std::fs::create_dir(&foreign).expect("a directory");
    std::fs::write(foreign.join("0000000000000000-0000000000000000.wal"), b"").expect("a file");
    let refused = open(&foreign);
    assert!(matches!(refused, Err(Error::Foreign { .. })), "{refused:?}");
}
