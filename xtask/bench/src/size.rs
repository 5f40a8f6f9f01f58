//! How big everything is, and what it is for.

use std::path::PathBuf;
use std::time::Duration;

use crate::load::Crowd;

/// How big everything is.
#[derive(Debug, Clone)]
pub(crate) struct Size {
    /// How long each load is measured.
    pub(crate) duration: Duration,
    pub(crate) warm_up: Duration,
    pub(crate) clients: usize,
    pub(crate) connections: usize,
    /// Requests a second, if not as many as are answered.
    pub(crate) rate: Option<f64>,
    pub(crate) value_bytes: usize,
    /// Keys of the large store.
    pub(crate) keys: u64,
    /// To how many keys a store is grown.
    pub(crate) growth_to: u64,
    /// Where members keep their data.
    pub(crate) scratch: PathBuf,
    /// Only loads with these names; all when there is none.
    pub(crate) loads: Vec<String>,
    pub(crate) purpose: Purpose,
}

/// What a run is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// All figures that do not disturb the members.
    Measure,
    /// How often the disk is made to sync, of loads that write.
    CountSyncs,
    /// Where the leader's time goes, written to this folder.
    Profile(PathBuf),
}

impl Size {
    /// Whether the load with this name shall be measured.
    pub(crate) fn wants(&self, load: &str) -> bool {
        self.loads.is_empty() || self.loads.iter().any(|wanted| wanted == load)
    }

    pub(crate) fn crowd(&self, clients: usize) -> Crowd {
        Crowd {
            connections: self.connections.min(clients),
            clients,
            warm_up: self.warm_up,
            duration: self.duration,
            rate: self.rate,
        }
    }

    /// How long one load takes, with its warming up.
    pub(crate) fn load(&self) -> Duration {
        self.warm_up + self.duration
    }
}
