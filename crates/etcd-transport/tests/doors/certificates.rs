//! The settings of those who show a certificate.

use std::path::PathBuf;

use etcd_transport::Tls;
use etcd_visitors::{Authority, Identity};

/// Settings that show a certificate, without an authority to verify the other side.
pub(crate) fn showing(shown: &Identity) -> Tls {
    Tls {
        cert_file: Some(shown.certificate.clone()),
        key_file: Some(shown.key.clone()),
        ..Tls::default()
    }
}

/// Settings that show a certificate and trust an authority.
pub(crate) fn trusting(authority: &Authority, shown: &Identity) -> Tls {
    Tls { trusted_ca_file: Some(authority.file()), ..showing(shown) }
}

/// A file that revokes one of an authority's serial numbers.
pub(crate) fn revoke(authority: &Authority, serial: u64) -> PathBuf {
    let file = authority.file().with_extension("crl");
    std::fs::write(&file, authority.list(serial)).expect("written");
    file
}
