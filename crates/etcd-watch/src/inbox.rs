//! What the hub has for a feed: a bounded queue, and the watchers that found no room in it.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::changes::Part;
use crate::watcher::{Behind, Watcher};

/// Most words that wait in a queue (etcd: 128 responses for a stream).
pub(crate) const QUEUE_WORDS: usize = 128;
/// Bytes of changes after which nothing more is put into a queue. The changes are shared with other
/// queues: so much is kept only if nobody else keeps them.
pub(crate) const QUEUE_BYTES: usize = 1 << 20;

/// A feed's place in the hub: the hub puts in, the feed takes out.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    queue: Mutex<Queue>,
    news: Notify,
}

/// What waits in a queue.
#[derive(Debug)]
pub(crate) enum Word {
    Changed(Arc<Watcher>, Part),
    Progress(Notice),
}

/// What watchers have been told so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Notice {
    /// The watcher; `None` for all of the feed.
    pub(crate) id: Option<i64>,
    pub(crate) revision: i64,
    /// How many watchers the feed had begun by then: it does not speak for later ones.
    pub(crate) begun: u64,
}

#[derive(Debug, Default)]
struct Queue {
    words: VecDeque<Word>,
    /// Weight of the changes among them.
    bytes: usize,
    /// Words taken out so far.
    taken: u64,
    fallen: VecDeque<Fallen>,
}

/// A watcher that left the hub. Words for it may still wait in the queue.
#[derive(Debug)]
struct Fallen {
    behind: Behind,
    /// So many words must be taken out before it may be told the past.
    fence: u64,
}

/// What a feed takes out at a time.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) word: Option<Word>,
    /// Watchers that left the hub and whose words are all taken out.
    pub(crate) behind: Vec<Behind>,
}

impl Queue {
    fn is_full(&self) -> bool {
        self.words.len() >= QUEUE_WORDS || self.bytes >= QUEUE_BYTES
    }

    fn fall(&mut self, watcher: &Arc<Watcher>, next: i64) {
        let fence = self.taken + self.words.len() as u64;
        self.fallen
            .push_back(Fallen { behind: Behind { watcher: Arc::clone(watcher), next }, fence });
    }
}

impl Inbox {
    /// Puts a revision's changes for a watcher into the queue. Without room the watcher falls
    /// behind, to be told this revision from the past: the caller must take it out of the hub.
    pub(crate) fn offer(&self, watcher: &Arc<Watcher>, part: Part) -> Offered {
        let mut queue = self.queue.lock();
        if queue.is_full() {
            queue.fall(watcher, part.changes.revision);
            return Offered::Refused;
        }
        queue.bytes += part.weight();
        queue.words.push_back(Word::Changed(Arc::clone(watcher), part));
        let is_first = queue.words.len() == 1;
        drop(queue);
        if is_first {
            self.news.notify_one();
        }
        Offered::Taken
    }

    /// A watcher left the hub; `next` is the first revision that it was not told of.
    pub(crate) fn fall(&self, watcher: &Arc<Watcher>, next: i64) {
        self.queue.lock().fall(watcher, next);
        self.news.notify_one();
    }

    /// Puts a progress notice behind all that waits, unless there is no room or a watcher is behind
    /// whom it would speak for.
    pub(crate) fn offer_progress(&self, notice: Notice) -> Offered {
        let mut queue = self.queue.lock();
        let speaks_for =
            |fallen: &Fallen| notice.id.is_none_or(|id| fallen.behind.watcher.id == id);
        if queue.is_full() || queue.fallen.iter().any(speaks_for) {
            return Offered::Refused;
        }
        queue.words.push_back(Word::Progress(notice));
        drop(queue);
        self.news.notify_one();
        Offered::Taken
    }

    /// Takes out the next word, and the watchers that may now be told the past.
    pub(crate) fn take(&self) -> Taken {
        let mut queue = self.queue.lock();
        let word = queue.words.pop_front();
        if let Some(word) = &word {
            queue.taken += 1;
            if let Word::Changed(_, part) = word {
                queue.bytes -= part.weight();
            }
        }
        let taken = queue.taken;
        let mut behind = Vec::new();
        while queue.fallen.front().is_some_and(|first| first.fence <= taken) {
            behind.extend(queue.fallen.pop_front().map(|fallen| fallen.behind));
        }
        Taken { word, behind }
    }

    /// Forgets a watcher that has left the hub.
    pub(crate) fn forget(&self, watcher: &Arc<Watcher>) {
        self.queue.lock().fallen.retain(|fallen| !Arc::ptr_eq(&fallen.behind.watcher, watcher));
    }

    /// Forgets everything: the feed is gone and in the hub no more. Answers how many changes
    /// waited.
    pub(crate) fn clear(&self) -> usize {
        let queue = std::mem::take(&mut *self.queue.lock());
        let counts = queue.words.iter().map(|word| match word {
            Word::Changed(_, part) => part.count(),
            Word::Progress(_) => 0,
        });
        counts.sum()
    }

    /// Waits until something may have come in since the queue was found empty.
    pub(crate) async fn wait(&self) {
        self.news.notified().await;
    }
}

/// What became of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    Taken,
    Refused,
}
