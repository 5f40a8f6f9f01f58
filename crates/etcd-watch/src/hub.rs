//! Where changes are told once, to all watchers that have caught up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use etcd_mvcc::{Event, Mvcc};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Semaphore;

use crate::Figures;
use crate::changes::{Changes, Part};
use crate::feed::Feed;
use crate::inbox::Offered;
use crate::index::Index;
use crate::tail::{Stretch, Tail};
use crate::watcher::Watcher;

/// How many feeds may read the past from storage at the same time.
const READERS: usize = 4;

/// The place where the applier tells what changed. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) mvcc: Mvcc,
    state: Mutex<State>,
    /// Open feeds: without one nobody needs to be told anything.
    pub(crate) feeds: AtomicUsize,
    /// How often the store began anew.
    pub(crate) reloads: AtomicU64,
    pub(crate) readers: Arc<Semaphore>,
    pub(crate) figures: Figures,
}

/// What the hub knows. It is locked for short steps, by the applier too.
#[derive(Debug)]
pub(crate) struct State {
    /// The newest revision that watchers were told of.
    pub(crate) revision: i64,
    pub(crate) index: Index<Entry>,
    /// Watchers in the index.
    watchers: usize,
    pub(crate) tail: Tail,
}

/// A watcher that has been told everything before `from`, and gets everything from there on.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) watcher: Arc<Watcher>,
    pub(crate) from: i64,
}

/// What one batch changes, collected while it is made.
#[derive(Debug, Default)]
pub struct News {
    is_wanted: bool,
    told: Vec<Arc<Changes>>,
}

impl News {
    /// Whether anybody may want to know. If not, nothing needs to be [added](News::add).
    pub fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// Adds what one transaction changed; they come in order.
    pub fn add(&mut self, events: Vec<Event>) {
        if self.is_wanted {
            self.told.extend(Changes::of_txn(events));
        }
    }
}

impl Hub {
    /// A hub for the changes of a store from now on.
    pub fn new(mvcc: Mvcc) -> Hub {
        let state = State {
            revision: mvcc.revision(),
            index: Index::default(),
            watchers: 0,
            tail: Tail::default(),
        };
        let shared = Shared {
            mvcc,
            state: Mutex::new(state),
            feeds: AtomicUsize::new(0),
            reloads: AtomicU64::new(0),
            readers: Arc::new(Semaphore::new(READERS)),
            figures: Figures::default(),
        };
        Hub { shared: Arc::new(shared) }
    }

    /// Begins to collect the next batch's changes.
    pub fn news(&self) -> News {
        let is_wanted = self.shared.feeds.load(Ordering::Acquire) > 0;
        News { is_wanted, told: Vec::new() }
    }

    /// Tells what a batch changed, once readers of the store see it; `revision` is the store's now.
    ///
    /// If nobody wanted the news when the batch began, watchers that came since find them in the
    /// past.
    pub fn publish(&self, news: News, revision: i64) {
        let stretch: Stretch = news.told.into();
        let mut state = self.shared.lock();
        if revision == state.revision {
            return;
        }
        let is_whole = stretch.first().is_some_and(|first| first.revision == state.revision + 1)
            && stretch.last().is_some_and(|last| last.revision == revision);
        if !is_whole {
            state.skip_to(revision);
            return;
        }
        let queued: usize = stretch.iter().map(|changes| state.tell(changes)).sum();
        state.tail.push(stretch);
        if queued > 0 {
            self.shared.figures.pending.add(queued as u64);
        }
    }

    /// The store began anew, at `revision`, with contents from elsewhere: all watchers find in the
    /// past what they have not been told yet.
    pub fn reload(&self, revision: i64) {
        self.shared.reloads.fetch_add(1, Ordering::AcqRel);
        self.shared.lock().skip_to(revision);
    }

    /// What was counted so far.
    pub fn figures(&self) -> &Figures {
        &self.shared.figures
    }

    /// How many feeds are open.
    pub fn feeds(&self) -> usize {
        self.shared.feeds.load(Ordering::Acquire)
    }

    /// How many watchers are behind.
    pub fn watchers_behind(&self) -> u64 {
        let caught_up = self.shared.lock().watchers as u64;
        self.shared.figures.watchers.get().saturating_sub(caught_up)
    }

    /// Opens a feed without watchers.
    pub fn feed(&self) -> Feed {
        Feed::new(self.clone())
    }
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    /// Tells all watchers in the hub of the next revision. Answers how many changes it put into
    /// queues.
    fn tell(&mut self, changes: &Arc<Changes>) -> usize {
        let revision = changes.revision;
        let (mut fallen, mut queued) = (Vec::new(), 0);
        let admits =
            |entry: &Entry, change: &_| entry.from <= revision && entry.watcher.admits(change);
        self.index.deal(changes, admits, |Entry { watcher, .. }, picks| {
            let part = Part { changes: Arc::clone(changes), picks };
            let count = part.count();
            if watcher.inbox.offer(watcher, part) == Offered::Refused {
                fallen.push(Arc::clone(watcher));
            } else {
                queued += count;
            }
        });
        for watcher in fallen {
            self.remove(&watcher);
        }
        self.revision = revision;
        queued
    }

    /// Goes on at another revision without telling of those between: whoever needs one falls
    /// behind.
    fn skip_to(&mut self, revision: i64) {
        let told = self.revision;
        self.tail.clear();
        self.watchers = 0;
        for entry in self.index.drain() {
            let Entry { watcher, from } = &entry;
            if *from > revision {
                self.index.insert(&watcher.range.clone(), entry);
                self.watchers += 1;
            } else {
                watcher.inbox.fall(watcher, (told + 1).max(*from));
            }
        }
        self.revision = revision;
    }

    pub(crate) fn insert(&mut self, watcher: Arc<Watcher>, from: i64) {
        self.index.insert(&watcher.range.clone(), Entry { watcher, from });
        self.watchers += 1;
    }

    /// Takes a watcher out, if it is here.
    pub(crate) fn remove(&mut self, watcher: &Arc<Watcher>) {
        let removed =
            self.index.remove(&watcher.range, |entry| Arc::ptr_eq(&entry.watcher, watcher));
        self.watchers -= usize::from(removed.is_some());
    }
}
