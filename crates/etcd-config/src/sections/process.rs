//! Section Process: flags about the start itself, and flags that etcd has dropped.

use crate::flag::Flag;
use crate::kind::Kind;

/// The flag that names the configuration file.
pub(crate) const CONFIG_FILE: &str = "config-file";
/// The flag that asks for the version.
pub(crate) const VERSION: &str = "version";

pub(crate) const FLAGS: &[Flag] = &[
    Flag::new(
        CONFIG_FILE,
        Kind::Text,
        "",
        "YAML, JSON or ETCD_NAME=\"value\" file; every other flag and variable is then ignored.",
    )
    .not_in_yaml(),
    Flag::new(VERSION, Kind::Bool, "false", "Print the version and exit.").not_in_yaml(),
];

const fn ignored(name: &'static str) -> Flag {
    Flag::new(name, Kind::Ignored, "", "Without effect.").not_in_yaml()
}

/// Flags that are accepted and have no effect.
pub(crate) const IGNORED: &[Flag] = &[
    ignored("cluster-active-size"),
    ignored("cluster-remove-delay"),
    ignored("cluster-sync-interval"),
    ignored("config"),
    ignored("force"),
    ignored("max-result-buffer"),
    ignored("max-retry-attempts"),
    ignored("peer-heartbeat-interval"),
    ignored("peer-election-timeout"),
    ignored("retry-interval"),
    ignored("snapshot"),
    ignored("v"),
    ignored("vv"),
    ignored("test.coverprofile"),
    ignored("test.outputdir"),
];
