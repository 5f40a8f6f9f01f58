//! The flags and feature gates that are read and checked and change nothing yet.

/// Names of the flags that this version reads and checks but does not act on. A start that sets one
/// away from its default says so; a flag leaves this list with the change that makes it work.
pub(crate) const WITHOUT_EFFECT_YET: &[&str] = &[
    "initial-election-tick-advance",
    "max-snapshots",
    "max-wals",
    "memory-mlock",
    "backend-bbolt-freelist-type",
    "backend-batch-interval",
    "backend-batch-limit",
    "enable-grpc-gateway",
    "raft-read-timeout",
    "raft-write-timeout",
    "strict-reconfig-check",
    "auto-compaction-retention",
    "auto-compaction-mode",
    "discovery-token",
    "discovery-endpoints",
    "discovery-dial-timeout",
    "discovery-request-timeout",
    "discovery-keepalive-time",
    "discovery-keepalive-timeout",
    "discovery-insecure-transport",
    "discovery-insecure-skip-tls-verify",
    "discovery-cert",
    "discovery-key",
    "discovery-cacert",
    "discovery-user",
    "discovery-password",
    "discovery-srv",
    "discovery-srv-name",
    "cors",
    "host-whitelist",
    "enable-pprof",
    "metrics",
    "listen-metrics-urls",
    "enable-log-rotation",
    "log-rotation-config-json",
    "warning-unary-request-duration",
    "enable-distributed-tracing",
    "distributed-tracing-address",
    "distributed-tracing-service-name",
    "distributed-tracing-instance-id",
    "distributed-tracing-sampling-rate",
    "corrupt-check-time",
    "compact-hash-check-time",
    "warning-apply-duration",
    "bootstrap-defrag-threshold-megabytes",
    "max-learners",
    "downgrade-check-time",
    "force-new-cluster",
];

/// The same for feature gates.
pub(crate) const GATES_WITHOUT_EFFECT_YET: &[&str] = &[
    "CompactHashCheck",
    "InitialCorruptCheck",
    "PriorityRequest",
    "SetMemberLocalAddr",
    "StopGRPCServiceOnDefrag",
    "TxnModeWriteWithSharedBuffer",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FeatureGates, table};

    #[test]
    fn every_name_is_a_flag() {
        for name in WITHOUT_EFFECT_YET {
            assert!(table::find(name).is_some(), "{name}");
        }
    }

    #[test]
    fn every_name_is_a_feature_gate() {
        for name in GATES_WITHOUT_EFFECT_YET {
            assert!(FeatureGates::parse(&format!("{name}=true")).is_ok(), "{name}");
        }
    }
}
