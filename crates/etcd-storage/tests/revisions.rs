//! The rows of revisions, held against a model: read, deleted, written anew, flushed, started again,
//! crashed, copied and damaged.

use std::collections::BTreeMap;
use std::fs;
use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use etcd_storage::{Batch, Error, Leap, Storage, StorageOptions, Table};

/// Bytes of a file of rows, about.
const FILE: u64 = 32 << 20;

type Rows = BTreeMap<Vec<u8>, Bytes>;

/// Numbers that look random, the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ (mixed >> 27)) >> 7) % bound
    }
}

fn open(path: &Path) -> Result<Storage, Error> {
    Storage::open(path, StorageOptions::default())
}

fn key(number: u64) -> Vec<u8> {
    [&number.to_be_bytes()[..], b"_", &0_u64.to_be_bytes()].concat()
}

/// A row's value, which says whose it is; now and then a long one, or one that takes about a block.
fn value(number: u64) -> Bytes {
    let len = match number % 97 {
        0 => 300_000,
        1..10 => 5000,
        some @ 10..25 => BLOCK - HEADERS + some - 20,
        rest => 8 + rest,
    };
    value_of(number, len)
}

/// Bytes of a block of rows, about, and those that a row needs beside its value.
const BLOCK: u64 = 4 << 10;
const HEADERS: u64 = 5 + 17;

fn value_of(number: u64, len: u64) -> Bytes {
    let bytes = number.to_le_bytes().into_iter().cycle();
    bytes.take(usize::try_from(len).expect("small")).collect()
}

/// A state, and what it must hold.
struct Scene {
    directory: tempfile::TempDir,
    storage: Option<Storage>,
    rows: Rows,
    next: u64,
    /// What the last flush had to keep.
    flushed: (Rows, u64),
}

impl Scene {
    fn new() -> Scene {
        let directory = tempfile::tempdir().expect("a directory");
        let storage = Some(open(&directory.path().join("state")).expect("a state"));
        Scene { directory, storage, rows: Rows::new(), next: 2, flushed: (Rows::new(), 2) }
    }

    fn storage(&self) -> &Storage {
        self.storage.as_ref().expect("it is open")
    }

    fn put(&mut self, count: u64) {
        self.put_values(count, value);
    }

    fn put_values(&mut self, count: u64, value: impl Fn(u64) -> Bytes) {
        let mut batch = Batch::new();
        for number in self.next..self.next + count {
            batch.put(Table::Key, &key(number), &value(number));
            self.rows.insert(key(number), value(number));
        }
        self.next += count;
        batch.put(Table::Meta, b"next", &self.next.to_be_bytes());
        self.storage().commit(batch).expect("written");
    }

    /// Deletes each row that `is_chosen`.
    fn delete(&mut self, mut is_chosen: impl FnMut(&[u8]) -> bool) {
        let mut batch = Batch::new();
        self.rows.retain(|key, _| {
            let is_chosen = is_chosen(key);
            if is_chosen {
                batch.delete(Table::Key, key);
            }
            !is_chosen
        });
        self.storage().commit(batch).expect("written");
    }

    fn flush(&mut self) {
        self.storage().flush().expect("flushed");
        self.flushed = (self.rows.clone(), self.next);
    }

    fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// Stops without a flush, and starts again.
    fn crash(&mut self) {
        drop(self.storage.take());
        self.storage = Some(open(&self.state()).expect("it was whole"));
        (self.rows, self.next) = self.flushed.clone();
    }

    /// A look from every side.
    fn check(&self, dice: &mut Dice) {
        let storage = self.storage();
        let mut found = Vec::new();
        let everything = storage.scan(Table::Key, &[]..&[], |key, value| {
            found.push((key.to_vec(), Bytes::copy_from_slice(value)));
            ControlFlow::Continue(())
        });
        everything.expect("readable");
        assert!(found.iter().map(|(key, value)| (key, value)).eq(&self.rows), "the rows differ");
        let last = storage.last(Table::Key).expect("readable");
        let last = last.map(|(key, value)| (key.to_vec(), value));
        let expected = self.rows.last_key_value();
        assert!(last.as_ref().map(|(key, value)| (key, value)) == expected, "the last row");
        let next = storage.get(Table::Meta, b"next").expect("readable");
        let next =
            next.map_or(2, |next| u64::from_be_bytes(next[..].try_into().expect("a number")));
        assert_eq!(next, self.next);
        let wanted: Vec<_> = (0..50).map(|_| key(dice.below(self.next + 2))).collect();
        let found = storage.get_many(Table::Key, wanted.iter().map(|key| &key[..]));
        for (key, found) in wanted.iter().zip(found.expect("readable")) {
            assert!(found.as_ref() == self.rows.get(key), "row {key:?}");
            let found = storage.get(Table::Key, key).expect("readable");
            assert!(found.as_ref() == self.rows.get(key), "row {key:?}");
        }
        for _ in 0..5 {
            self.check_leaps(dice);
        }
    }

