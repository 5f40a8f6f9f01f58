//! Bounds on what a client may ask.

use std::time::Duration;

use crate::Overload;

/// The most bytes of a message that is sent, as etcd allows.
pub(crate) const MAX_SENT_BYTES: usize = i32::MAX as usize;

/// Longer than any call: what takes as long as its client waits for it.
pub(crate) const NO_LIMIT: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The bounds that a member's configuration sets on requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The most compares, and the most operations of a list, of a txn (`--max-txn-ops`); a nested
    /// txn has what its parent leaves.
    pub max_txn_ops: usize,
    /// The most bytes of a command (`--max-request-bytes`).
    pub max_request_bytes: usize,
    /// How long a command or a read barrier may take: 5 s and two election timeouts.
    pub request_timeout: Duration,
    /// How often a watcher that asked for it says how far it is
    /// (`--watch-progress-notify-interval`); a stream adds up to a tenth.
    pub watch_progress_interval: Duration,
    /// A unary call that takes longer is told in the log (`--warning-unary-request-duration`).
    pub slow_request: Duration,
    /// Which commands are turned away when the member is behind with them.
    pub overload: Overload,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_txn_ops: 128,
            max_request_bytes: 1_572_864,
            request_timeout: Duration::from_secs(7),
            watch_progress_interval: Duration::from_secs(600),
            slow_request: Duration::from_millis(300),
            overload: Overload::ForAll,
        }
    }
}

impl Limits {
    /// Bytes of a gRPC message beyond the command's: its other fields.
    const MESSAGE_OVERHEAD_BYTES: usize = 512 << 10;

    /// The most bytes of a gRPC message that is received.
    pub fn max_message_bytes(&self) -> usize {
        self.max_request_bytes.saturating_add(Limits::MESSAGE_OVERHEAD_BYTES)
    }
}
