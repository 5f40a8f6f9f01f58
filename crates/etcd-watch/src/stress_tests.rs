//! Watchers that come, fall behind, catch up and go while the store changes: what each is told is
//! compared with a list of all changes.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use etcd_mvcc::{KeyRange, Kind};
use parking_lot::{Mutex, RwLock};

use crate::bench::{Bench, Steps};
use crate::{Changed, Feed, Filter, Interest, Told};

const KEYS: u64 = 12;
/// More than the hub keeps, so that old starts go through storage.
const OLD_REVISIONS: u64 = 6000;
const BATCHES: u64 = 4000;
const READERS: u64 = 12;
/// How long a reader waits for a word before it asks for progress again, and how often.
const PATIENCE: Duration = Duration::from_millis(100);
const TRIES: u32 = 300;

/// Numbers that look random, the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)) % bound
    }

    fn key(&mut self) -> Bytes {
        Bytes::from(format!("k{:02}", self.below(KEYS)))
    }

    fn steps(&mut self) -> Steps {
        let mut steps = Steps::new();
        for _ in 0..=self.below(3) {
            let key = self.key();
            let size = if self.below(50) == 0 { 30_000 } else { self.below(40) };
            let value = (self.below(4) > 0).then(|| vec![7; size as usize].into());
            if steps.iter().all(|(other, _)| *other != key) {
                steps.push((key, value));
            }
        }
        steps
    }

    fn interest(&mut self, current: i64) -> Interest {
        let range = match self.below(4) {
            0 => KeyRange::One(self.key()),
            1 => KeyRange::From(self.key()),
            2 => KeyRange::From(Bytes::from_static(b"\0")),
            _ => KeyRange::Span("k03".into(), "k07".into()),
        };
        let start_revision = match self.below(5) {
            0 => 0,
            1 => current + 1 + self.below(40) as i64,
            2 => (current - self.below(6000) as i64).max(1),
            _ => (current - self.below(200) as i64).max(1),
        };
        let filter = match self.below(6) {
            0 => Filter { no_puts: true, no_deletes: false },
            1 => Filter { no_puts: false, no_deletes: true },
            _ => Filter::default(),
        };
        Interest { range, start_revision, filter }
    }
}

/// Every change: revision, kind and key.
#[derive(Default)]
struct Model {
    changes: RwLock<Vec<(i64, Kind, Bytes)>>,
    written: AtomicBool,
    live: Mutex<HashSet<Bytes>>,
}

/// A watcher and where it stands in the model.
struct Expected {
    id: i64,
    interest: Interest,
    place: usize,
    is_compacted: bool,
}

impl Expected {
    fn wants(&self, kind: Kind, key: &[u8]) -> bool {
        let Filter { no_puts, no_deletes } = self.interest.filter;
        let is_left_out = if kind == Kind::Put { no_puts } else { no_deletes };
        !is_left_out && self.interest.range.contains(key)
    }

    /// The next change that it must be told of.
    fn expected<'m>(
        &mut self,
        changes: &'m [(i64, Kind, Bytes)],
    ) -> Option<&'m (i64, Kind, Bytes)> {
        while let Some(change) = changes.get(self.place) {
            if change.0 >= self.interest.start_revision && self.wants(change.1, &change.2) {
                return Some(change);
            }
            self.place += 1;
        }
        None
    }

    fn take(&mut self, changed: &Changed, model: &Model) {
        let changes = model.changes.read();
        let mut last = 0;
        for change in changed.iter() {
            let (revision, kind, key) = self.expected(&changes).expect("something happened");
            assert_eq!((change.kv.mod_revision, change.kind), (*revision, *kind));
            assert_eq!(change.kv.key, *key);
            self.place += 1;
            last = *revision;
        }
        assert!(last > 0 && last <= changed.revision);
        if let Some((revision, _, _)) = self.expected(&changes) {
            assert!(*revision > last, "a revision is told at once");
        }
    }

    /// All up to `revision` must have been told.
    fn has_all(&mut self, revision: i64, model: &Model) {
        if let Some((missing, _, _)) = self.expected(&model.changes.read()) {
            assert!(*missing > revision, "{missing} was left out before {revision}");
        }
    }
}

fn write(mut bench: Bench, model: &Model) -> Bench {
    let mut dice = Dice(1);
    for batch in 0..BATCHES {
        let txns: Vec<_> = (0..=dice.below(6)).map(|_| dice.steps()).collect();
        record(&mut bench, txns, model);
        let revision = bench.writer.revision();
        match dice.below(200) {
            0 if revision - 3000 > bench.writer.compact_revision() => {
                bench.compact(revision - 3000)
            }
            1 => bench.hub.reload(revision),
            2 if batch % 2 == 0 && bench.writer.compact_revision() < revision => {
                bench.compact(revision);
            }
            _ => {}
        }
    }
    model.written.store(true, Ordering::Release);
    bench
}

