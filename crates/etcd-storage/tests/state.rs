//! The state: tables, atomicity, checkpoints, and directories that are not ours.

use std::ops::ControlFlow;
use std::path::Path;

use etcd_storage::{Batch, Error, Storage, StorageOptions, Table};

fn open(path: &Path) -> Result<Storage, Error> {
    Storage::open(path, StorageOptions::default())
}

fn rows(storage: &Storage, table: Table, start: &[u8], end: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    storage
        .scan(table, start..end, |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .expect("readable");
    rows
}

fn put(storage: &Storage, table: Table, key: &[u8], value: &[u8]) {
    let mut batch = Batch::new();
    batch.put(table, key, value);
    storage.commit(batch).expect("written");
}

#[test]
fn a_scan_stays_within_its_table_and_range() {
    let directory = tempfile::tempdir().expect("a directory");
    let storage = open(directory.path()).expect("a state");
    for table in Table::ALL {
        for key in [&b"a"[..], b"b", b"c", b"\xff\xff"] {
            put(&storage, table, key, &[table as u8]);
        }
    }
    for table in Table::ALL {
        let all = rows(&storage, table, b"", b"");
        assert_eq!(all.len(), 4);
        assert!(all.iter().all(|(_, value)| value == &[table as u8]));
        let some = rows(&storage, table, b"a", b"c");
        assert_eq!(some.iter().map(|(key, _)| &key[..]).collect::<Vec<_>>(), [b"a", b"b"]);
        let (last, _) = storage.last(table).expect("readable").expect("a row");
        assert_eq!(&last[..], b"\xff\xff");
    }
}

#[test]
fn a_batch_takes_effect_in_order_and_a_range_ends_before_its_end() {
    let directory = tempfile::tempdir().expect("a directory");
    let storage = open(directory.path()).expect("a state");
    let mut batch = Batch::new();
    for key in [b"a", b"b", b"c"] {
        batch.put(Table::Meta, key, b"old");
    }
    batch.delete_range(Table::Meta, b"a"..b"c");
    batch.put(Table::Meta, b"a", b"new");
    storage.commit(batch).expect("written");
    let found = storage.get_many(Table::Meta, [&b"a"[..], b"b", b"c"]).expect("readable");
    let found: Vec<_> = found.iter().map(|value| value.as_deref()).collect();
    assert_eq!(found, [Some(&b"new"[..]), None, Some(b"old")]);
}

#[test]
fn a_flushed_state_is_there_again() {
    let directory = tempfile::tempdir().expect("a directory");
    {
        let storage = open(directory.path()).expect("a state");
        put(&storage, Table::Meta, b"k", b"v");
        storage.flush().expect("flushed");
    }
    let storage = open(directory.path()).expect("a state");
    assert_eq!(storage.get(Table::Meta, b"k").expect("readable").as_deref(), Some(&b"v"[..]));
}

/// Copies files as a process that is killed leaves them.
fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let (path, to) = (entry.expect("an entry").path(), to);
        let to = to.join(path.file_name().expect("a name"));
        if path.is_dir() { copy_files(&path, &to) } else { drop(std::fs::copy(&path, &to)) }
    }
}

#[test]
fn what_was_flushed_survives_a_crash_in_every_table_and_what_was_not_goes_together() {
    let directory = tempfile::tempdir().expect("a directory");
    let storage = open(&directory.path().join("state")).expect("a state");
    let write = |key: u8, value: &[u8]| {
        let mut batch = Batch::new();
        for table in Table::ALL {
            // A revision is put once.
            let key = if table == Table::Key { [key] } else { [0] };
            batch.put(table, &key, value);
        }
        storage.commit(batch).expect("written");
    };
    for round in 0..3u8 {
        write(2 * round, &[round]);
        storage.flush().expect("flushed");
        write(2 * round + 1, b"lost");
        let copy = directory.path().join(format!("copy-{round}"));
        copy_files(&directory.path().join("state"), &copy);
        let copy = open(&copy).expect("a state");
        for table in Table::ALL {
            let (_, value) = copy.last(table).expect("readable").expect("a row");
            assert_eq!(&value[..], [round], "{table:?}");
        }
    }
}

#[test]
fn an_installed_checkpoint_replaces_everything_for_every_handle_and_the_next_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let source = open(&directory.path().join("source")).expect("a state");
    put(&source, Table::Key, b"1 theirs", b"1");
    let copy = directory.path().join("copy");
    source.checkpoint(&copy).expect("a checkpoint");
    let row = Storage::read_checkpoint(&copy, Table::Key, b"1 theirs").expect("readable");
    assert_eq!(row.as_deref(), Some(&b"1"[..]));

    let target = directory.path().join("target");
    let storage = open(&target).expect("a state");
    let other_handle = storage.clone();
    put(&storage, Table::Key, b"1 ours", b"2");
    storage.install(&copy).expect("installed");
    put(&storage, Table::Key, b"2 later", b"3");
    storage.flush().expect("flushed");
    for storage in [&storage, &other_handle] {
        assert_eq!(storage.get(Table::Key, b"1 ours").expect("readable"), None);
        assert!(storage.get(Table::Key, b"1 theirs").expect("readable").is_some());
    }
    drop((storage, other_handle));
    let storage = open(&target).expect("a state");
    let keys: Vec<_> = rows(&storage, Table::Key, b"", b"").into_iter().map(|(k, _)| k).collect();
    assert_eq!(keys, [b"1 theirs".to_vec(), b"2 later".to_vec()]);
}

