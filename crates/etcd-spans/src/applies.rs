//! When commands were applied that somebody here waits for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;

/// Where who applies commands tells those who wait for them when that was. Cheap to clone. It holds
/// as many times as there are [`Expected`].
#[derive(Debug, Clone, Default)]
pub struct Applies(Arc<Mutex<HashMap<u64, Option<Applied>>>>);

/// From when to when.
type Applied = (SystemTime, SystemTime);

impl Applies {
    /// The times of the command with this id are wanted from now on.
    pub fn expect(&self, id: u64) -> Expected {
        self.0.lock().insert(id, None);
        Expected { applies: self.clone(), id }
    }

    /// Commands with these ids were applied together. Most of them nobody asked for.
    pub fn note(&self, ids: impl Iterator<Item = u64>, begun: SystemTime, ended: SystemTime) {
        let mut applies = self.0.lock();
        if applies.is_empty() {
            return;
        }
        for id in ids {
            if let Some(applied) = applies.get_mut(&id) {
                *applied = Some((begun, ended));
            }
        }
    }
}

/// The times of one command, forgotten when this is dropped.
#[derive(Debug)]
pub struct Expected {
    applies: Applies,
    id: u64,
}

impl Expected {
    /// From when to when it was applied, if it was.
    pub fn applied(&self) -> Option<(SystemTime, SystemTime)> {
        self.applies.0.lock().get(&self.id).copied().flatten()
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.applies.0.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_what_is_expected_is_kept_and_only_as_long_as_it_is() {
        let applies = Applies::default();
        let begun = SystemTime::UNIX_EPOCH;
        let ended = begun + Duration::from_secs(1);
        let expected = applies.expect(2);
        assert_eq!(expected.applied(), None);
        applies.note([1, 2, 3].into_iter(), begun, ended);
        assert_eq!(expected.applied(), Some((begun, ended)));
        assert_eq!(applies.0.lock().len(), 1);
        drop(expected);
        assert!(applies.0.lock().is_empty());
    }
}
