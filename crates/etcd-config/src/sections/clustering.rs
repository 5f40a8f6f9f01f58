//! Section Clustering: what this member tells the cluster, and how the cluster begins.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration;
use crate::flag::Flag;
use crate::kind::Kind;
use crate::url::Url;

/// The default of `--initial-advertise-peer-urls`.
pub(crate) const DEFAULT_PEER_URL: &str = "http://localhost:2380";
/// The default of `--advertise-client-urls`.
pub(crate) const DEFAULT_CLIENT_URL: &str = "http://localhost:2379";
/// The default of `--initial-cluster`.
pub(crate) const DEFAULT_INITIAL_CLUSTER: &str = "default=http://localhost:2380";

/// What this member tells the cluster, and how the cluster begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Clustering {
    /// Where the other members reach this one; sorted.
    pub initial_advertise_peer_urls: Vec<Url>,
    /// `name=url,name=url,...` as given; empty when the cluster is discovered.
    pub initial_cluster: String,
    /// Whether the cluster begins or is joined.
    pub initial_cluster_state: InitialClusterState,
    /// What the member ids and the cluster id are hashed with.
    pub initial_cluster_token: String,
    /// Where clients reach this member; sorted.
    pub advertise_client_urls: Vec<Url>,
    /// Whether membership changes that would lose the quorum are refused.
    pub strict_reconfig_check: bool,
    /// Whether a member asks for votes first without raising the term.
    pub pre_vote: bool,
    /// The retention as given; see [`Clustering::auto_compaction`].
    pub auto_compaction_retention: String,
    /// What the retention counts.
    pub auto_compaction_mode: AutoCompactionMode,
    /// Always write-only: etcd ignores the flag.
    pub v2_deprecation: V2Deprecation,
}

/// Whether the cluster begins or is joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitialClusterState {
    /// All members of the initial cluster start for the first time.
    New,
    /// This member joins a running cluster.
    Existing,
}

/// What the retention of automatic compaction counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AutoCompactionMode {
    /// Time.
    Periodic,
    /// Revisions.
    Revision,
}

/// How far the second API is gone; only one value is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum V2Deprecation {
    /// Its store is written and never read.
    WriteOnly,
}

/// How much history automatic compaction keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoCompaction {
    /// Nothing is compacted by itself.
    Off,
    /// Everything younger than this is kept.
    Periodic(Duration),
    /// This many revisions are kept.
    Revisions(i64),
}

impl Clustering {
    /// How much history automatic compaction keeps: mode and retention together.
    ///
    /// A retention that is a whole number counts hours or revisions, any other is a duration (whose
    /// nanoseconds are the revisions in mode revision). The error is etcd's text for a retention
    /// that is neither; a loaded configuration has no such retention.
    pub fn auto_compaction(&self) -> Result<AutoCompaction, String> {
        auto_compaction(self.auto_compaction_mode, &self.auto_compaction_retention)
    }
}

/// See [`Clustering::auto_compaction`].
pub(crate) fn auto_compaction(
    mode: AutoCompactionMode,
    retention: &str,
) -> Result<AutoCompaction, String> {
    const HOUR_NANOS: i64 = 3_600_000_000_000;
    let whole = retention.parse::<i64>().ok().filter(|number| *number >= 0);
    let number = match (whole, mode) {
        (Some(hours), AutoCompactionMode::Periodic) => hours.saturating_mul(HOUR_NANOS),
        (Some(revisions), AutoCompactionMode::Revision) => revisions,
        (None, _) => duration::parse(retention)
            .map_err(|reason| format!("error parsing CompactionRetention: {reason}"))?,
    };
    Ok(match mode {
        _ if number <= 0 => AutoCompaction::Off,
        AutoCompactionMode::Periodic => AutoCompaction::Periodic(duration::from_nanos(number)),
        AutoCompactionMode::Revision => AutoCompaction::Revisions(number),
    })
}

pub(crate) const FLAGS: &[Flag] = &[
    Flag::new(
        "initial-advertise-peer-urls",
        Kind::Urls,
        DEFAULT_PEER_URL,
        "URLs at which the other members reach this one.",
    ),
    Flag::new(
        "initial-cluster",
        Kind::Text,
        DEFAULT_INITIAL_CLUSTER,
        "All first members as name=url, this one too, separated by commas.",
    ),
    Flag::new(
        "initial-cluster-state",
        Kind::Choice(&["new", "existing"]),
        "new",
        "'new' to begin a cluster, 'existing' to join one; ignored once there is data.",
    ),
    Flag::new(
        "initial-cluster-token",
        Kind::Text,
        "etcd-cluster",
        "Token of the cluster, the same on all members; keeps clusters apart.",
    ),
    Flag::new(
        "advertise-client-urls",
        Kind::Urls,
        DEFAULT_CLIENT_URL,
        "URLs at which clients reach this member; needed with --listen-client-urls.",
    ),
    Flag::new(
        "strict-reconfig-check",
        Kind::Bool,
        "true",
        "Refuse membership changes that would lose the quorum.",
    ),
    Flag::new("pre-vote", Kind::Bool, "true", "Ask for votes before raising the term."),
    Flag::new(
        "auto-compaction-retention",
        Kind::Text,
        "0",
        "History to keep: hours or a duration (periodic), revisions (revision); 0 keeps all.",
    ),
    Flag::new(
        "auto-compaction-mode",
        Kind::Text,
        "periodic",
        "What the retention counts: 'periodic' or 'revision'.",
    ),
    Flag::new(
        "v2-deprecation",
        Kind::QuotedChoice(&["not-yet", "write-only", "write-only-drop-data", "gone"]),
        "write-only",
        "Without effect: always 'write-only'. Deprecated.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retention_counts_hours_revisions_or_a_duration() {
        use AutoCompactionMode::{Periodic, Revision};
        for (mode, retention, kept) in [
            (Periodic, "0", AutoCompaction::Off),
            (Periodic, "2", AutoCompaction::Periodic(Duration::from_secs(7200))),
            (Periodic, "90s", AutoCompaction::Periodic(Duration::from_secs(90))),
            (Revision, "1000", AutoCompaction::Revisions(1000)),
            (Revision, "1us", AutoCompaction::Revisions(1000)),
            (Revision, "0", AutoCompaction::Off),
        ] {
            assert_eq!(auto_compaction(mode, retention), Ok(kept), "{retention}");
        }
    }

    #[test]
    fn any_other_retention_is_a_fault() {
        assert_eq!(
            auto_compaction(AutoCompactionMode::Periodic, "-1"),
            Err("error parsing CompactionRetention: time: missing unit in duration \"-1\""
                .to_owned())
        );
    }
}
