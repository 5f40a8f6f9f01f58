//! A client's stream: watchers, and the next word of one of them.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use etcd_mvcc::KeyRange;

use crate::Error;
use crate::changes::Changes;
use crate::group::{self, Group};
use crate::hub::Hub;
use crate::inbox::{Inbox, Notice, Offered, Word};
use crate::tail::Rest;
use crate::told::{Changed, Parts, Told};
use crate::watcher::{Behind, Interest, Watcher};

/// So many revisions are told to watchers that are about to join the hub while it is held.
const LAST_REVISIONS: usize = 64;

/// Watchers whose words come out one after the other. Dropping it ends them all.
///
/// Reading the past goes on only while somebody asks for the [next](Feed::next) word.
pub struct Feed {
    hub: Hub,
    inbox: Arc<Inbox>,
    watchers: BTreeMap<i64, Standing>,
    /// Where the search for a free id begins.
    next_id: i64,
    /// Watchers begun so far.
    begun: u64,
    /// Notices on the whole feed that wait in the inbox.
    notices: usize,
    /// Watchers that are to be told the past, in the order of their turns.
    behind: VecDeque<Behind>,
    /// What they are told next; it comes before the inbox.
    ready: VecDeque<Told>,
    /// Some of them, while their past is read.
    reading: Option<Reading>,
}

/// A watcher of the feed.
struct Standing {
    watcher: Arc<Watcher>,
    /// How many watchers had begun before it.
    number: u64,
    lot: Lot,
}

/// Whether a watcher is told anything.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lot {
    Told,
    /// What it needs is compacted.
    Compacted,
}

/// A watcher that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    /// Its id.
    pub id: i64,
    /// The store's revision when it began.
    pub revision: i64,
}

type Reading = Pin<Box<dyn Future<Output = Read> + Send>>;

/// A stretch of the past, read.
struct Read {
    outcome: Result<(), Error>,
    group: Group,
    /// How often the store had begun anew before.
    reloads: u64,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Feed")
            .field("watchers", &self.watchers.len())
            .finish_non_exhaustive()
    }
}

impl Feed {
    pub(crate) fn new(hub: Hub) -> Feed {
        hub.shared.feeds.fetch_add(1, Ordering::AcqRel);
        Feed {
            hub,
            inbox: Arc::default(),
            watchers: BTreeMap::new(),
            next_id: 0,
            begun: 0,
            notices: 0,
            behind: VecDeque::new(),
            ready: VecDeque::new(),
            reading: None,
        }
    }

    /// Begins a watcher. The id 0 means that the feed shall choose one: the lowest from 0 on that
    /// was not chosen before and is not in use.
    ///
    /// # Errors
    /// `EmptyRange`, `DuplicateId`.
    pub fn watch(&mut self, id: i64, interest: Interest) -> Result<Begun, Error> {
        if let KeyRange::Span(start, end) = &interest.range
            && start >= end
        {
            return Err(Error::EmptyRange);
        }
        let id = self.claim(id)?;
        let watcher = Watcher::new(id, interest, &self.inbox);
        let (number, lot) = (self.begun, Lot::Told);
        self.begun += 1;
        self.watchers.insert(id, Standing { watcher: Arc::clone(&watcher), number, lot });
        self.hub.shared.figures.watchers.add(1);
        let mut state = self.hub.shared.lock();
        // Readers see a batch shortly before the hub is told of it.
        let revision = state.revision.max(self.hub.shared.mvcc.revision());
        let next = match watcher.start_revision {
            0 => revision + 1,
            start => start,
        };
        if next > state.revision {
            state.insert(watcher, next);
        } else {
            self.behind.push_back(Behind { watcher, next });
        }
        Ok(Begun { id, revision })
    }

    fn claim(&mut self, id: i64) -> Result<i64, Error> {
        if id != 0 {
            let is_used = self.watchers.contains_key(&id);
            return if is_used { Err(Error::DuplicateId) } else { Ok(id) };
        }
        while self.watchers.contains_key(&self.next_id) {
            self.next_id += 1;
        }
        self.next_id += 1;
        Ok(self.next_id - 1)
    }

    /// Ends a watcher: it has said its last word. `None` if there is no such watcher, else the
    /// store's revision.
    pub fn cancel(&mut self, id: i64) -> Option<i64> {
        let Standing { watcher, .. } = self.watchers.remove(&id)?;
        self.hub.shared.figures.watchers.take(1);
        let mut state = self.hub.shared.lock();
        state.remove(&watcher);
        let revision = state.revision.max(self.hub.shared.mvcc.revision());
        drop(state);
        self.inbox.forget(&watcher);
        self.behind.retain(|behind| !Arc::ptr_eq(&behind.watcher, &watcher));
        self.ready.retain(|told| told_of(told) != Some(id));
        Some(revision)
    }

