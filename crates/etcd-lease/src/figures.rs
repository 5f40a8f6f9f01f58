//! What is counted of leases.

use etcd_figures::{Count, Histogram, Scale};

/// What became of leases on this member since it was started.
#[derive(Debug)]
pub struct Figures {
    /// Those that were granted.
    pub granted: Count,
    /// Those that were revoked, also because they had expired.
    pub revoked: Count,
    /// Renewals while this member led.
    pub renewed: Count,
    /// The times to live of those that were granted, in seconds.
    pub ttls: Histogram,
}

impl Default for Figures {
    fn default() -> Figures {
        Figures {
            granted: Count::new(),
            revoked: Count::new(),
            renewed: Count::new(),
            ttls: Histogram::new(Scale::numbers(1.0, 24)),
        }
    }
}
