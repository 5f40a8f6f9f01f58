//! Section Profiling and Monitoring: what the member shows about itself.

use serde::{Deserialize, Serialize};

use crate::flag::Flag;
use crate::kind::Kind;
use crate::url::Url;

/// What the member shows about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Monitoring {
    /// Whether `/debug/pprof` is served.
    pub enable_pprof: bool,
    /// `extensive` adds latency histograms; anything else acts as `basic`.
    pub metrics: String,
    /// Further listeners for `/metrics` and health.
    pub listen_metrics_urls: Vec<Url>,
}

pub(crate) const FLAGS: &[Flag] = &[
    Flag::new("enable-pprof", Kind::Bool, "false", "Serve profiles at /debug/pprof."),
    Flag::new(
        "metrics",
        Kind::Text,
        "basic",
        "Detail of the metrics: 'basic', or 'extensive' with latency histograms.",
    ),
    Flag::new("listen-metrics-urls", Kind::Urls, "", "Further URLs for metrics and health."),
];
