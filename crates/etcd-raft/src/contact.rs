//! When this member last heard from a leader.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Openraft does not forget a leader that has fallen silent as long as nobody else is elected; this
/// tells whether it has. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Contact {
    shared: Arc<Shared>,
}

struct Shared {
    /// A leader that is silent for longer than this is taken for lost.
    limit: Duration,
    heard: Mutex<Option<Heard>>,
    renewed: Notify,
}

/// The leader that was heard last.
#[derive(Debug, Clone, Copy)]
struct Heard {
    leader: u64,
    term: u64,
    at: Instant,
    /// Counts the beginnings: each leader's in each term, and each return from silence.
    spell: u64,
    /// When the contact with this member was last found broken, if ever.
    broken_at: Option<Instant>,
}

impl Contact {
    pub(crate) fn new(limit: Duration) -> Contact {
        let shared = Shared { limit, heard: Mutex::new(None), renewed: Notify::new() };
        Contact { shared: Arc::new(shared) }
    }

    /// Notes that the leader of this term was heard now.
    pub(crate) fn heard(&self, leader: u64, term: u64) {
        if self.shared.note(leader, term, Instant::now()) {
            self.shared.renewed.notify_one();
        }
    }

    /// Notes that a connection to this member broke now.
    pub(crate) fn broke(&self, member: u64) {
        if let Some(heard) = self.shared.heard.lock().as_mut()
            && heard.leader == member
        {
            heard.broken_at = Some(Instant::now());
        }
    }

    /// Resolves once, for one who waits, after a spell has begun.
    pub(crate) async fn renewed(&self) {
        self.shared.renewed.notified().await;
    }

    /// The number of the spell of the leader of this term, if one is under way.
    pub(crate) fn spell(&self, leader: u64, term: u64) -> Option<u64> {
        let heard = (*self.shared.heard.lock())?;
        let is_its = heard.leader == leader && heard.term == term;
        (is_its && self.covers(heard.at, Instant::now())).then_some(heard.spell)
    }

    /// Whether this leader counted as known at some moment since then.
    pub(crate) fn was_recent_since(&self, leader: u64, moment: Instant) -> bool {
        let heard = *self.shared.heard.lock();
        heard.is_some_and(|heard| heard.leader == leader && self.covers(heard.at, moment))
    }

    /// Whether the contact with this leader was not found broken since then.
    pub(crate) fn is_unbroken_since(&self, leader: u64, moment: Instant) -> bool {
        self.shared.heard.lock().is_some_and(|heard| {
            heard.leader == leader && heard.broken_at.is_none_or(|broken| broken < moment)
        })
    }

    /// Whether somebody confirmed or heard at `at` still counted at `moment`.
    pub(crate) fn covers(&self, at: Instant, moment: Instant) -> bool {
        moment.saturating_duration_since(at) <= self.shared.limit
    }
}

impl Shared {
    /// Whether a new spell begins.
    fn note(&self, leader: u64, term: u64, now: Instant) -> bool {
        let mut heard = self.heard.lock();
        let before = *heard;
        let silent = before.is_some_and(|before| now - before.at > self.limit);
        if let Some(heard) = heard.as_mut()
            && (heard.leader, heard.term, silent) == (leader, term, false)
        {
            heard.at = now;
            return false;
        }
        let broken_at = match before {
            Some(before) if before.leader == leader && !silent => before.broken_at,
            Some(before) if before.leader == leader => Some(now),
            // Nothing was noticed of another member's connection so far.
            _ => None,
        };
        let spell = before.map_or(0, |before| before.spell) + 1;
        *heard = Some(Heard { leader, term, at: now, spell, broken_at });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(2);

    #[tokio::test(start_paused = true)]
    async fn a_leader_is_lost_by_silence_and_its_return_is_a_new_spell() {
        let contact = Contact::new(LIMIT);
        assert_eq!(contact.spell(1, 5), None);
        contact.heard(1, 5);
        assert_eq!(contact.spell(1, 5), Some(1));
        tokio::time::advance(LIMIT).await;
        contact.heard(1, 5);
        tokio::time::advance(LIMIT).await;
        assert_eq!(contact.spell(1, 5), Some(1), "it was heard in time");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(contact.spell(1, 5), None);
        contact.heard(1, 5);
        assert_eq!(contact.spell(1, 5), Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_term_or_leader_is_a_new_spell() {
        let contact = Contact::new(LIMIT);
        contact.heard(1, 5);
        contact.heard(1, 6);
        assert_eq!((contact.spell(1, 5), contact.spell(1, 6)), (None, Some(2)));
        contact.heard(2, 7);
        assert_eq!((contact.spell(1, 6), contact.spell(2, 7)), (None, Some(3)));
    }

    #[tokio::test(start_paused = true)]
    async fn contact_is_unbroken_until_silence_or_a_lost_connection_is_noticed() {
        let contact = Contact::new(LIMIT);
        let start = Instant::now();
        contact.heard(1, 5);
        assert!(contact.is_unbroken_since(1, start));
        tokio::time::advance(LIMIT * 2).await;
        contact.heard(1, 5);
        assert!(!contact.is_unbroken_since(1, start), "it was silent meanwhile");
        tokio::time::advance(LIMIT).await;
        let later = Instant::now();
        contact.heard(1, 5);
        assert!(contact.is_unbroken_since(1, later));
        contact.broke(2);
        assert!(contact.is_unbroken_since(1, later), "another member's connection");
        contact.broke(1);
        assert!(!contact.is_unbroken_since(1, later));
        contact.heard(2, 6);
        assert!(contact.is_unbroken_since(2, start), "nothing was noticed of the new leader");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_leader_counts_as_known_until_the_limit() {
        let contact = Contact::new(LIMIT);
        contact.heard(1, 5);
        let within = Instant::now() + LIMIT;
        tokio::time::advance(LIMIT * 4).await;
        assert!(contact.was_recent_since(1, within));
        assert!(!contact.was_recent_since(1, within + Duration::from_millis(1)));
        assert!(!contact.was_recent_since(2, within));
    }
}
