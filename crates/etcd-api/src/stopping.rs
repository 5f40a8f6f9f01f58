//! The word that the member is about to end.

use std::sync::Arc;

use tokio::sync::watch;

/// Shared by whoever stops the member and by the services, which refuse new requests from then on.
#[derive(Debug, Clone, Default)]
pub struct Stopping {
    stopping: Arc<watch::Sender<bool>>,
}

impl Stopping {
    /// Says it, once and for all.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Whether it was said.
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Waits until it is said: streams end then.
    pub async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        let said = stopping.wait_for(|is_stopping| *is_stopping).await;
        said.expect("the sender is held here");
    }
}
