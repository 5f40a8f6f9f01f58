//! What a visitor shows.

use std::fs;
use std::path::{Path, PathBuf};

use pem::Pem;
use rcgen::SigningKey as _;

use crate::Authority;
use crate::der::{self, Parts};

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate's file.
    pub certificate: PathBuf,
    /// The key's file.
    pub key: PathBuf,
}

impl Identity {
    /// The files `stem.pem` and `stem-key.pem` in a folder.
    pub(crate) fn write(folder: &Path, stem: &str, certificate: &str, key: &str) -> Identity {
        let identity = Identity {
            certificate: folder.join(format!("{stem}.pem")),
            key: folder.join(format!("{stem}-key.pem")),
        };
        fs::write(&identity.certificate, certificate).expect("written");
        fs::write(&identity.key, key).expect("written");
        identity
    }

    /// Makes it a certificate of X.509 version 1, which has no version and no extensions, signed
    /// anew by `signer`.
    ///
    /// # Panics
    /// When the certificate is none.
    pub fn make_version_1(&self, signer: &Authority) {
        let file = fs::read(&self.certificate).expect("read");
        let certificate = pem::parse(file).expect("PEM");
        let Parts { body, algorithm } = Parts::of(certificate.contents());
        let kept: Vec<_> = body.into_iter().filter(|part| !der::is_by_context(part)).collect();
        let body = der::sequence(&kept);
        let signature = signer.issuer.key().sign(&body).expect("signed");
        let certificate = der::sequence(&[&body, algorithm, &der::bits(&signature)]);
        let certificate = pem::encode(&Pem::new("CERTIFICATE", certificate));
        fs::write(&self.certificate, certificate).expect("written");
    }

    /// Puts another certificate in the place of this one.
    ///
    /// # Panics
    /// When the files cannot be written.
    pub fn replace_with(&self, other: &Identity) {
        fs::copy(&other.certificate, &self.certificate).expect("copied");
        fs::copy(&other.key, &self.key).expect("copied");
    }
}

/// Puts a copy of a file in the place of another at once.
///
/// # Panics
/// When the files cannot be written.
pub fn rename_over(from: &Path, to: &Path) {
    let beside = to.with_extension("new");
    fs::copy(from, &beside).expect("copied");
    fs::rename(&beside, to).expect("renamed");
}