    /// Goes through a range, and leaps here and there.
    fn check_leaps(&self, dice: &mut Dice) {
        let [start, end] = [0, 0].map(|_| key(dice.below(self.next + 2)));
        let (start, end) = if start < end { (start, end) } else { (end, start) };
        let mut expected =
            self.rows.range((Bound::Included(start.clone()), Bound::Excluded(end.clone())));
        let mut rows = Vec::new();
        let leaping = self.storage().leap(Table::Key, &start..&end, |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            let number = u64::from_be_bytes(*key.first_chunk().expect("a number"));
            match dice.below(20) {
                0 => Leap::End,
                1 => {
                    let to = self::key(number + 1 + dice.below(300));
                    Leap::To(to)
                }
                _ => Leap::Next,
            }
        });
        leaping.expect("readable");
        // Which rows it leapt over, only the dice know; but none twice, none wrong, none from outside.
        for (key, value) in &rows {
            let row = expected.find(|(expected, _)| *expected >= key);
            assert!(row.is_some_and(|row| (row.0, &row.1[..]) == (key, &value[..])), "row {key:?}");
        }
    }
}

#[test]
fn rows_are_what_a_model_says_whatever_happens_to_them() {
    let (mut scene, mut dice) = (Scene::new(), Dice(1));
    for step in 0..400 {
        match dice.below(20) {
            0 => scene.flush(),
            1 => scene.crash(),
            2 => {
                let (part, of) = (dice.below(9), 1 + dice.below(9));
                scene.delete(|key| u64::from(key[7]) % of == part);
            }
            3 => {
                let upto = key(dice.below(scene.next + 1));
                scene.delete(|key| key < &upto[..]);
            }
            4 => {
                scene.storage().compact().expect("compacted");
                scene.flushed = (scene.rows.clone(), scene.next);
            }
            5 => {
                let copy = scene.storage().scratch_directory("copy");
                scene.storage().checkpoint(&copy).expect("copied");
                scene.flushed = (scene.rows.clone(), scene.next);
                scene.put(5);
                scene.storage().install(&copy).expect("installed");
                (scene.rows, scene.next) = scene.flushed.clone();
            }
            some => scene.put(1 + dice.below(1 << (some % 10))),
        }
        if step % 5 == 0 {
            scene.check(&mut dice);
        }
    }
    scene.check(&mut dice);
}

#[test]
fn rows_of_about_a_block_survive_being_written_anew() {
    for len in BLOCK - HEADERS - 12..BLOCK - HEADERS + 3 {
        let mut scene = Scene::new();
        for _ in 0..3 {
            scene.put_values(300, |number| value_of(number, len));
            scene.put_values(1, |number| value_of(number, len));
        }
        scene.delete(|key| key[6..8] == [0, 7]);
        scene.storage().compact().expect("compacted");
        scene.check(&mut Dice(len));
    }
}

/// A state of which the file of rows has not much room any more.
fn almost_full(value: impl Fn(u64) -> Bytes + Copy) -> Scene {
    let mut scene = Scene::new();
    while scene.storage().sizes().total < FILE - 40_000 {
        let len = value(scene.next).len() as u64 + HEADERS;
        let room = FILE - scene.storage().sizes().total;
        scene.put_values((room / len * 9 / 10).max(1), value);
    }
    assert!(scene.storage().sizes().total < FILE && scene.storage().revision_files() == 1);
    scene
}

#[test]
fn every_row_is_found_at_once_when_a_file_ends() {
    for len in [BLOCK - HEADERS - 5, BLOCK - HEADERS - 1, 300, 5000] {
        let value = |number| value_of(number, len);
        let mut scene = almost_full(value);
        while scene.storage().revision_files() < 2 {
            scene.put_values(1, value);
            let last = scene.storage().last(Table::Key).expect("readable");
            assert_eq!(last.map(|(key, _)| key).as_deref(), Some(&key(scene.next - 1)[..]));
        }
        scene.check(&mut Dice(len));
        scene.flush();
        scene.crash();
        scene.check(&mut Dice(len));
    }
}

