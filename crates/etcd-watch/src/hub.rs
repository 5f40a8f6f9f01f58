//! Where changes are told once, to all watchers that have caught up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use etcd_mvcc::{Event, Mvcc};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Semaphore;

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
}

/// What the hub knows. It is locked for short steps, by the applier too.
#[derive(Debug)]
pub(crate) struct State {
    /// The newest revision that watchers were told of.
    pub(crate) revision: i64,
    pub(crate) index: Index<Entry>,
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
        let state =
            State { revision: mvcc.revision(), index: Index::default(), tail: Tail::default() };
        let shared = Shared {
            mvcc,
            state: Mutex::new(state),
            feeds: AtomicUsize::new(0),
            reloads: AtomicU64::new(0),
            readers: Arc::new(Semaphore::new(READERS)),
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
        for changes in &stretch[..] {
            state.tell(changes);
        }
        state.tail.push(stretch);
    }

    /// The store began anew, at `revision`, with contents from elsewhere: all watchers find in the
    /// past what they have not been told yet.
    pub fn reload(&self, revision: i64) {
        self.shared.reloads.fetch_add(1, Ordering::AcqRel);
        self.shared.lock().skip_to(revision);
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
    /// Tells all watchers in the hub of the next revision.
    fn tell(&mut self, changes: &Arc<Changes>) {
        let revision = changes.revision;
        let mut fallen = Vec::new();
        let admits =
            |entry: &Entry, change: &_| entry.from <= revision && entry.watcher.admits(change);
        self.index.deal(changes, admits, |Entry { watcher, .. }, picks| {
            let part = Part { changes: Arc::clone(changes), picks };
            if watcher.inbox.offer(watcher, part) == Offered::Refused {
                fallen.push(Arc::clone(watcher));
            }
        });
        for watcher in fallen {
            self.remove(&watcher);
        }
        self.revision = revision;
    }

    /// Goes on at another revision without telling of those between: whoever needs one falls
    /// behind.
    fn skip_to(&mut self, revision: i64) {
        let told = self.revision;
        self.tail.clear();
        for entry in self.index.drain() {
            let Entry { watcher, from } = &entry;
            if *from > revision {
                self.index.insert(&watcher.range.clone(), entry);
            } else {
                watcher.inbox.fall(watcher, (told + 1).max(*from));
            }
        }
        self.revision = revision;
    }

    pub(crate) fn insert(&mut self, watcher: Arc<Watcher>, from: i64) {
        self.index.insert(&watcher.range.clone(), Entry { watcher, from });
    }

    /// Takes a watcher out, if it is here.
    pub(crate) fn remove(&mut self, watcher: &Arc<Watcher>) {
        self.index.remove(&watcher.range, |entry| Arc::ptr_eq(&entry.watcher, watcher));
    }
}
