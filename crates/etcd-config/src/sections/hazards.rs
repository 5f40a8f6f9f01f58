//! Section Unsafe: what can lose data.

use serde::{Deserialize, Serialize};

use crate::flag::Flag;
use crate::kind::Kind;

/// What can lose data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Hazards {
    /// Whether the data becomes a new cluster of this member alone.
    pub force_new_cluster: bool,
    /// Whether nothing is synced to disk.
    pub unsafe_no_fsync: bool,
}

pub(crate) const FLAGS: &[Flag] = &[
    Flag::new(
        "force-new-cluster",
        Kind::Bool,
        "false",
        "Make the data a new cluster of this member alone.",
    ),
    Flag::new("unsafe-no-fsync", Kind::Bool, "false", "Sync nothing; a crash loses data."),
];
