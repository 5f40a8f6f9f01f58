//! Reads PEM text: the only place that knows how, so that the reader can be exchanged here.

use std::io;

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

/// All certificates of a file, the first one first.
pub(crate) fn certificates(mut text: &[u8]) -> io::Result<Vec<CertificateDer<'static>>> {
    rustls_pemfile::certs(&mut text).collect()
}

/// The first private key of a file, in PKCS#1, PKCS#8 or SEC1 form, not encrypted.
pub(crate) fn private_key(mut text: &[u8]) -> io::Result<Option<PrivateKeyDer<'static>>> {
    rustls_pemfile::private_key(&mut text)
}

/// All revocation lists of a file.
pub(crate) fn revocation_lists(
    mut text: &[u8],
) -> io::Result<Vec<CertificateRevocationListDer<'static>>> {
    rustls_pemfile::crls(&mut text).collect()
}