    /// Asks for a word on how far the whole feed is. There is none unless all its watchers have
    /// caught up and begun, nor if there are none, nor if the queue is full (as in etcd).
    pub fn request_progress(&mut self) {
        let ids: Vec<_> = self.watchers.keys().copied().collect();
        self.offer_progress(None, &ids);
    }

    /// The same for one watcher.
    pub fn request_progress_of(&mut self, id: i64) {
        self.offer_progress(Some(id), &[id]);
    }

    fn offer_progress(&mut self, id: Option<i64>, of: &[i64]) {
        // Held to the end: nothing newer may be told before the notice.
        let state = self.hub.shared.lock();
        let is_current = |id: &i64| {
            self.watchers.get(id).is_some_and(|Standing { watcher, lot, .. }| {
                *lot == Lot::Told
                    && watcher.start_revision <= state.revision
                    && !self.behind.iter().any(|behind| behind.watcher.id == *id)
            })
        };
        if self.reading.is_none() && !of.is_empty() && of.iter().all(is_current) {
            let (revision, begun) = (state.revision, self.begun);
            let offered = self.inbox.offer_progress(Notice { id, revision, begun });
            if id.is_none() && offered == Offered::Taken {
                self.notices += 1;
            }
        }
    }

    /// Whether a word on the whole feed that was asked for is still to come. It is not told any more
    /// once a watcher begins in the past: whoever wants it told waits for it first.
    pub fn owes_progress(&self) -> bool {
        self.notices > 0
    }

    /// Whether a notice is still true for all watchers that there are now: it may be older than one
    /// that is to be told the past.
    fn holds(&self, Notice { id, revision, begun }: Notice) -> bool {
        let is_older = |standing: &Standing| {
            standing.number >= begun && (1..=revision).contains(&standing.watcher.start_revision)
        };
        match id {
            Some(id) => self.watchers.get(&id).is_some_and(|standing| standing.number < begun),
            None => !self.watchers.values().any(is_older),
        }
    }

    /// The next word. It waits until there is one; nothing is lost when the wait is given up.
    ///
    /// # Errors
    /// `Mvcc` when the past cannot be read. Other watchers' words may be lost then.
    pub async fn next(&mut self) -> Result<Told, Error> {
        loop {
            self.take_over().await?;
            if let Some(told) = self.take() {
                return Ok(told);
            }
            match &mut self.reading {
                None => self.inbox.wait().await,
                Some(reading) => tokio::select! {
                    () = self.inbox.wait() => {}
                    read = reading => self.end_reading(read)?,
                },
            }
        }
    }

    /// The next word, if it is there already.
    pub fn next_ready(&mut self) -> Option<Told> {
        self.take()
    }

    /// Takes over what was read, if it is there already.
    async fn take_over(&mut self) -> Result<(), Error> {
        let Some(reading) = &mut self.reading else { return Ok(()) };
        let read = std::future::poll_fn(|context| {
            Poll::Ready(match reading.as_mut().poll(context) {
                Poll::Ready(read) => Some(read),
                Poll::Pending => None,
            })
        });
        match read.await {
            Some(read) => self.end_reading(read),
            None => Ok(()),
        }
    }

    fn take(&mut self) -> Option<Told> {
        loop {
            if let Some(told) = self.ready.pop_front() {
                if let Told::Changed(changed) = &told {
                    self.hub.shared.figures.events.add(changed.count() as u64);
                }
                return Some(told);
            }
            self.catch_up();
            if !self.ready.is_empty() {
                continue;
            }
            let taken = self.inbox.take();
            let has_fallen = !taken.behind.is_empty();
            let alive = taken.behind.into_iter().filter(|fallen| is_alive(&self.watchers, fallen));
            self.behind.extend(alive);
            match taken.word {
                Some(Word::Progress(notice)) => {
                    self.notices -= usize::from(notice.id.is_none());
                    if self.holds(notice) {
                        let Notice { id, revision, .. } = notice;
                        return Some(Told::Progress { id, revision });
                    }
                }
                Some(Word::Changed(watcher, part)) => {
                    let behind = Behind { watcher, next: 0 };
                    let (figures, count) = (&self.hub.shared.figures, part.count() as u64);
                    figures.pending.take(count);
                    if is_alive(&self.watchers, &behind) {
                        figures.events.add(count);
                        let (id, revision) = (behind.watcher.id, part.changes.revision);
                        let parts = Parts::One(part);
                        return Some(Told::Changed(Changed { id, revision, parts }));
                    }
                }
                None if has_fallen => {}
                None => return None,
            }
        }
    }

    /// Brings watchers nearer to the present: from what the hub still has, else from storage.
    fn catch_up(&mut self) {
        if self.behind.is_empty() {
            return;
        }
        self.end_compacted();
        self.catch_up_from_tail();
        if self.ready.is_empty() && self.reading.is_none() {
            self.reading = self.start_reading();
        }
    }

