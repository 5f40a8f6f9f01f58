//! Writers that remember what they tried and what was acknowledged.

use crate::{Client, Failure};
use etcd_proto::mvccpb::KeyValue;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A writer that waits longer tries another member; the put may happen all the same.
const PUT_DEADLINE: Duration = Duration::from_secs(3);

/// Longer than the seven seconds after which a server answers that it could not.
const PATIENT_DEADLINE: Duration = Duration::from_secs(15);

/// A writer whose member is down tries the next one after this, so that the record does not fill
/// with failures.
const AFTER_FAILURE: Duration = Duration::from_millis(20);

/// Writers at work, each on a thread of its own. Every put is of a new key and is tried once.
pub struct History {
    shared: Arc<Shared>,
    writers: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stopped: AtomicBool,
    record: Mutex<Record>,
    acknowledged_more: Condvar,
}

/// What was tried, and what came of it.
#[derive(Debug, Default)]
pub struct Record {
    /// Every key that was tried; with the revision of the answer when there was one.
    pub tried: BTreeMap<String, Option<i64>>,
    /// How many puts were acknowledged.
    pub acknowledged: usize,
    /// Answers count as none: see [`History::doubt`].
    is_doubted: bool,
    /// Every failure, and how long the put took to fail.
    pub failures: Vec<(Failure, Duration)>,
}

impl History {
    /// Starts writers that spread over the members at these URLs.
    pub fn start(urls: &[String], writers: usize, prefix: &str) -> History {
        History::with_deadline(urls, writers, prefix, PUT_DEADLINE)
    }

    /// The same, with writers that wait until the server itself gives up.
    pub fn patient(urls: &[String], writers: usize, prefix: &str) -> History {
        History::with_deadline(urls, writers, prefix, PATIENT_DEADLINE)
    }

    fn with_deadline(urls: &[String], writers: usize, prefix: &str, deadline: Duration) -> History {
        let shared = Arc::new(Shared::default());
        let writers = (0..writers).map(|number| {
            let shared = Arc::clone(&shared);
            let urls = urls.to_vec();
            let prefix = format!("{prefix}{number}-");
            std::thread::spawn(move || {
                let clients: Vec<Client> =
                    urls.iter().map(|url| Client::new(url).with_deadline(deadline)).collect();
                shared.write(&clients, number, &prefix);
            })
        });
        History { writers: writers.collect(), shared }
    }

    /// How many puts were acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.shared.lock().acknowledged
    }

    /// Waits until so many more puts are acknowledged than are by now.
    ///
    /// # Panics
    ///
    /// When the time is up first: the cluster does not serve.
    #[track_caller]
    pub fn wait_for_more(&self, count: usize, limit: Duration) {
        let deadline = Instant::now() + limit;
        let mut record = self.shared.lock();
        let wanted = record.acknowledged + count;
        while record.acknowledged < wanted {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{} of {count} puts not acknowledged within {limit:?}; last failure: {:?}",
                wanted - record.acknowledged,
                record.failures.last()
            );
            let waited = self.shared.acknowledged_more.wait_timeout(record, left);
            record = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Does what may take back what is acknowledged from here on, until it is done.
    pub fn doubt(&self, act: impl FnOnce()) {
        self.shared.lock().is_doubted = true;
        act();
        self.shared.lock().is_doubted = false;
    }

    /// Stops the writers and returns what they remember.
    ///
    /// # Panics
    ///
    /// When a writer did.
    pub fn finish(mut self) -> Record {
        self.shared.stopped.store(true, Ordering::Relaxed);
        for writer in self.writers.drain(..) {
            writer.join().expect("writers do not panic");
        }
        std::mem::take(&mut self.shared.lock())
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One writer's life.
    fn write(&self, clients: &[Client], number: usize, prefix: &str) {
        let mut turn = number;
        for sequence in 0_u64.. {
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            let key = format!("{prefix}{sequence:08}");
            // Before the put: a failed one may have happened.
            self.lock().tried.insert(key.clone(), None);
            let begun = Instant::now();
            match clients[turn % clients.len()].put(&key, &value_of(&key)) {
                Ok(revision) => {
                    let mut record = self.lock();
                    if record.is_doubted {
                        continue;
                    }
                    record.tried.insert(key, Some(revision));
                    record.acknowledged += 1;
                    drop(record);
                    self.acknowledged_more.notify_all();
                }
                Err(failure) => {
                    self.lock().failures.push((failure, begun.elapsed()));
                    turn += 1;
                    std::thread::sleep(AFTER_FAILURE);
                }
            }
        }
    }
}

impl Record {
    /// Holds what a member has against what was written: everything acknowledged is there, once,
    /// at the revision of its answer; and nothing is there that was never tried.
    ///
    /// # Panics
    ///
    /// When that is not so.
    #[track_caller]
    pub fn check(&self, member: &str, there: &[KeyValue]) {
        let mut found: BTreeMap<String, &KeyValue> = BTreeMap::new();
        for kv in there {
            let key = String::from_utf8_lossy(&kv.key).into_owned();
            assert!(self.tried.contains_key(&key), "{member} has {key}, never written");
            assert_eq!(kv.value, value_of(&key), "{member}: the value of {key}");
            assert_eq!(kv.version, 1, "{member} applied {key} more than once");
            found.insert(key, kv);
        }
        for (key, revision) in &self.tried {
            let Some(revision) = revision else { continue };
            let Some(kv) = found.get(key) else {
                panic!("{member} lost {key}, acknowledged at revision {revision}");
            };
            assert_eq!(kv.mod_revision, *revision, "{member}: the revision of {key}");
        }
    }
}

/// The one value that a key may have.
fn value_of(key: &str) -> String {
    format!("the value of {key}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let tried = [("k/1", Some(2)), ("k/2", None)];
        let tried = tried.map(|(key, revision)| (key.to_owned(), revision)).into();
        Record { tried, acknowledged: 1, ..Record::default() }
    }

    fn kv(key: &str, revision: i64) -> KeyValue {
        KeyValue {
            key: key.to_owned().into(),
            value: value_of(key).into(),
            mod_revision: revision,
            version: 1,
            ..Default::default()
        }
    }

    #[test]
    fn what_was_acknowledged_is_enough_and_what_was_tried_is_allowed() {
        record().check("m", &[kv("k/1", 2)]);
        record().check("m", &[kv("k/1", 2), kv("k/2", 3)]);
    }

    #[test]
    #[should_panic(expected = "m lost k/1, acknowledged at revision 2")]
    fn a_lost_put_is_noticed() {
        record().check("m", &[kv("k/2", 3)]);
    }

    #[test]
    #[should_panic(expected = "m has k/3, never written")]
    fn a_key_out_of_nowhere_is_noticed() {
        record().check("m", &[kv("k/1", 2), kv("k/3", 3)]);
    }

    #[test]
    #[should_panic(expected = "m applied k/1 more than once")]
    fn a_put_that_happened_twice_is_noticed() {
        record().check("m", &[KeyValue { version: 2, ..kv("k/1", 2) }]);
    }

    #[test]
    #[should_panic(expected = "the revision of k/1")]
    fn a_put_at_another_revision_than_was_answered_is_noticed() {
        record().check("m", &[kv("k/1", 3)]);
    }

    #[test]
    #[should_panic(expected = "the value of k/1")]
    fn another_value_is_noticed() {
        record().check("m", &[KeyValue { value: "x".into(), ..kv("k/1", 2) }]);
    }
}
