//! Reads the TLS files and says clearly what is wrong with one that cannot be used.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::stamp::Stamp;
use crate::{Error, certificate, error, pem};

const CERTIFICATE: &str = "certificate file";
const KEY: &str = "private key file";
const AUTHORITIES: &str = "trusted CA file";

/// Where Linux distributions keep the certificate authorities a machine trusts, as Go's TLS
/// library, and with it etcd, looks for them. `SSL_CERT_FILE` comes before all of them.
const SYSTEM_AUTHORITIES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The paths of one side's TLS files.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    /// The certificate and its key.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
    pub(crate) authorities: Option<PathBuf>,
}

/// What stands in the files at one moment. Equal contents need no new configuration.
#[derive(PartialEq, Eq)]
pub(crate) struct Material {
    identity: Option<(Vec<u8>, Vec<u8>)>,
    authorities: Option<Vec<u8>>,
}

#[cfg(test)]
impl Material {
    pub(crate) fn authorities(&self) -> Option<&[u8]> {
        self.authorities.as_deref()
    }
}

/// The files' names, for the log.
impl fmt::Display for Paths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.files().map(|file| file.display().to_string()).collect();
        f.write_str(&names.join(", "))
    }
}

impl Paths {
    fn files(&self) -> impl Iterator<Item = &Path> {
        let pair = self.identity.iter().flat_map(|(certificate, key)| [certificate, key]);
        pair.chain(&self.authorities).map(PathBuf::as_path)
    }

    /// What the system says of the files now.
    pub(crate) fn stamps(&self) -> Vec<Stamp> {
        self.files().map(Stamp::of).collect()
    }

    /// Reads all the files.
    pub(crate) fn read(&self) -> Result<Material, Error> {
        let identity = match &self.identity {
            Some((certificate, key)) => Some((read(CERTIFICATE, certificate)?, read(KEY, key)?)),
            None => None,
        };
        Ok(Material {
            identity,
            authorities: read_optional(AUTHORITIES, self.authorities.as_deref())?,
        })
    }

    /// The own certificate with its key, proven to belong together.
    pub(crate) fn certified_key(
        &self,
        material: &Material,
        provider: &CryptoProvider,
    ) -> Result<Option<Arc<CertifiedKey>>, Error> {
        let (Some((certificate_file, key_file)), Some((certificate, key))) =
            (&self.identity, &material.identity)
        else {
            return Ok(None);
        };
        let chain = certificates(CERTIFICATE, certificate_file, certificate)?;
        let key = private_key(key_file, key)?;
        let key = provider.key_provider.load_private_key(key).map_err(|error| Error::TlsFile {
            what: KEY,
            file: key_file.clone(),
            problem: format!("not a usable private key ({error})"),
            remedy: "give an RSA (2048 bits or more), ECDSA (P-256, P-384, P-521) or Ed25519 key",
        })?;
        // A key that cannot tell its public half cannot be compared; the handshake will tell.
        if let (Some(leaf), Some(public_key)) = (chain.first(), key.public_key()) {
            let certified = certificate::public_key(leaf).map_err(|error| {
                unreadable_certificate(CERTIFICATE, certificate_file, 1, &error)
            })?;
            if public_key.as_ref() != certified {
                return Err(Error::TlsKeyMismatch {
                    certificate: certificate_file.clone(),
                    key: key_file.clone(),
                });
            }
        }
        Ok(Some(Arc::new(CertifiedKey::new(chain, key))))
    }

    /// The authorities the other side's certificate must come from: those of the file, else those
    /// of the machine. Also the file's certificates themselves.
    pub(crate) fn roots(
        &self,
        material: &Material,
    ) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), Error> {
        let (Some(file), Some(text)) = (&self.authorities, &material.authorities) else {
            return Ok((system_roots()?, Vec::new()));
        };
        let mut roots = RootCertStore::empty();
        let certificates = certificates(AUTHORITIES, file, text)?;
        for (at, certificate) in certificates.iter().enumerate() {
            roots
                .add(certificate.clone())
                .map_err(|error| unreadable_certificate(AUTHORITIES, file, at + 1, &error))?;
        }
        Ok((roots, certificates))
    }
}

fn read(what: &'static str, file: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(file).map_err(|error| Error::TlsFile {
        what,
        file: file.to_owned(),
        problem: format!("cannot be read ({})", error::reason(&error)),
        remedy: "check the path, and that this user may read the file",
    })
}

fn read_optional(what: &'static str, file: Option<&Path>) -> Result<Option<Vec<u8>>, Error> {
    file.map(|file| read(what, file)).transpose()
}

fn certificates(
    what: &'static str,
    file: &Path,
    text: &[u8],
) -> Result<Vec<CertificateDer<'static>>, Error> {
    let wrong = |problem: String| Error::TlsFile {
        what,
        file: file.to_owned(),
        problem,
        remedy: "give a PEM file with at least one \"-----BEGIN CERTIFICATE-----\" block",
    };
    if text.is_empty() {
        return Err(wrong("is empty".to_owned()));
    }
    let certificates =
        pem::certificates(text).map_err(|error| wrong(format!("not valid PEM ({error})")))?;
    if certificates.is_empty() {
        return Err(wrong("holds no certificate".to_owned()));
    }
    for (at, certificate) in certificates.iter().enumerate() {
        certificate::check_form(certificate)
            .map_err(|error| unreadable_certificate(what, file, at + 1, &error))?;
    }
    Ok(certificates)
}

fn private_key(file: &Path, text: &[u8]) -> Result<PrivateKeyDer<'static>, Error> {
    let wrong = |problem: String| Error::TlsFile {
        what: KEY,
        file: file.to_owned(),
        problem,
        remedy: "give a PEM file with one unencrypted \"PRIVATE KEY\" block",
    };
    if text.is_empty() {
        return Err(wrong("is empty".to_owned()));
    }
    pem::private_key(text)
        .map_err(|error| wrong(format!("not valid PEM ({error})")))?
        .ok_or_else(|| wrong("holds no private key".to_owned()))
}

fn unreadable_certificate(
    what: &'static str,
    file: &Path,
    number: usize,
    error: &dyn std::fmt::Display,
) -> Error {
    Error::TlsFile {
        what,
        file: file.to_owned(),
        problem: format!("certificate {number} in it is not a valid X.509 certificate ({error})"),
        remedy: "make the certificate again, or copy it again whole",
    }
}

fn system_roots() -> Result<RootCertStore, Error> {
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let known = SYSTEM_AUTHORITIES.iter().map(PathBuf::from);
    let mut roots = RootCertStore::empty();
    let found = named.into_iter().chain(known).find_map(|file| std::fs::read(file).ok());
    if let Some(text) = found {
        // A machine's bundle may hold certificates of forms nobody reads any more.
        roots.add_parsable_certificates(pem::certificates(&text).unwrap_or_default());
    }
    if roots.is_empty() {
        return Err(Error::TlsSettings(
            "no trusted CA file is given and this machine has no system roots: give the CA file \
             that signed the other side's certificates"
                .to_owned(),
        ));
    }
    Ok(roots)
}
