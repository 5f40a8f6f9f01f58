//! The TLS settings of one side, clients' or peers'.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::field;

/// The TLS settings of one side, clients' or peers'.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TlsSettings {
    /// The certificate that the listeners present.
    #[serde(deserialize_with = "field::optional_path")]
    pub cert_file: Option<PathBuf>,
    /// Its key.
    #[serde(deserialize_with = "field::optional_path")]
    pub key_file: Option<PathBuf>,
    /// The certificate that this member presents when it dials; `None`: `cert_file`.
    #[serde(deserialize_with = "field::optional_path")]
    pub client_cert_file: Option<PathBuf>,
    /// Its key.
    #[serde(deserialize_with = "field::optional_path")]
    pub client_key_file: Option<PathBuf>,
    /// Whether whoever connects must present a certificate. A `trusted_ca_file` asks for the same.
    pub client_cert_auth: bool,
    /// The list of revoked certificates.
    #[serde(deserialize_with = "field::optional_path")]
    pub crl_file: Option<PathBuf>,
    /// Common names that certificates may have; empty: any. For clients only a YAML file has it.
    #[serde(default)]
    pub allowed_cn: Vec<String>,
    /// Alternative names that certificates may have; empty: any.
    pub allowed_hostname: Vec<String>,
    /// The CA that certificates are verified with; `None`: the system's.
    #[serde(deserialize_with = "field::optional_path")]
    pub trusted_ca_file: Option<PathBuf>,
    /// Whether a certificate is generated where none is given.
    pub auto_tls: bool,
    /// Whether a certificate's names are not compared with the address it comes from. Peers only.
    #[serde(default)]
    pub skip_client_san_verification: bool,
}

impl TlsSettings {
    /// Whether the listeners of this side have a certificate, given or to be generated.
    pub fn is_enabled(&self) -> bool {
        self.has_certificate() || self.auto_tls
    }

    /// Whether certificate files are given.
    pub(crate) fn has_certificate(&self) -> bool {
        self.cert_file.is_some() || self.key_file.is_some()
    }
}
