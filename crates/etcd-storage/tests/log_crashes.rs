//! Machines that lose power: of what was written since the last sync any sectors may be lost, and
//! the log must still be what somebody had seen, and hold all that was reported written.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc;

use bytes::Bytes;
use etcd_storage::{Log, LogOperation, LogOptions};

/// What a disk writes at once.
const SECTOR: usize = 512;
const CRASHES: u64 = 40;
/// The mark that counts the submissions.
const COUNT: &str = "count";

/// Numbers that look random, the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ (mixed >> 27)) >> 7) % bound
    }
}

/// What the log must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Model {
    entries: BTreeMap<u64, Bytes>,
    count: u64,
}

impl Model {
    /// The next submission, which this becomes by it.
    fn advance(&mut self, dice: &mut Dice) -> Vec<LogOperation> {
        self.count += 1;
        let value = Bytes::copy_from_slice(&self.count.to_le_bytes());
        let mut operations = vec![LogOperation::Mark { name: COUNT, value }];
        let end = self.entries.last_key_value().map_or(self.count, |(last, _)| last + 1);
        match dice.below(12) {
            0 if !self.entries.is_empty() => {
                let from = end - dice.below(3.min(self.entries.len() as u64));
                self.entries.split_off(&from);
                operations.push(LogOperation::TruncateFrom(from));
            }
            1 => {
                let upto = end - 1 - dice.below(4).min(end - 1);
                self.entries = self.entries.split_off(&(upto + 1));
                operations.push(LogOperation::PurgeThrough(upto));
            }
            _ => {
                let records = (0..=dice.below(3)).map(|_| record(dice)).collect::<Vec<_>>();
                self.entries.extend((end..).zip(records.clone()));
                operations.push(LogOperation::Append { first_index: end, records });
            }
        }
        operations
    }

    /// What a log says of itself.
    fn of(log: &Log) -> Model {
        let indexes = log.indexes();
        let entries = indexes.clone().zip(log.read(indexes).expect("readable")).collect();
        Model { entries, count: count(log) }
    }
}

fn count(log: &Log) -> u64 {
    log.mark(COUNT).map_or(0, |value| u64::from_le_bytes((&value[..]).try_into().expect("ours")))
}

/// Mostly short ones, and some that soon fill a file.
fn record(dice: &mut Dice) -> Bytes {
    let len = match dice.below(10) {
        0 => 2_000_000 + dice.below(3_000_000),
        1 | 2 => dice.below(20_000),
        _ => dice.below(700),
    };
    let first = dice.below(251);
    (first..first + len).map(|number| (number % 251) as u8).collect()
}

/// The files of a directory.
type Image = BTreeMap<String, Vec<u8>>;

fn image(directory: &Path) -> Image {
    let files = std::fs::read_dir(directory).expect("readable").map(|file| file.expect("readable"));
    let read = |path: &Path| std::fs::read(path).expect("readable");
    files.map(|file| (file.file_name().into_string().expect("text"), read(&file.path()))).collect()
}

/// What is on the disk after the machine died some time between the two images.
fn crashed(before: &Image, after: &Image, dice: &mut Dice) -> Image {
    let mut left = Image::new();
    let begun = after.keys().any(|name| !before.contains_key(name));
    // A file is begun when the one before it is on disk as a whole.
    let keeps_begun = begun && dice.below(2) == 0;
    let last = after.keys().rfind(|name| name.ends_with("segment")).cloned();
    for (name, bytes) in after {
        let is_whole = keeps_begun && Some(name) != last.as_ref();
        let old = match before.get(name) {
            Some(old) => &old[..],
            None if keeps_begun => &[],
            None => continue,
        };
        if is_whole {
            left.insert(name.clone(), bytes.clone());
            continue;
        }
        let mut torn = old.to_vec();
        torn.resize(bytes.len().max(old.len()), 0);
        let chance = dice.below(5);
        for (place, sector) in bytes.chunks(SECTOR).enumerate() {
            let place = place * SECTOR..place * SECTOR + sector.len();
            if torn[place.clone()] != *sector && dice.below(4) < chance {
                torn[place].copy_from_slice(sector);
            }
        }
        left.insert(name.clone(), torn);
    }
    left
}

#[test]
fn what_was_reported_written_survives_and_nothing_else_appears() {
    let mut dice = Dice(1);
    let mut model = Model::default();
    let mut image_before = Image::new();
    let mut dropped = 0;
    for crash in 0..CRASHES {
        let directory = tempfile::tempdir().expect("a directory");
        for (name, bytes) in &image_before {
            std::fs::write(directory.path().join(name), bytes).expect("written");
        }
        let log = Log::open(directory.path(), &LogOptions::default()).expect("a log");
        assert_eq!(Model::of(&log), model, "crash {crash}");
        let (done, written) = mpsc::channel();
        for _ in 0..dice.below(40) {
            let done = done.clone();
            let told = Box::new(move |result| done.send(result).expect("awaited"));
            log.submit(model.advance(&mut dice), Some(told));
            written.recv().expect("answered").expect("written");
        }
        // What is left to be done after the last answer is done before the next.
        let told = Box::new(move |result| done.send(result).expect("awaited"));
        log.submit(Vec::new(), Some(told));
        written.recv().expect("answered").expect("written");
        let synced = image(directory.path());
        let mut states = vec![model.clone()];
        for _ in 0..dice.below(6) {
            let mut operations = model.advance(&mut dice);
            // What removes anything is synced whether somebody waits or not.
            let removes = |one: &LogOperation| {
                matches!(one, LogOperation::PurgeThrough(_) | LogOperation::TruncateFrom(_))
            };
            while operations.iter().any(removes) {
                model = states.last().expect("the first").clone();
                operations = model.advance(&mut dice);
            }
            log.submit(operations, None);
            while count(&log) < model.count {
                std::thread::yield_now();
            }
            states.push(model.clone());
        }
        image_before = crashed(&synced, &image(directory.path()), &mut dice);
        drop(log);
        let again = tempfile::tempdir().expect("a directory");
        for (name, bytes) in &image_before {
            std::fs::write(again.path().join(name), bytes).expect("written");
        }
        let log = Log::open(again.path(), &LogOptions::default())
            .unwrap_or_else(|error| panic!("crash {crash}: {error}"));
        model = Model::of(&log);
        drop(log);
        let place = states.iter().position(|state| *state == model);
        let place = place.unwrap_or_else(|| panic!("crash {crash}: nobody ever saw this"));
        dropped += states.len() - 1 - place;
        image_before = image(again.path());
    }
    assert!(dropped > 0, "no crash cost anything");
}
