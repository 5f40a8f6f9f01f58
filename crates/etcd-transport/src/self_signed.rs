//! Certificates a member makes for itself: `--auto-tls` and `--peer-auto-tls`.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P521_SHA512,
};

use crate::address::{Address, Place};
use crate::settings::{ServerVerification, Tls};
use crate::{Error, error};

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
const REMEDY: &str = "check that this user may write the data directory";

impl Tls {
    /// Settings with a certificate this member made itself, in `directory/cert.pem` and
    /// `directory/key.pem`. Files that are already there are used as they are.
    ///
    /// The certificate is as etcd's: ECDSA P-521, organisation `etcd`, a CA, valid for the hosts
    /// of `listen_urls` and for `validity_years` times 365 days. Nobody can verify it, so dialers
    /// with these settings accept any server certificate.
    ///
    /// # Errors
    /// [`Error::TlsSettings`] for a validity of no years, [`Error::Url`] for a bad URL,
    /// [`Error::TlsFile`] when the files cannot be written.
    pub fn self_signed(
        directory: &Path,
        listen_urls: &[String],
        validity_years: u32,
    ) -> Result<Tls, Error> {
        if validity_years == 0 {
            return Err(Error::TlsSettings(
                "selfSignedCertValidity is invalid,it should be greater than 0".to_owned(),
            ));
        }
        let cert_file = directory.join("cert.pem");
        let key_file = directory.join("key.pem");
        if !(cert_file.is_file() && key_file.is_file()) {
            let (certificate, key) = generate(&hosts(listen_urls)?, validity_years)?;
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)
                .map_err(|error| unwritable("certificate directory", directory, &error))?;
            write("certificate file", &cert_file, certificate.as_bytes(), 0o644)?;
            write("private key file", &key_file, key.as_bytes(), 0o600)?;
            tracing::warn!(validity_years, "automatically generate certificates");
            tracing::info!(path = %cert_file.display(), "created cert file");
            tracing::info!(path = %key_file.display(), "created key file");
        }
        Ok(Tls {
            cert_file: Some(cert_file),
            key_file: Some(key_file),
            server_verification: ServerVerification::Skip,
            ..Tls::default()
        })
    }
}

fn hosts(listen_urls: &[String]) -> Result<Vec<String>, Error> {
    let mut hosts = Vec::new();
    for url in listen_urls {
        match Address::parse(url)?.place {
            Place::Tcp { host, .. } if !hosts.contains(&host) => hosts.push(host),
            Place::Tcp { .. } | Place::Unix(_) => {}
        }
    }
    Ok(hosts)
}

/// A certificate and its key in PEM.
fn generate(hosts: &[String], validity_years: u32) -> Result<(String, String), Error> {
    let failed = |error: rcgen::Error| {
        Error::TlsSettings(format!("cannot make a self-signed certificate: {error}"))
    };
    // rcgen takes every host that is an IP address for one, and the others for DNS names.
    let mut wanted = CertificateParams::new(hosts).map_err(failed)?;
    wanted.distinguished_name = DistinguishedName::new();
    wanted.distinguished_name.push(DnType::OrganizationName, "etcd");
    wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    wanted.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::CrlSign,
    ];
    wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let now = SystemTime::now();
    wanted.not_before = now.into();
    wanted.not_after = (now + YEAR * validity_years).into();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).map_err(failed)?;
    let certificate = wanted.self_signed(&key).map_err(failed)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn write(what: &'static str, file: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode);
    options
        .open(file)
        .and_then(|mut open| open.write_all(content))
        .map_err(|error| unwritable(what, file, &error))
}

fn unwritable(what: &'static str, file: &Path, error: &std::io::Error) -> Error {
    Error::TlsFile {
        what,
        file: file.to_owned(),
        problem: format!("cannot be written ({})", error::reason(error)),
        remedy: REMEDY,
    }
}