#[test]
fn rows_deleted_before_they_have_a_block_stay_deleted_when_a_flush_ends_the_file() {
    let small = |number| value_of(number, 500);
    let mut scene = almost_full(small);
    let on_disk = |scene: &Scene| revision_files(&scene.state()).into_values().sum::<u64>();
    while on_disk(&scene) < FILE - 2000 {
        scene.put_values(1, small);
        scene.flush();
    }
    scene.put_values(1, |number| value_of(number, 2500));
    scene.flush();
    assert!(on_disk(&scene) >= FILE && scene.storage().revision_files() == 1);
    let first = key(scene.next);
    scene.put_values(5, small);
    scene.delete(|key| *key >= first[..]);
    scene.put_values(20, small);
    scene.check(&mut Dice(1));
    scene.flush();
    scene.crash();
    scene.check(&mut Dice(2));
    scene.delete(|key| *key >= first[..]);
    scene.storage().compact().expect("compacted");
    scene.check(&mut Dice(3));
}

/// Copies files as a machine without power may leave them: of revisions only what was synced.
fn copy_synced(from: &Path, to: &Path, synced: &BTreeMap<String, u64>, dice: &mut Dice) {
    fs::create_dir(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        let to = to.join(&name);
        if path.is_dir() {
            copy_synced(&path, &to, synced, dice);
            continue;
        }
        let mut bytes = fs::read(&path).expect("readable");
        if name.starts_with("revisions-") {
            let kept = usize::try_from(synced.get(&name).copied().unwrap_or(0)).expect("small");
            match dice.below(3) {
                0 => bytes.truncate(kept),
                1 => bytes[kept..].fill(0),
                _ => bytes[kept..].iter_mut().for_each(|byte| *byte ^= 0x55),
            }
            if kept == 0 && dice.below(2) == 0 {
                continue;
            }
        }
        fs::write(to, bytes).expect("written");
    }
}

fn revision_files(state: &Path) -> BTreeMap<String, u64> {
    let generations = fs::read_dir(state).expect("a directory").flatten();
    let generations = generations.filter(|entry| entry.path().is_dir());
    let files = generations.flat_map(|entry| fs::read_dir(entry.path()).expect("a directory"));
    let files = files.flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let len = entry.metadata().ok()?.len();
        name.starts_with("revisions-").then_some((name, len))
    });
    files.collect()
}

#[test]
fn a_machine_that_loses_power_takes_everything_back_to_the_last_flush() {
    let (mut scene, mut dice) = (Scene::new(), Dice(7));
    for round in 0..30 {
        scene.put(1 + dice.below(900));
        if dice.below(2) == 0 {
            scene.delete(|key| key[7] % 3 == 0);
        }
        scene.flush();
        let synced = revision_files(&scene.state());
        scene.put(1 + dice.below(900));
        scene.delete(|key| dice.below(3) == 0 && key[7] % 2 == 0);
        let copy = scene.directory.path().join(format!("copy-{round}"));
        copy_synced(&scene.state(), &copy, &synced, &mut dice);
        let (rows, next) = scene.flushed.clone();
        let mut crashed = Scene {
            directory: tempfile::tempdir().expect("a directory"),
            storage: Some(open(&copy).expect("it was whole")),
            flushed: (rows.clone(), next),
            rows,
            next,
        };
        crashed.check(&mut dice);
        crashed.put(100);
        crashed.check(&mut dice);
        drop(crashed);
        fs::remove_dir_all(copy).expect("removed");
    }
}

#[test]
fn room_is_given_back_when_half_of_a_file_is_deleted_and_files_stay_few() {
    let mut scene = Scene::new();
    while scene.storage().sizes().total < 3 * FILE {
        scene.put(500);
    }
    scene.flush();
    assert!(scene.storage().revision_files() >= 3);
    scene.delete(|key| key[7] % 10 != 0);
    scene.flush();
    let sizes = scene.storage().sizes();
    // What is open is not written anew.
    assert!(sizes.total < FILE + FILE / 2, "{sizes:?}");
    assert!(scene.storage().revision_files() <= 2);
    let disk: u64 = revision_files(&scene.state()).values().sum();
    assert!(disk < FILE + FILE / 2, "{disk} bytes are on disk");
    scene.storage().compact().expect("compacted");
    let sizes = scene.storage().sizes();
    assert!(sizes.total < FILE / 2 && sizes.in_use <= sizes.total, "{sizes:?}");
    for _ in 0..20 {
        scene.crash();
        scene.put(1);
        scene.flush();
    }
    scene.delete(|key| key[7] == 10);
    assert!(scene.storage().revision_files() <= 2, "neighbours become one");
    scene.check(&mut Dice(3));
    scene.delete(|_| true);
    assert_eq!(scene.storage().revision_files(), 0);
    // Nothing is left that a row must come after.
    scene.next = 2;
    scene.put(3);
    scene.check(&mut Dice(4));
}

