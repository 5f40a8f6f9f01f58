//! What is counted of watchers and of what they are told.

use etcd_figures::{Count, Level};

/// Of all feeds of a hub, since it was made.
#[derive(Debug, Default)]
pub struct Figures {
    /// Watchers that there are.
    pub watchers: Level,
    /// Changes that wait in queues, once for each watcher.
    pub pending: Level,
    /// Changes that watchers were told of.
    pub events: Count,
}