    /// Gives up on watchers whose next revision is compacted.
    fn end_compacted(&mut self) {
        let compact_revision = self.hub.shared.mvcc.compact_revision();
        let Feed { behind, watchers, ready, .. } = self;
        behind.retain(|Behind { watcher, next }| {
            let is_readable = *next >= compact_revision;
            if !is_readable {
                if let Some(standing) = watchers.get_mut(&watcher.id) {
                    standing.lot = Lot::Compacted;
                }
                ready.push_back(Told::Compacted { id: watcher.id, compact_revision });
            }
            is_readable
        });
    }

    /// Tells watchers what the hub still has. Those that are through with it join the hub in the
    /// same step, so that nothing is left out or told twice.
    fn catch_up_from_tail(&mut self) {
        while self.ready.is_empty() {
            let mut state = self.hub.shared.lock();
            let newest = state.revision;
            // Of the compact revision's changes storage has only what a compaction leaves, and etcd
            // tells no more of them.
            let compacted = self.hub.shared.mvcc.compact_revision();
            let kept = state.tail.first().unwrap_or(newest + 1).max(compacted + 1);
            let (near, far): (Vec<_>, Vec<_>) =
                self.behind.drain(..).partition(|behind| behind.next >= kept);
            self.behind = far.into();
            if near.is_empty() {
                return;
            }
            let mut group = Group::new(near);
            let Some(rest) = state.tail.rest(group.first(), newest) else {
                unreachable!("all of the group is at or above the first revision kept")
            };
            let is_last = rest.revisions <= LAST_REVISIONS && rest.bytes <= group::BYTES;
            if is_last || rest.revisions <= 1 {
                revisions(&rest).for_each(|changes| group.add(changes));
                for Behind { watcher, next } in group.end(newest, &mut self.ready, |_| true) {
                    state.insert(watcher, next.max(newest + 1));
                }
                return;
            }
            drop(state);
            group.fill(revisions(&rest), newest + 1);
            self.behind.extend(group.end(newest, &mut self.ready, |_| true));
        }
    }

    /// Begins to read the past of the watcher whose turn it is, and of those behind that need
    /// nothing older.
    fn start_reading(&mut self) -> Option<Reading> {
        let first = self.behind.front()?.next;
        let (members, others): (Vec<_>, Vec<_>) =
            self.behind.drain(..).partition(|behind| behind.next >= first);
        self.behind = others.into();
        let group = Group::new(members);
        let shared = Arc::clone(&self.hub.shared);
        Some(Box::pin(async move {
            let reloads = shared.reloads.load(Ordering::Acquire);
            let permit = Arc::clone(&shared.readers).acquire_owned().await;
            let read = tokio::task::spawn_blocking(move || {
                let _permit = permit.expect("nobody closes the semaphore");
                group.read(&shared.mvcc)
            });
            match read.await {
                Ok((outcome, group)) => Read { outcome, group, reloads },
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // The runtime ends, and with it whoever waits.
                    Err(_) => std::future::pending().await,
                },
            }
        }))
    }

    fn end_reading(&mut self, read: Read) -> Result<(), Error> {
        self.reading = None;
        let Read { outcome, group, reloads } = read;
        let shared = &self.hub.shared;
        match outcome {
            // Whose past it was is found out next.
            Ok(()) | Err(Error::Mvcc(etcd_mvcc::Error::Compacted)) => {}
            // The store began anew meanwhile: it is read again.
            Err(_) if shared.reloads.load(Ordering::Acquire) != reloads => {}
            Err(error) => return Err(error),
        }
        let (revision, watchers) = (shared.mvcc.revision(), &self.watchers);
        let members = group.end(revision, &mut self.ready, |member| is_alive(watchers, member));
        self.behind.extend(members);
        Ok(())
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let mut state = self.hub.shared.lock();
        for Standing { watcher, .. } in self.watchers.values() {
            state.remove(watcher);
        }
        let figures = &self.hub.shared.figures;
        figures.watchers.take(self.watchers.len() as u64);
        // The words name their watchers, and those the inbox.
        figures.pending.take(self.inbox.clear() as u64);
        self.hub.shared.feeds.fetch_sub(1, Ordering::AcqRel);
    }
}

fn revisions(rest: &Rest) -> impl Iterator<Item = &Arc<Changes>> {
    rest.stretches.iter().flat_map(|stretch| stretch.iter())
}

/// Whether a watcher was not cancelled; another may have its id by now.
fn is_alive(watchers: &BTreeMap<i64, Standing>, Behind { watcher, .. }: &Behind) -> bool {
    watchers.get(&watcher.id).is_some_and(|standing| Arc::ptr_eq(&standing.watcher, watcher))
}

fn told_of(told: &Told) -> Option<i64> {
    match told {
        Told::Changed(changed) => Some(changed.id),
        Told::Compacted { id, .. } => Some(*id),
        Told::Progress { id, .. } => *id,
    }
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
