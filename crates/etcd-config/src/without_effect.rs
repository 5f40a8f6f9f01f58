//! The flags and feature gates that are read and checked and change nothing, and why.

/// A name, and why setting it changes nothing.
pub(crate) type Idle = (&'static str, &'static str);

const NO_SNAPSHOT_FILES: &str =
    "no snapshot files are kept: a member that needs one gets a checkpoint made for it";
const LOG_IS_PURGED: &str =
    "the log is one database: --snapshot-count and --snapshot-catchup-entries say what it keeps";
const COMMITTED_AT_ONCE: &str = "what is applied is committed at once";
const NO_FREE_PAGES: &str = "the storage has no pages to keep a list of: it frees whole files";
const PINGED: &str = "connections to peers are pinged, and a silent one is given up after 10s";
const ELECTED_AT_ONCE: &str = "a new cluster elects at once, and a member that returns waits for the leader that there may be";

/// The flags that are read and checked and change nothing. A start that sets one away from its
/// default says so, with the reason; a flag leaves this list with the change that makes it work.
pub(crate) const WITHOUT_EFFECT: &[Idle] = &[
    ("initial-election-tick-advance", ELECTED_AT_ONCE),
    ("max-snapshots", NO_SNAPSHOT_FILES),
    ("max-wals", LOG_IS_PURGED),
    ("backend-bbolt-freelist-type", NO_FREE_PAGES),
    ("backend-batch-interval", COMMITTED_AT_ONCE),
    ("backend-batch-limit", COMMITTED_AT_ONCE),
    ("bootstrap-defrag-threshold-megabytes", NO_FREE_PAGES),
    ("raft-read-timeout", PINGED),
    ("raft-write-timeout", PINGED),
];

/// The same for feature gates.
pub(crate) const GATES_WITHOUT_EFFECT: &[Idle] =
    &[("TxnModeWriteWithSharedBuffer", "a txn reads what is committed, and never a buffer")];

/// The name's entry in a list, if it stands there.
pub(crate) fn find<'i>(list: &'i [Idle], name: &str) -> Option<&'i Idle> {
    list.iter().find(|(listed, _)| *listed == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FeatureGates, table};

    #[test]
    fn every_name_is_a_flag() {
        for (name, _) in WITHOUT_EFFECT {
            assert!(table::find(name).is_some(), "{name}");
        }
    }

    #[test]
    fn every_name_is_a_feature_gate() {
        for (name, _) in GATES_WITHOUT_EFFECT {
            assert!(FeatureGates::parse(&format!("{name}=true")).is_ok(), "{name}");
        }
    }
}
