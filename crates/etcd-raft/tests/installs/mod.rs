//! Snapshots that members install, to be counted and held up.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

/// The snapshots that the members of a test were sent.
#[derive(Clone, Default)]
pub(crate) struct Installs {
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    begun: usize,
    are_held_up: bool,
}

impl Installs {
    /// How many were begun.
    pub(crate) fn begun(&self) -> usize {
        self.shared.0.lock().begun
    }

    /// Holds up all of them until what it answers is dropped.
    pub(crate) fn hold_up(&self) -> HeldUp<'_> {
        self.shared.0.lock().are_held_up = true;
        HeldUp(self)
    }

    /// Notes one, and takes as long as it is held up.
    pub(crate) fn note(&self) {
        let (state, changed) = &*self.shared;
        let mut state = state.lock();
        state.begun += 1;
        changed.wait_while(&mut state, |state| state.are_held_up);
    }
}

/// Holds up installs.
pub(crate) struct HeldUp<'i>(&'i Installs);

impl Drop for HeldUp<'_> {
    fn drop(&mut self) {
        self.0.shared.0.lock().are_held_up = false;
        self.0.shared.1.notify_all();
    }
}