#[test]
fn readers_see_every_row_while_others_are_put_deleted_and_written_anew() {
    const KEPT: u64 = 16;
    let mut scene = Scene::new();
    scene.put(2000);
    let (storage, newest, is_over) =
        (scene.storage().clone(), AtomicU64::new(scene.next - 1), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for seed in 0..2 {
            let (storage, newest, is_over) = (&storage, &newest, &is_over);
            scope.spawn(move || {
                let mut dice = Dice(seed);
                while !is_over.load(Ordering::Relaxed) {
                    let number =
                        dice.below(newest.load(Ordering::Acquire) - KEPT) / KEPT * KEPT + KEPT;
                    let row = storage.get(Table::Key, &key(number)).expect("readable");
                    assert!(row == Some(value(number)), "row {number}");
                    let mut next = number;
                    let scanned = storage.scan(Table::Key, &key(number)..&[], |found, bytes| {
                        let found = u64::from_be_bytes(*found.first_chunk().expect("a number"));
                        assert!(found <= next, "row {next} is missing");
                        assert!(bytes == value(found), "row {found}");
                        next += if found == next { KEPT } else { 0 };
                        if next < number + 40 * KEPT {
                            ControlFlow::Continue(())
                        } else {
                            ControlFlow::Break(())
                        }
                    });
                    scanned.expect("readable");
                }
            });
        }
        for round in 0..60 {
            scene.put(400);
            newest.store(scene.next - 1, Ordering::Release);
            scene.delete(|key| u64::from(key[7]) % KEPT != 0);
            if round % 10 == 9 {
                scene.storage().compact().expect("compacted");
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    scene.check(&mut Dice(5));
}

#[test]
fn a_row_before_the_newest_is_refused() {
    let mut scene = Scene::new();
    scene.put(3);
    for number in [2, 4] {
        let mut batch = Batch::new();
        batch.put(Table::Key, &key(number), b"again");
        let refused = scene.storage().commit(batch);
        assert!(matches!(refused, Err(Error::Io { .. })), "{refused:?}");
    }
    scene.check(&mut Dice(1));
}

#[test]
fn damage_is_told_with_the_files_name_and_changes_nothing() {
    let mut scene = Scene::new();
    scene.put(300);
    scene.flush();
    drop(scene.storage.take());
    let files = revision_files(&scene.state());
    let (name, len) = files.first_key_value().expect("a file");
    let path = scene.state().join("00000001").join(name);
    let whole = fs::read(&path).expect("readable");
    let tell = |what: &str| {
        let opened = open(&scene.state());
        let told = opened.and_then(|storage| {
            storage.scan(Table::Key, &[]..&[], |_, _| ControlFlow::Continue(()))
        });
        let Err(Error::Damaged { path: told, .. }) = told else { panic!("{what}: {told:?}") };
        assert_eq!(Path::new(&told), path, "{what}");
    };
    let mut dice = Dice(2);
    for _ in 0..40 {
        let at = dice.below(*len);
        let mut flipped = whole.clone();
        flipped[usize::try_from(at).expect("small")] ^= 1 << dice.below(8);
        fs::write(&path, &flipped).expect("written");
        tell(&format!("byte {at} is another"));
        assert_eq!(fs::read(&path).expect("readable"), flipped, "nothing was changed");
    }
    fs::write(&path, &whole[..whole.len() - 1]).expect("written");
    tell("the last byte is missing");
    fs::remove_file(&path).expect("removed");
    tell("the file is missing");
    fs::write(&path, &whole).expect("written");
    scene.storage = Some(open(&scene.state()).expect("it is whole again"));
    scene.check(&mut dice);
}

#[test]
fn two_states_are_not_taken_for_each_other() {
    let mut scenes = [Scene::new(), Scene::new()];
    for (offset, scene) in scenes.iter_mut().enumerate() {
        scene.next += 5 * offset as u64;
        scene.put(300);
        scene.flush();
    }
    let [one, other] = &scenes;
    for rows in one.rows.iter().zip(&other.rows) {
        for (scene, (key, value)) in [(one, rows.0), (other, rows.1)] {
            let found = scene.storage().get(Table::Key, key).expect("readable");
            assert!(found.as_ref() == Some(value), "row {key:?}");
        }
    }
}

#[test]
fn copies_made_while_rows_are_put_and_deleted_are_of_one_moment() {
    const COPIES: u32 = 40;
    let mut scene = Scene::new();
    scene.put(2000);
    let (storage, is_over) = (scene.storage().clone(), AtomicBool::new(false));
    let copies = tempfile::tempdir_in(scene.directory.path()).expect("a directory");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..COPIES {
                let copy = copies.path().join(format!("{round}"));
                fs::create_dir(&copy).expect("a directory");
                fs::write(copy.join("generation"), "1\n").expect("written");
                storage.checkpoint(&copy.join("00000001")).expect("copied");
            }
            is_over.store(true, Ordering::Relaxed);
        });
        while !is_over.load(Ordering::Relaxed) {
            scene.put(20);
            // All but the newest thousand go, in one batch with a note of it.
            let from = scene.next.saturating_sub(1000).max(2);
            let mut batch = Batch::new();
            batch.delete_range(Table::Key, &[]..&key(from));
            batch.put(Table::Meta, b"from", &from.to_be_bytes());
            scene.storage().commit(batch).expect("written");
        }
    });
    for round in 0..COPIES {
        let copy = open(&copies.path().join(format!("{round}"))).expect("it is whole");
        let number = |name: &[u8]| {
            let value = copy.get(Table::Meta, name).expect("readable");
            value.map_or(2, |value| u64::from_be_bytes(value[..].try_into().expect("a number")))
        };
        let (from, next) = (number(b"from"), number(b"next"));
        let mut expected = from..next;
        let scanned = copy.scan(Table::Key, &[]..&[], |row, bytes| {
            let wanted = expected.next().expect("no row more");
            assert!(row == key(wanted) && bytes == value(wanted), "row {wanted} of copy {round}");
            ControlFlow::Continue(())
        });
        scanned.expect("readable");
        assert!(expected.is_empty(), "{expected:?} are missing in copy {round}");
    }
}