/// Executes transactions; the model knows of them before any watcher does.
fn record(bench: &mut Bench, txns: Vec<Steps>, model: &Model) {
    let mut live = model.live.lock();
    let mut revision = bench.writer.revision();
    let mut changes = Vec::new();
    for steps in &txns {
        let before = changes.len();
        for (key, value) in steps {
            let kind = if value.is_some() { Kind::Put } else { Kind::Tombstone };
            let was_live =
                if value.is_some() { live.insert(key.clone()) } else { live.remove(key) };
            if kind == Kind::Put || was_live {
                changes.push((revision + 1, kind, key.clone()));
            }
        }
        revision += i64::from(changes.len() > before);
    }
    bench.batch(txns, |made| {
        assert_eq!(made, revision);
        model.changes.write().extend(changes);
    });
}

/// Opens feeds, reads from them for a while at some pace, and once the writer has ended reads one
/// to the end. How many changes it was told of.
async fn read(hub: crate::Hub, model: Arc<Model>, mut dice: Dice) -> usize {
    let mut taken = 0;
    loop {
        let is_last = model.written.load(Ordering::Acquire);
        let mut feed = hub.feed();
        let mut all = Vec::new();
        for _ in 0..=dice.below(4) {
            all.push(begin(&mut feed, &mut dice, &model));
        }
        let laziness = dice.below(3);
        let (mut left, mut tries) = (dice.below(400), 0);
        while left > 0 || is_last {
            left = left.saturating_sub(1);
            feed.request_progress();
            let Ok(told) = tokio::time::timeout(PATIENCE, feed.next()).await else {
                // A progress that was asked for too early is never told.
                tries += 1;
                assert!(tries < TRIES, "the feed does not catch up");
                if is_last { continue } else { break }
            };
            let told = told.expect("a readable store");
            if let Told::Changed(changed) = &told {
                taken += changed.iter().count();
            }
            if check(told, &mut all, &model, is_last) {
                break;
            }
            for _ in 0..laziness * dice.below(30) {
                tokio::task::yield_now().await;
            }
            if dice.below(100) == 0 {
                let gone = all.swap_remove(dice.below(all.len() as u64) as usize);
                assert!(feed.cancel(gone.id).is_some());
                all.push(begin(&mut feed, &mut dice, &model));
            }
        }
        if is_last {
            return taken;
        }
    }
}

fn begin(feed: &mut Feed, dice: &mut Dice, model: &Model) -> Expected {
    let known = model.changes.read().last().map_or(1, |change| change.0);
    let mut interest = dice.interest(known);
    if model.written.load(Ordering::Acquire) {
        interest.start_revision = interest.start_revision.min(known);
    }
    let begun = feed.watch(0, interest.clone()).expect("a range with keys");
    if interest.start_revision == 0 {
        interest.start_revision = begun.revision + 1;
    }
    Expected { id: begun.id, interest, place: 0, is_compacted: false }
}

/// Whether the feed has said everything, at the end.
fn check(told: Told, all: &mut [Expected], model: &Model, is_last: bool) -> bool {
    match told {
        Told::Changed(changed) => {
            let of = all.iter_mut().find(|expected| expected.id == changed.id);
            let of = of.expect("a watcher that was not cancelled");
            assert!(!of.is_compacted);
            of.take(&changed, model);
            false
        }
        Told::Compacted { id, compact_revision } => {
            let of = all.iter_mut().find(|expected| expected.id == id).expect("a watcher");
            assert!(compact_revision > of.interest.start_revision && !of.is_compacted);
            of.is_compacted = true;
            is_last
        }
        Told::Progress { id, revision } => {
            assert_eq!(id, None);
            for expected in all.iter_mut() {
                // A notice may be older than a watcher that needs nothing up to it.
                assert!(!expected.is_compacted || expected.interest.start_revision > revision);
                expected.has_all(revision, model);
            }
            let newest = model.changes.read().last().map_or(1, |change| change.0);
            is_last && revision == newest
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn no_watcher_misses_or_repeats_anything() {
    let model = Arc::new(Model::default());
    let mut bench = Bench::new();
    let mut dice = Dice(7);
    for _ in 0..OLD_REVISIONS / 6 {
        let txns = (0..6).map(|_| dice.steps()).collect();
        record(&mut bench, txns, &model);
    }
    let hub = bench.hub.clone();
    let readers: Vec<_> = (0..READERS)
        .map(|reader| tokio::spawn(read(hub.clone(), model.clone(), Dice(reader * 1000))))
        .collect();
    let writer = {
        let model = model.clone();
        tokio::task::spawn_blocking(move || write(bench, &model))
    };
    let bench = writer.await.expect("the writer ends");
    let mut taken = 0;
    for reader in readers {
        taken += reader.await.expect("all watchers were told what they must be");
    }
    // How many words they come in depends on who runs when, how many changes there are hardly.
    assert!(taken > 10_000, "{taken}");
    assert_eq!(bench.hub.shared.feeds.load(Ordering::Acquire), 0);
    assert!(bench.hub.shared.lock().index.drain().is_empty(), "feeds leave nobody behind");
}
