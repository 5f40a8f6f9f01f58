//! Renewals that wait to travel to the leader together.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Renewals in one message.
const TOGETHER: usize = 1024;
/// Messages under way: who comes alone shall not have to wait for others to return.
const CARRIERS: usize = 4;

/// What the leader says of a lease that is renewed together with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// It lives on for so many seconds.
    Renewed(i64),
    /// More than can be said at once: it is to be asked for by itself.
    AskAlone,
    /// Nothing: whoever was asked does not lead, or did not answer.
    Nothing,
}

/// A renewal, and who waits for it.
pub(crate) type Waiting = (i64, oneshot::Sender<Told>);

/// Those that wait for the ones under way: a few for each stream of a client at most, since a
/// stream asks for the next when it has the answer to the last.
#[derive(Default)]
pub(crate) struct Renewals {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    /// How many are going to take those that wait.
    carriers: usize,
}

/// Whether somebody carries what waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// Whoever is told this must begin.
    Wanted,
    /// There are enough already.
    UnderWay,
}

impl Renewals {
    /// Queues a renewal.
    pub(crate) fn push(&self, id: i64) -> (oneshot::Receiver<Told>, Carrier) {
        let (tell, told) = oneshot::channel();
        let mut state = self.state.lock();
        state.waiting.push_back((id, tell));
        if state.carriers == CARRIERS {
            return (told, Carrier::UnderWay);
        }
        state.carriers += 1;
        (told, Carrier::Wanted)
    }

    /// What a carrier takes next, the first ones first. When there is nothing, its work is done, and
    /// whoever queues the next one is to begin anew.
    pub(crate) fn take(&self) -> Vec<Waiting> {
        let mut state = self.state.lock();
        // Who went away needs no answer.
        state.waiting.retain(|(_, tell)| !tell.is_closed());
        let count = state.waiting.len().min(TOGETHER);
        if count == 0 {
            state.carriers -= 1;
        }
        state.waiting.drain(..count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(taken: &[Waiting]) -> Vec<i64> {
        taken.iter().map(|(id, _)| *id).collect()
    }

    #[test]
    fn those_that_wait_together_travel_together_behind_a_few() {
        let renewals = Renewals::default();
        for id in 1..=4 {
            assert_eq!(renewals.push(id).1, Carrier::Wanted);
        }
        // The first carrier finds what came until it began: nobody waits for the answers here.
        assert!(renewals.take().is_empty());
        let (_told, carrier) = renewals.push(5);
        assert_eq!((carrier, ids(&renewals.take())), (Carrier::Wanted, vec![5]));
        let waiting = [6, 7, 6].map(|id| renewals.push(id));
        assert!(waiting.iter().all(|(_, carrier)| *carrier == Carrier::UnderWay));
        assert_eq!(ids(&renewals.take()), [6, 7, 6]);
        for _ in 0..4 {
            assert!(renewals.take().is_empty());
        }
        let waiting: Vec<_> = (8..=12).map(|id| renewals.push(id)).collect();
        let wanted = waiting.iter().filter(|(_, carrier)| *carrier == Carrier::Wanted).count();
        assert_eq!(wanted, 4, "all carriers had gone");
    }

    #[test]
    fn who_went_away_is_not_carried() {
        let renewals = Renewals::default();
        drop(renewals.push(1));
        let _told = renewals.push(2);
        assert_eq!(ids(&renewals.take()), [2]);
        drop(renewals.push(3));
        assert!(renewals.take().is_empty());
    }

    #[test]
    fn a_message_holds_a_thousand() {
        let renewals = Renewals::default();
        let waiting: Vec<_> = (0..1500).map(|id| renewals.push(id)).collect();
        assert!(ids(&renewals.take()).into_iter().eq(0..1024));
        assert!(ids(&renewals.take()).into_iter().eq(1024..1500));
        assert_eq!(waiting.len(), 1500);
    }
}