#[test]
fn a_directory_in_use_or_of_somebody_else_is_refused_untouched() {
    let directory = tempfile::tempdir().expect("a directory");
    let _storage = open(&directory.path().join("ours")).expect("a state");
    let second = open(&directory.path().join("ours"));
    assert!(matches!(second, Err(Error::InUse { .. })), "{second:?}");

    let foreign = directory.path().join("foreign");
    std::fs::create_dir(&foreign).expect("a directory");
    std::fs::write(foreign.join("holiday.jpg"), b"precious").expect("a file");
    let refused = open(&foreign);
    assert!(matches!(refused, Err(Error::Foreign { .. })), "{refused:?}");
    assert_eq!(std::fs::read(foreign.join("holiday.jpg")).expect("still there"), b"precious");
}

#[test]
fn a_lost_generation_is_an_error_and_no_empty_state() {
    let directory = tempfile::tempdir().expect("a directory");
    drop(open(directory.path()).expect("a state"));
    std::fs::remove_dir_all(directory.path().join("00000001")).expect("removed");
    let opened = open(directory.path());
    assert!(matches!(opened, Err(Error::Damaged { .. })), "{opened:?}");
}

#[test]
fn what_is_under_way_in_a_replaced_state_ends_before_its_files_go() {
    let directory = tempfile::tempdir().expect("a directory");
    let source = open(&directory.path().join("source")).expect("a state");
    let target = directory.path().join("target");
    let storage = open(&target).expect("a state");
    for number in 0..100u32 {
        put(&storage, Table::Key, &number.to_be_bytes(), b"old");
    }
    let copy = directory.path().join("copy");
    source.checkpoint(&copy).expect("a checkpoint");
    let mut seen = 0;
    storage
        .scan(Table::Key, b""..b"", |_, _| {
            if seen == 0 {
                storage.install(&copy).expect("installed");
                assert!(target.join("00000001").is_dir(), "a reader is at work there");
            }
            seen += 1;
            ControlFlow::Continue(())
        })
        .expect("readable");
    assert_eq!(seen, 100);
    assert!(!target.join("00000001").exists(), "nobody needs it any more");
    assert!(rows(&storage, Table::Key, b"", b"").is_empty());
}

#[test]
fn a_view_stays_at_its_moment() {
    let directory = tempfile::tempdir().expect("a directory");
    let storage = open(directory.path()).expect("a state");
    put(&storage, Table::Key, b"a", b"1");
    put(&storage, Table::Lease, b"l", b"1");
    storage.at_one_moment(|view| {
        put(&storage, Table::Key, b"b", b"2");
        put(&storage, Table::Lease, b"l", b"2");
        let mut batch = Batch::new();
        batch.delete(Table::Key, b"a");
        storage.commit(batch).expect("written");
        storage.compact().expect("the disk works");
        let mut seen = Vec::new();
        let scanned = view.scan(Table::Key, &[]..&[], |key, value| {
            seen.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        });
        scanned.expect("readable");
        assert_eq!(seen, [(b"a".to_vec(), b"1".to_vec())]);
        assert_eq!(view.get(Table::Key, b"b").expect("readable"), None);
        let lease = view.get(Table::Lease, b"l").expect("readable");
        assert_eq!(lease.as_deref(), Some(&b"1"[..]));
    });
    assert_eq!(rows(&storage, Table::Key, b"", b""), [(b"b".to_vec(), b"2".to_vec())]);
}

#[test]
fn a_view_outlives_the_state_that_it_is_of() {
    let directory = tempfile::tempdir().expect("a directory");
    let storage = open(&directory.path().join("state")).expect("a state");
    put(&storage, Table::Key, b"a", b"1");
    let copy = storage.scratch_directory("copy");
    storage.checkpoint(&copy).expect("a checkpoint");
    put(&storage, Table::Key, b"b", b"2");
    storage.at_one_moment(|view| {
        storage.install(&copy).expect("it was just made");
        let value = view.get(Table::Key, b"b").expect("readable");
        assert_eq!(value.as_deref(), Some(&b"2"[..]));
    });
    assert_eq!(rows(&storage, Table::Key, b"", b""), [(b"a".to_vec(), b"1".to_vec())]);
}

#[test]
fn what_is_deleted_leaves_the_size_in_use_at_once_and_the_total_with_a_compaction() {
    const ROW: u64 = 1000;
    let directory = tempfile::tempdir().expect("a directory");
    let storage = open(directory.path()).expect("a state");
    for n in 0..1000_u32 {
        put(&storage, Table::Key, &n.to_be_bytes(), &[b'x'; ROW as usize]);
    }
    let full = storage.sizes();
    assert!(full.in_use >= 1000 * ROW && full.total >= full.in_use, "{full:?}");
    let mut batch = Batch::new();
    for n in 0..900_u32 {
        batch.delete(Table::Key, &n.to_be_bytes());
    }
    storage.commit(batch).expect("written");
    let deleted = storage.sizes();
    assert!(deleted.total >= full.total, "{deleted:?}");
    assert!((100 * ROW..110 * ROW).contains(&deleted.in_use), "{deleted:?}");
    storage.compact().expect("the disk works");
    let compacted = storage.sizes();
    assert!((100 * ROW..130 * ROW).contains(&compacted.total), "{compacted:?}");
    assert!((100 * ROW..110 * ROW).contains(&compacted.in_use), "{compacted:?}");
    drop(storage);
    let storage = open(directory.path()).expect("the same state");
    let reopened = storage.sizes();
    assert!((100 * ROW..110 * ROW).contains(&reopened.in_use), "{reopened:?}");
}
