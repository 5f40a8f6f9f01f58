//! Section Discovery: how the first members find each other without a list.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use crate::field;
use crate::flag::Flag;
use crate::kind::Kind;

/// How the first members find each other without a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Discovery {
    /// The token of the cluster at the discovery service; empty: no discovery service.
    pub discovery_token: String,
    /// The discovery service's endpoints; empty: no discovery service.
    pub discovery_endpoints: Vec<String>,
    /// How long connecting to it may take.
    #[serde(with = "field::nanos")]
    pub discovery_dial_timeout: Duration,
    /// How long a request to it may take.
    #[serde(with = "field::nanos")]
    pub discovery_request_timeout: Duration,
    /// The time between pings to it.
    #[serde(with = "field::nanos")]
    pub discovery_keepalive_time: Duration,
    /// How long an answer to a ping may take.
    #[serde(with = "field::nanos")]
    pub discovery_keepalive_timeout: Duration,
    /// Whether it is spoken to without TLS.
    pub discovery_insecure_transport: bool,
    /// Whether its certificate is not verified.
    pub discovery_insecure_skip_tls_verify: bool,
    /// The client certificate for it.
    #[serde(deserialize_with = "field::optional_path")]
    pub discovery_cert: Option<PathBuf>,
    /// The certificate's key.
    #[serde(deserialize_with = "field::optional_path")]
    pub discovery_key: Option<PathBuf>,
    /// The CA that its certificate is verified with.
    #[serde(deserialize_with = "field::optional_path")]
    pub discovery_cacert: Option<PathBuf>,
    /// The user's name; a password behind a colon has moved to `discovery_password`.
    pub discovery_user: String,
    /// The user's password.
    pub discovery_password: Secret,
    /// What happens when discovery fails; always exit.
    pub discovery_fallback: DiscoveryFallback,
    /// The DNS domain whose SRV records name the members; empty: no DNS discovery.
    pub discovery_srv: String,
    /// The suffix of the SRV records' service name.
    pub discovery_srv_name: String,
}

/// What happens when discovery fails; only one choice is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiscoveryFallback {
    /// The member ends.
    Exit,
}

/// A text that is never printed.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.shown())
    }
}

impl Secret {
    fn shown(&self) -> &'static str {
        if self.0.is_empty() { "" } else { "***" }
    }
}

const fn client(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    yaml: &'static str,
    help: &'static str,
) -> Flag {
    Flag::new(name, kind, default, help).in_yaml(yaml)
}

pub(crate) const FLAGS: &[Flag] = &[
    client(
        "discovery-token",
        Kind::Text,
        "",
        "discovery-config.token",
        "Token of this cluster at the discovery service.",
    ),
    client(
        "discovery-endpoints",
        Kind::Set,
        "",
        "discovery-config.client.endpoints",
        "gRPC endpoints of the discovery service, separated by commas.",
    ),
    client(
        "discovery-dial-timeout",
        Kind::Duration,
        "2s",
        "discovery-config.client.dial-timeout",
        "Longest time to connect to the discovery service.",
    ),
    client(
        "discovery-request-timeout",
        Kind::Duration,
        "5s",
        "discovery-config.client.request-timeout",
        "Longest time of a request to the discovery service.",
    ),
    client(
        "discovery-keepalive-time",
        Kind::Duration,
        "2s",
        "discovery-config.client.keepalive-time",
        "Time between pings to the discovery service.",
    ),
    client(
        "discovery-keepalive-timeout",
        Kind::Duration,
        "6s",
        "discovery-config.client.keepalive-timeout",
        "Longest wait for the answer to such a ping.",
    ),
    client(
        "discovery-insecure-transport",
        Kind::Bool,
        "true",
        "discovery-config.client.secure.insecure-transport",
        "Speak to the discovery service without TLS.",
    ),
    client(
        "discovery-insecure-skip-tls-verify",
        Kind::Bool,
        "false",
        "discovery-config.client.secure.insecure-skip-tls-verify",
        "Do not verify the discovery service's certificate; for tests only.",
    ),
    client(
        "discovery-cert",
        Kind::Text,
        "",
        "discovery-config.client.secure.cert",
        "Client certificate for the discovery service.",
    ),
    client(
        "discovery-key",
        Kind::Text,
        "",
        "discovery-config.client.secure.key",
        "Key of that certificate.",
    ),
    client(
        "discovery-cacert",
        Kind::Text,
        "",
        "discovery-config.client.secure.cacert",
        "CA that the discovery service's certificate is verified with.",
    ),
    client(
        "discovery-user",
        Kind::Text,
        "",
        "discovery-config.client.auth.username",
        "User at the discovery service: name or name:password.",
    ),
    client(
        "discovery-password",
        Kind::Text,
        "",
        "discovery-config.client.auth.password",
        "Password of that user, if it does not stand behind the name.",
    ),
    Flag::new(
        "discovery-fallback",
        Kind::Choice(&["exit", "proxy"]),
        "exit",
        "What to do when discovery fails; only 'exit' is left.",
    )
    .not_in_yaml(),
    Flag::new("discovery-srv", Kind::Text, "", "DNS domain whose SRV records name the members."),
    Flag::new("discovery-srv-name", Kind::Text, "", "Suffix of the SRV records' service name."),
];
