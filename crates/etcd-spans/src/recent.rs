//! The last requests of each family, and those under way.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use etcd_figures::{Distribution, Histogram, Scale};
use parking_lot::Mutex;

use crate::trace::Trace;
use crate::{Incoming, Journal, TraceFacts};

/// How many requests each place of a family keeps.
const KEPT: usize = 10;
/// How many of those under way are shown.
const SHOWN: usize = 100;
/// How many families there are at most; what comes then shares one.
const MAX_FAMILIES: usize = 64;
/// What families' names begin with, as in etcd.
const FAMILY: &str = "grpc.Recv.";
/// The family of all that find no place.
const OTHERS: &str = "others";
/// Requests that took at least so long are remembered together.
const LIMITS: [Duration; 8] = [
    Duration::ZERO,
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(10),
    Duration::from_secs(100),
];
const PLACES: usize = LIMITS.len() + 1;
/// From 0.1 ms on, each place of the distribution reaches twice as far.
const SCALE: Scale = Scale::seconds(0.0001, 24);

/// What is remembered of requests. Cheap to clone. It has a bound, whatever comes.
#[derive(Clone, Default)]
pub struct Recent {
    families: Arc<Mutex<BTreeMap<String, Family>>>,
    /// What is remembered of the server itself.
    pub journal: Journal,
}

/// Where a family keeps requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Those that are under way.
    Active,
    /// Those that took at least this long.
    Slow(Duration),
    /// Those that failed.
    Failed,
}

/// How many requests a family has to show.
#[derive(Debug)]
pub struct FamilyFacts {
    /// What it is called.
    pub name: String,
    /// How many are under way.
    pub active: usize,
    /// How many there are at each place, in the order of [`Place::ALL_OVER`].
    pub over: Vec<usize>,
    /// How long all took that have ended.
    pub times: Distribution,
}

struct Family {
    next: u64,
    active: BTreeMap<u64, Arc<Trace>>,
    over: [VecDeque<Arc<Trace>>; PLACES],
    times: Histogram,
}

impl Place {
    /// The places of those that have ended.
    pub const ALL_OVER: [Place; PLACES] = {
        let mut places = [Place::Failed; PLACES];
        let mut number = 0;
        while number < LIMITS.len() {
            places[number] = Place::Slow(LIMITS[number]);
            number += 1;
        }
        places
    };
}

impl Recent {
    /// A request begins: its family is the service that it asks.
    pub(crate) fn begin(&self, call: &Incoming<'_>) -> Remembered {
        self.begin_in(&format!("{FAMILY}{}", call.service()), call.path)
    }

    fn begin_in(&self, family: &str, title: &str) -> Remembered {
        let trace = Arc::new(Trace::begin(title));
        let mut families = self.families.lock();
        let is_room = families.len() < MAX_FAMILIES || families.contains_key(family);
        let name = if is_room { family } else { OTHERS };
        let family = families.entry(name.to_owned()).or_insert_with(Family::new);
        let number = family.next;
        family.next += 1;
        family.active.insert(number, trace.clone());
        Remembered { recent: self.clone(), family: name.to_owned(), number, trace }
    }

    /// All families, by name.
    pub fn families(&self) -> Vec<FamilyFacts> {
        let families = self.families.lock();
        let facts = families.iter().map(|(name, family)| FamilyFacts {
            name: name.clone(),
            active: family.active.len(),
            over: family.over.iter().map(VecDeque::len).collect(),
            times: family.times.distribution(),
        });
        facts.collect()
    }

    /// The requests at a place of a family, newest first.
    pub fn requests(&self, family: &str, place: Place) -> Vec<TraceFacts> {
        let families = self.families.lock();
        let Some(family) = families.get(family) else { return Vec::new() };
        let traces: Vec<Arc<Trace>> = match place {
            Place::Active => family.active.values().rev().take(SHOWN).cloned().collect(),
            over => {
                let number = Place::ALL_OVER.iter().position(|place| *place == over);
                let traces = number.map(|number| family.over[number].iter().rev().cloned());
                traces.into_iter().flatten().collect()
            }
        };
        drop(families);
        traces.iter().map(|trace| trace.facts()).collect()
    }
}

impl Family {
    fn new() -> Family {
        Family {
            next: 0,
            active: BTreeMap::new(),
            over: std::array::from_fn(|_| VecDeque::with_capacity(KEPT)),
            times: Histogram::new(SCALE),
        }
    }

    fn keep(&mut self, trace: &Arc<Trace>, took: Duration, has_failed: Failing) {
        self.times.note_time(took);
        for (place, kept) in Place::ALL_OVER.into_iter().zip(&mut self.over) {
            let belongs = match place {
                Place::Slow(limit) => took >= limit,
                Place::Failed => has_failed == Failing::Yes,
                Place::Active => false,
            };
            if belongs {
                if kept.len() == KEPT {
                    kept.pop_front();
                }
                kept.push_back(trace.clone());
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Failing {
    Yes,
    No,
}

/// A request under way that is remembered.
pub(crate) struct Remembered {
    recent: Recent,
    family: String,
    number: u64,
    pub(crate) trace: Arc<Trace>,
}

impl Remembered {
    /// The server is to blame for how it ends.
    pub(crate) fn blame(&self, error: &str) {
        self.recent.journal.fail(format!("{}: {error}", self.trace.title()));
    }

    /// It is over.
    pub(crate) fn end(self, error: Option<String>) {
        let failing = if error.is_some() { Failing::Yes } else { Failing::No };
        let took = self.trace.end(error);
        let mut families = self.recent.families.lock();
        if let Some(family) = families.get_mut(&self.family) {
            family.active.remove(&self.number);
            family.keep(&self.trace, took, failing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_are_kept_by_how_long_they_took_and_how_they_ended() {
        let recent = Recent::default();
        let fast = recent.begin_in("kv", "/kv/Range");
        let slow = recent.begin_in("kv", "/kv/Put");
        assert_eq!(recent.requests("kv", Place::Active).len(), 2);
        fast.end(None);
        tokio::time::advance(Duration::from_millis(150)).await;
        slow.end(Some("late".to_owned()));
        let family = &recent.families()[0];
        assert_eq!((family.name.as_str(), family.active), ("kv", 0));
        assert_eq!(family.over, [2, 1, 1, 0, 0, 0, 0, 0, 1]);
        assert_eq!(family.times.count, 2);
        let found = recent.requests("kv", Place::Slow(Duration::from_millis(100)));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].title.as_str(), found[0].took.as_millis()), ("/kv/Put", 150));
        assert_eq!(recent.requests("kv", Place::Failed), found);
        assert_eq!(recent.requests("none", Place::Active), []);
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let recent = Recent::default();
        for number in 0..MAX_FAMILIES * 2 {
            recent.begin_in(&format!("{number:03}"), "/s/M").end(None);
        }
        for _ in 0..KEPT * 2 {
            recent.begin_in("000", "/s/M").end(None);
        }
        let families = recent.families();
        assert_eq!(families.len(), MAX_FAMILIES + 1);
        assert_eq!(families[0].over[0], KEPT);
        assert!(families.iter().any(|family| family.name == OTHERS));
    }
}
