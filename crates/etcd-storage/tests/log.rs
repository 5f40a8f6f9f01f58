//! The log: order, durability, and damage that must not pass unnoticed.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

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
        assert!(log.indexes().expect("readable").is_empty());
        let mark = LogOperation::Mark { name: "vote", value: Bytes::from_static(b"me") };
        write(&log, vec![append(0, 5), mark]).expect("written");
    }
    let log = open(directory.path()).expect("a log");
    assert_eq!(log.indexes().expect("readable"), 0..5);
    assert_eq!(log.read(0..5).expect("readable"), records(5));
    assert_eq!(log.mark("vote").expect("readable").as_deref(), Some(&b"me"[..]));
    assert_eq!(log.mark("other").expect("readable"), None);
}

#[test]
fn truncation_and_purge_leave_what_is_between() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = open(directory.path()).expect("a log");
    let operations =
        vec![append(0, 10), LogOperation::TruncateFrom(7), LogOperation::PurgeThrough(2)];
    write(&log, operations).expect("written");
    assert_eq!(log.indexes().expect("readable"), 3..7);
    assert_eq!(log.read(3..7).expect("readable"), records(10)[3..7]);
    let missing = log.read(2..4);
    assert!(matches!(missing, Err(Error::Damaged { .. })), "{missing:?}");
    write(&log, vec![append(7, 1)]).expect("written");
    assert_eq!(log.read(7..8).expect("readable"), records(1));
}

#[test]
fn what_is_purged_in_time_is_never_written_to_a_table_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = open(directory.path()).expect("a log");
    // Nothing that could be packed smaller.
    let mut random = 1_u64;
    let mut next = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        random.to_be_bytes()
    };
    let record: Bytes = (0..1 << 17).flat_map(|_| next()).collect();
    let append =
        |first_index| LogOperation::Append { first_index, records: vec![record.clone(); 8] };
    for first_index in [0, 8] {
        write(&log, vec![append(first_index)]).expect("written");
    }
    write(&log, vec![LogOperation::PurgeThrough(14)]).expect("purged");
    let tables = || bytes_of(directory.path(), "sst");
    let end = Instant::now() + Duration::from_secs(30);
    while tables() == 0 {
        assert!(Instant::now() < end, "the purge was not followed by a flush");
        std::thread::yield_now();
    }
    // Whoever opens the log again waits for the flush, and finds what was kept.
    drop(log);
    let log = open(directory.path()).expect("a log");
    assert_eq!(log.indexes().expect("readable"), 15..16);
    assert!(tables() < 3 << 20, "{} bytes", tables());
}

/// Bytes of the files in `directory` that end in `.extension`.
fn bytes_of(directory: &Path, extension: &str) -> u64 {
    let files = std::fs::read_dir(directory).expect("a directory").flatten();
    let files = files.filter(|file| file.path().extension().is_some_and(|it| it == extension));
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
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

/// The write-ahead file that holds the entries.
fn log_file(directory: &Path) -> PathBuf {
    let files = std::fs::read_dir(directory).expect("readable").flatten();
    let files = files.map(|entry| entry.path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|e| e == "log")).collect();
    files.sort_by_key(|path| std::fs::metadata(path).expect("a file").len());
    files.pop().expect("a log file")
}

/// Writes each entry by itself, and leaves the files as a killed process would.
fn written_and_killed(directory: &Path) -> PathBuf {
    let copy = directory.join("copy");
    let log = open(&directory.join("log")).expect("a log");
    for index in 0..20 {
        write(&log, vec![append(index, 1)]).expect("written");
    }
    std::fs::create_dir(&copy).expect("a directory");
    for entry in std::fs::read_dir(directory.join("log")).expect("readable").flatten() {
        std::fs::copy(entry.path(), copy.join(entry.file_name())).expect("copied");
    }
    copy
}

#[test]
fn a_record_cut_off_at_the_end_is_dropped_and_the_others_are_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let copy = written_and_killed(directory.path());
    let file = log_file(&copy);
    let length = std::fs::metadata(&file).expect("a file").len();
    let cut = std::fs::OpenOptions::new().write(true).open(&file).expect("writable");
    cut.set_len(length - 3).expect("cut");
    let log = open(&copy).expect("a log");
    assert_eq!(log.indexes().expect("readable"), 0..19);
}

#[test]
fn damage_before_the_end_is_an_error_and_changes_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let copy = written_and_killed(directory.path());
    let file = log_file(&copy);
    let mut bytes = std::fs::read(&file).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&file, &bytes).expect("written");
    let opened = open(&copy);
    assert!(matches!(opened, Err(Error::Damaged { .. })), "{opened:?}");
    assert_eq!(std::fs::read(&file).expect("still there"), bytes);
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
