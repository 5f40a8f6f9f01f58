//! The word that the member is about to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Shared by whoever stops the member and by the services, which refuse new requests from then on.
#[derive(Debug, Clone, Default)]
pub struct Stopping {
    stopping: Arc<AtomicBool>,
}

impl Stopping {
    /// Says it, once and for all.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Whether it was said.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}
