//! Section Distributed tracing: where spans go.

use serde::{Deserialize, Serialize};

use crate::flag::Flag;
use crate::kind::Kind;

/// Where spans go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Tracing {
    /// Whether spans are exported.
    pub enable_distributed_tracing: bool,
    /// The collector's host and port.
    pub distributed_tracing_address: String,
    /// The service's name in spans.
    pub distributed_tracing_service_name: String,
    /// The instance's id in spans; empty: none.
    pub distributed_tracing_instance_id: String,
    /// How many of a million requests are traced.
    pub distributed_tracing_sampling_rate: i64,
}

pub(crate) const FLAGS: &[Flag] = &[
    Flag::new("enable-distributed-tracing", Kind::Bool, "false", "Export OpenTelemetry spans."),
    Flag::new(
        "distributed-tracing-address",
        Kind::Text,
        "localhost:4317",
        "Host and port of the collector.",
    ),
    Flag::new(
        "distributed-tracing-service-name",
        Kind::Text,
        "etcd",
        "Name of the service in spans, the same on all members.",
    ),
    Flag::new(
        "distributed-tracing-instance-id",
        Kind::Text,
        "",
        "Id of this member in spans, different on every member.",
    ),
    Flag::new(
        "distributed-tracing-sampling-rate",
        Kind::Int,
        "0",
        "How many of a million requests are traced.",
    ),
];
