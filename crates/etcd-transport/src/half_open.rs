//! How many clients may be in the middle of a handshake.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// The handshakes under way at one door.
///
/// Whoever opens connections and says nothing could take every place of a listener for as long as
/// a handshake may last. So when there are too many of them the oldest one makes room for the
/// newest: who speaks needs a moment, who is silent is what there is most of.
pub(crate) struct HalfOpen {
    limit: usize,
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    next: u64,
    /// By the order in which they came.
    waiting: BTreeMap<u64, Arc<Notify>>,
}

/// One handshake's place, given back when it is dropped.
pub(crate) struct Seat {
    room: Arc<HalfOpen>,
    number: u64,
    dismissed: Arc<Notify>,
}

impl HalfOpen {
    /// Room for `limit` handshakes, and for one at least.
    pub(crate) fn new(limit: usize) -> Arc<HalfOpen> {
        Arc::new(HalfOpen { limit: limit.max(1), line: Mutex::default() })
    }

    /// Takes a place; the oldest one's, if there is no other.
    pub(crate) fn enter(self: &Arc<Self>) -> Seat {
        let mut line = self.line.lock();
        while line.waiting.len() >= self.limit
            && let Some((_, oldest)) = line.waiting.pop_first()
        {
            oldest.notify_one();
        }
        let number = line.next;
        line.next += 1;
        let dismissed = Arc::new(Notify::new());
        line.waiting.insert(number, Arc::clone(&dismissed));
        Seat { room: Arc::clone(self), number, dismissed }
    }
}

impl Seat {
    /// Resolves with the reason when the place was given to somebody else.
    pub(crate) async fn dismissed(&self) -> String {
        self.dismissed.notified().await;
        let limit = self.room.limit;
        format!("more than {limit} handshakes under way; the oldest of them is broken off")
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.line.lock().waiting.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn the_oldest_gives_way_and_only_when_the_room_is_full() {
        let room = HalfOpen::new(2);
        let (first, second) = (room.enter(), room.enter());
        assert_eq!(first.dismissed().now_or_never(), None);
        drop(first);
        let third = room.enter();
        assert_eq!(second.dismissed().now_or_never(), None, "there was a place");
        let fourth = room.enter();
        let reason = second.dismissed().now_or_never().expect("dismissed");
        assert!(reason.starts_with("more than 2 handshakes under way"), "{reason}");
        assert_eq!(third.dismissed().now_or_never(), None);
        assert_eq!(fourth.dismissed().now_or_never(), None);
        drop((second, third, fourth));
        assert!(room.line.lock().waiting.is_empty(), "everybody has left");
    }
}