/// Puts batches, and stops without a flush of its own.
fn put_and_stop(path: &Path, options: StorageOptions) {
    let storage = Storage::open(path, options).expect("a state");
    let next = storage.get(Table::Meta, b"next").expect("readable");
    let next = next.map_or(2, |next| u64::from_be_bytes(next[..].try_into().expect("a number")));
    for number in next..next + 500 {
        let mut batch = Batch::new();
        batch.put(Table::Key, &key(number), &value(number));
        batch.put(Table::Meta, b"next", &(number + 1).to_be_bytes());
        storage.commit(batch).expect("written");
    }
}

#[test]
fn what_is_flushed_beside_commits_is_of_one_moment() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut last = 2;
    // In the first case a commit may not wait, in the other it soon must.
    for write_buffer_bytes in [20_000, 1000] {
        for _ in 0..4 {
            put_and_stop(
                directory.path(),
                StorageOptions { write_buffer_bytes, ..Default::default() },
            );
            let storage = open(directory.path()).expect("it was whole");
            let next = storage.get(Table::Meta, b"next").expect("readable").expect("it was put");
            let next = u64::from_be_bytes(next[..].try_into().expect("a number"));
            assert!(next > last, "nothing was flushed");
            last = next;
            let mut expected = 2..next;
            let scanned = storage.scan(Table::Key, &[]..&[], |row, bytes| {
                let wanted = expected.next().expect("no row more");
                assert!(row == key(wanted) && bytes == value(wanted), "row {wanted}");
                ControlFlow::Continue(())
            });
            scanned.expect("readable");
            assert!(expected.is_empty(), "{expected:?} are missing");
        }
    }
}

#[test]
fn after_a_flush_that_failed_nothing_is_written() {
    let mut scene = Scene::new();
    scene.put(100);
    fs::remove_dir_all(scene.state().join("00000001")).expect("removed");
    let failed = scene.storage().flush();
    assert!(failed.is_err());
    let mut batch = Batch::new();
    batch.put(Table::Meta, b"k", b"v");
    assert!(scene.storage().commit(batch).is_err());
    assert!(scene.storage().flush().is_err());
}
