//! Readers whose index the leader confirmed, until this member's state has reached it.

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::ReadError;

/// One who waits for the word that it may read.
pub(crate) type Reader = oneshot::Sender<Result<(), ReadError>>;

/// The readers by their index. Whoever applies gives the word itself: a task that waited for the
/// position would first have to wait for its turn, and the readers for theirs after it.
#[derive(Debug, Default)]
pub(crate) struct Confirmed {
    waiting: Mutex<Vec<(u64, Vec<Reader>)>>,
}

impl Confirmed {
    /// Has them wait for `index`, or gives them back if it is `applied` already.
    pub(crate) fn wait(
        &self,
        readers: Vec<Reader>,
        index: u64,
        applied: impl FnOnce() -> u64,
    ) -> Vec<Reader> {
        let mut waiting = self.waiting.lock();
        // Asked under the lock: what is applied after it comes by and finds them.
        if applied() >= index {
            return readers;
        }
        waiting.push((index, readers));
        Vec::new()
    }

    /// The state has reached `index`, and whoever looks can see it.
    pub(crate) fn reach(&self, index: u64) {
        let mut waiting = self.waiting.lock();
        let reached = waiting.extract_if(.., |(wanted, _)| *wanted <= index);
        reached.for_each(|(_, readers)| answer(readers, &Ok(())));
    }

    /// Lets go of all of them: the member stops.
    pub(crate) fn clear(&self) {
        self.waiting.lock().clear();
    }
}

/// Tells all of them; one that gave up needs no answer.
pub(crate) fn answer(readers: impl IntoIterator<Item = Reader>, answer: &Result<(), ReadError>) {
    for reader in readers {
        let _ = reader.send(answer.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reader_waits_for_its_own_index() {
        let confirmed = Confirmed::default();
        let (applied, mut answers) = (7, Vec::new());
        let mut wait = |index| {
            let (reader, answer) = oneshot::channel();
            answers.push(answer);
            confirmed.wait(vec![reader], index, || applied).len()
        };
        assert_eq!([9, 7, 8, 11].map(&mut wait), [0, 1, 0, 0], "only 7 is applied already");
        let mut told = || -> Vec<_> {
            let told = answers.iter_mut().map(|answer| answer.try_recv());
            told.map(|told| told.is_ok()).collect()
        };
        confirmed.reach(8);
        assert_eq!(told(), [false, false, true, false]);
        confirmed.reach(10);
        assert_eq!(told(), [true, false, false, false]);
        confirmed.reach(11);
        assert_eq!(told(), [false, false, false, true]);
    }
}
