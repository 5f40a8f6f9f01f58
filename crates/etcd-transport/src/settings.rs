//! TLS settings as an operator gives them, and what follows from them without opening a file.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::SupportedProtocolVersion;
use rustls::crypto::{CryptoProvider, aws_lc_rs};

use crate::verify::Rules;
use crate::{Error, ciphers};

/// TLS settings for one of a member's two doors, the client door or the peer door.
///
/// All files are PEM. Nothing is opened before [`Tls::server`] or [`Tls::client`].
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// The certificate shown by listeners, and by dialers without one of their own.
    pub cert_file: Option<PathBuf>,
    /// The key of `cert_file`.
    pub key_file: Option<PathBuf>,
    /// The certificate shown by dialers, when it differs from `cert_file`.
    pub client_cert_file: Option<PathBuf>,
    /// The key of `client_cert_file`.
    pub client_key_file: Option<PathBuf>,
    /// The authorities the other side's certificate must come from. A listener that has this asks
    /// for client certificates, as etcd does. Without it the machine's own authorities count.
    pub trusted_ca_file: Option<PathBuf>,
    /// A revocation list, DER or PEM: listeners refuse every client that shows a certificate whose
    /// serial number stands on it, and while it cannot be read, every client that shows one.
    pub crl_file: Option<PathBuf>,
    /// Whether listeners ask for client certificates also without `trusted_ca_file`.
    pub client_cert_auth: bool,
    /// When not empty, the other side's common name must be one of these.
    pub allowed_common_names: Vec<String>,
    /// When not empty, the other side's certificate must be valid for one of these names or IP
    /// addresses. Not together with `allowed_common_names`.
    pub allowed_hostnames: Vec<String>,
    /// The oldest version spoken; TLS 1.2 when absent.
    pub min_version: Option<TlsVersion>,
    /// The newest version spoken; TLS 1.3 when absent.
    pub max_version: Option<TlsVersion>,
    /// The TLS 1.2 cipher suites to offer, by their IANA names; empty means all that are safe. The
    /// suites of TLS 1.3 are always on, as in etcd.
    pub cipher_suites: Vec<String>,
    /// Whether dialers verify the server's certificate.
    pub server_verification: ServerVerification,
}

/// A TLS protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl std::fmt::Display for TlsVersion {
    /// The name etcd's flags use: `TLS1.2`, `TLS1.3`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            TlsVersion::Tls12 => "TLS1.2",
            TlsVersion::Tls13 => "TLS1.3",
        })
    }
}

/// Whether a dialer verifies the server's certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerVerification {
    /// The certificate must come from a trusted authority and name the host that was dialled.
    #[default]
    Required,
    /// Any certificate will do: for members with certificates they made themselves.
    Skip,
}

impl Tls {
    pub(crate) fn identity(&self) -> Result<Option<(PathBuf, PathBuf)>, Error> {
        pair(self.cert_file.as_ref(), self.key_file.as_ref()).map_err(|(cert, key)| {
            Error::TlsSettings(format!(
                "KeyFile and CertFile must both be present[key: {key}, cert: {cert}]"
            ))
        })
    }

    pub(crate) fn client_identity(&self) -> Result<Option<(PathBuf, PathBuf)>, Error> {
        pair(self.client_cert_file.as_ref(), self.client_key_file.as_ref()).map_err(
            |(cert, key)| {
                Error::TlsSettings(format!(
                    "ClientKeyFile and ClientCertFile must both be present or both absent: \
                     key: {key}, cert: {cert}]"
                ))
            },
        )
    }

    pub(crate) fn versions(&self) -> Result<Vec<&'static SupportedProtocolVersion>, Error> {
        use rustls::version::{TLS12, TLS13};
        let min = self.min_version.unwrap_or(TlsVersion::Tls12);
        let max = self.max_version.unwrap_or(TlsVersion::Tls13);
        match (min, max) {
            (TlsVersion::Tls12, TlsVersion::Tls12) => Ok(vec![&TLS12]),
            (TlsVersion::Tls12, TlsVersion::Tls13) => Ok(vec![&TLS13, &TLS12]),
            (TlsVersion::Tls13, TlsVersion::Tls13) => Ok(vec![&TLS13]),
            (TlsVersion::Tls13, TlsVersion::Tls12) => Err(Error::TlsSettings(format!(
                "min version ({min}) is greater than max version ({max})"
            ))),
        }
    }

    pub(crate) fn rules(&self) -> Result<Rules, Error> {
        if !self.allowed_common_names.is_empty() && !self.allowed_hostnames.is_empty() {
            let quoted = |names: &[String]| {
                names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(" ")
            };
            return Err(Error::TlsSettings(format!(
                "AllowedCNs and AllowedHostnames are mutually exclusive (cns=[{}], hostnames=[{}])",
                quoted(&self.allowed_common_names),
                quoted(&self.allowed_hostnames),
            )));
        }
        Ok(Rules {
            common_names: self.allowed_common_names.clone(),
            hostnames: self.allowed_hostnames.clone(),
            authorities: Vec::new(),
        })
    }

    /// The cryptography, with only the chosen TLS 1.2 cipher suites.
    pub(crate) fn provider(&self) -> Result<Arc<CryptoProvider>, Error> {
        let mut provider = aws_lc_rs::default_provider();
        if self.cipher_suites.is_empty() {
            return Ok(Arc::new(provider));
        }
        if self.min_version == Some(TlsVersion::Tls13) {
            return Err(Error::TlsSettings(
                "cipher suites cannot be configured when only TLS1.3 is enabled".to_owned(),
            ));
        }
        let chosen = ciphers::chosen(&self.cipher_suites)?;
        provider
            .cipher_suites
            .retain(|suite| suite.tls13().is_some() || chosen.contains(&suite.suite()));
        Ok(Arc::new(provider))
    }
}

/// A pair of files of which both or neither must be given; the error is what was given.
fn pair(
    certificate: Option<&PathBuf>,
    key: Option<&PathBuf>,
) -> Result<Option<(PathBuf, PathBuf)>, (String, String)> {
    let shown =
        |file: Option<&PathBuf>| file.map_or(String::new(), |file| file.display().to_string());
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some((certificate.clone(), key.clone()))),
        (None, None) => Ok(None),
        (certificate, key) => Err((shown(certificate), shown(key))),
    }
}
