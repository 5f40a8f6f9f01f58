//! Section Security: certificates of both sides, and who may speak HTTP.

use serde::{Deserialize, Serialize, Serializer};

use crate::flag::Flag;
use crate::kind::Kind;
use crate::sections::tls::TlsSettings;

/// Certificates of both sides, and who may speak HTTP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Security {
    /// TLS towards clients.
    #[serde(rename = "client-transport-security")]
    pub client: TlsSettings,
    /// TLS towards peers.
    #[serde(rename = "peer-transport-security")]
    pub peer: TlsSettings,
    /// How long generated certificates are valid, in years of 365 days.
    pub self_signed_cert_validity: u64,
    /// Names of the cipher suites that TLS 1.2 may use; empty: the library's choice.
    pub cipher_suites: Vec<String>,
    /// The least TLS version; `None`: TLS 1.2.
    #[serde(deserialize_with = "version", serialize_with = "version_text")]
    pub tls_min_version: Option<TlsVersion>,
    /// The greatest TLS version; `None`: the newest there is.
    #[serde(deserialize_with = "version", serialize_with = "version_text")]
    pub tls_max_version: Option<TlsVersion>,
    /// Origins that browsers may call from; `*` is any.
    pub cors: Vec<String>,
    /// Host names that HTTP without TLS may ask for; `*` or an empty list is any.
    pub host_whitelist: Vec<String>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl TlsVersion {
    /// Reads a version as the flags name it; empty is no version.
    pub(crate) fn parse(text: &str) -> Result<Option<TlsVersion>, String> {
        match text {
            "" => Ok(None),
            "TLS1.2" => Ok(Some(TlsVersion::Tls12)),
            "TLS1.3" => Ok(Some(TlsVersion::Tls13)),
            _ => Err(format!("unexpected TLS version {text:?} (must be one of: TLS1.2, TLS1.3)")),
        }
    }
}

fn version<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<TlsVersion>, D::Error> {
    TlsVersion::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

fn version_text<S: Serializer>(
    version: &Option<TlsVersion>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match version {
        None => "",
        Some(TlsVersion::Tls12) => "TLS1.2",
        Some(TlsVersion::Tls13) => "TLS1.3",
    })
}

const fn text(name: &'static str, path: &'static str, help: &'static str) -> Flag {
    Flag::new(name, Kind::Text, "", help).nested(path)
}

const fn switch(name: &'static str, path: &'static str, help: &'static str) -> Flag {
    Flag::new(name, Kind::Bool, "false", help).nested(path)
}

const fn list(name: &'static str, path: &'static str, help: &'static str) -> Flag {
    Flag::new(name, Kind::List, "", help).nested(path)
}

/// What etcd lets only a YAML file set.
pub(crate) const ONLY_IN_YAML: &[Flag] = &[list(
    "client-cert-allowed-cn",
    "client-transport-security.allowed-cn",
    "Common names that client certificates may have.",
)];

pub(crate) const FLAGS: &[Flag] = &[
    text(
        "cert-file",
        "client-transport-security.cert-file",
        "Certificate of the client listeners.",
    ),
    text("key-file", "client-transport-security.key-file", "Key of that certificate."),
    text(
        "client-cert-file",
        "client-transport-security.client-cert-file",
        "Certificate to present when dialing client URLs, if not --cert-file.",
    ),
    text(
        "client-key-file",
        "client-transport-security.client-key-file",
        "Key of that certificate.",
    ),
    switch(
        "client-cert-auth",
        "client-transport-security.client-cert-auth",
        "Ask clients for a certificate.",
    ),
    text(
        "client-crl-file",
        "client-transport-security.crl-file",
        "List of revoked client certificates.",
    )
    .not_in_yaml(),
    list(
        "client-cert-allowed-hostname",
        "client-transport-security.allowed-hostname",
        "Names that client certificates may have, separated by commas.",
    ),
    text(
        "trusted-ca-file",
        "client-transport-security.trusted-ca-file",
        "CA that client certificates are verified with.",
    ),
    switch(
        "auto-tls",
        "client-transport-security.auto-tls",
        "Generate a certificate for the client listeners.",
    ),
    text(
        "peer-cert-file",
        "peer-transport-security.cert-file",
        "Certificate of the peer listeners.",
    ),
    text("peer-key-file", "peer-transport-security.key-file", "Key of that certificate."),
    text(
        "peer-client-cert-file",
        "peer-transport-security.client-cert-file",
        "Certificate to present when dialing peers, if not --peer-cert-file.",
    ),
    text(
        "peer-client-key-file",
        "peer-transport-security.client-key-file",
        "Key of that certificate.",
    ),
    switch(
        "peer-client-cert-auth",
        "peer-transport-security.client-cert-auth",
        "Ask peers for a certificate.",
    ),
    text(
        "peer-trusted-ca-file",
        "peer-transport-security.trusted-ca-file",
        "CA that peer certificates are verified with.",
    ),
    list(
        "peer-cert-allowed-cn",
        "peer-transport-security.allowed-cn",
        "Common names that peer certificates may have, separated by commas.",
    ),
    list(
        "peer-cert-allowed-hostname",
        "peer-transport-security.allowed-hostname",
        "Names that peer certificates may have, separated by commas.",
    ),
    switch(
        "peer-auto-tls",
        "peer-transport-security.auto-tls",
        "Generate a certificate for the peer listeners.",
    ),
    text("peer-crl-file", "peer-transport-security.crl-file", "List of revoked peer certificates.")
        .not_in_yaml(),
    Flag::new(
        "self-signed-cert-validity",
        Kind::Uint,
        "1",
        "Years that generated certificates are valid.",
    ),
    Flag::new("cipher-suites", Kind::List, "", "TLS 1.2 cipher suites, separated by commas."),
    Flag::new("tls-min-version", Kind::Text, "TLS1.2", "Least TLS version: TLS1.2 or TLS1.3."),
    Flag::new("tls-max-version", Kind::Text, "", "Greatest TLS version; empty for the newest."),
    Flag::new("cors", Kind::Origins, "*", "Origins that browsers may call from, or '*' for any."),
    Flag::new(
        "host-whitelist",
        Kind::Hosts,
        "*",
        "Host names that HTTP without TLS may ask for, or '*' for any.",
    ),
];
