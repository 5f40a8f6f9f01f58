//! Client certificates of X.509 version 1, which webpki refuses and etcd takes.
//!
//! `openssl x509 -req` makes them when it is given no extensions, so many hand-made setups have
//! them. They carry no names beyond their subject and so serve for clients only. One is accepted
//! when a configured authority has signed it directly.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerMisbehaved};
use x509_parser::asn1_rs::{Any, FromDer};
use x509_parser::prelude::{X509Certificate, X509Version};

const BAD_ENCODING: Error = Error::InvalidCertificate(CertificateError::BadEncoding);

/// Whether a certificate is of version 1. One that cannot be read is not.
pub(crate) fn is_version_1(der: &[u8]) -> bool {
    parse(der).is_ok_and(|certificate| certificate.version == X509Version::V1)
}

/// Whether one of the authorities has issued the certificate, and it is valid at `now`.
pub(crate) fn check_issued(
    der: &[u8],
    authorities: &[CertificateDer<'static>],
    now: UnixTime,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<(), Error> {
    let certificate = parse(der)?;
    let now = i64::try_from(now.as_secs()).map_err(|_| BAD_ENCODING)?;
    if now < certificate.validity.not_before.timestamp() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > certificate.validity.not_after.timestamp() {
        return Err(CertificateError::Expired.into());
    }
    let whole = any(der)?;
    let (after_body, _) = Any::from_der(whole.data).map_err(|_| BAD_ENCODING)?;
    let signature_algorithm = any(after_body)?;
    let is_issuer = |authority: &CertificateDer<'static>| {
        let Ok(authority) = parse(authority) else { return false };
        let may_sign = authority.version == X509Version::V1 || authority.is_ca();
        may_sign
            && authority.subject.as_raw() == certificate.issuer.as_raw()
            && is_signed(
                authority.subject_pki.raw,
                Some(signature_algorithm.data),
                certificate.tbs_certificate.as_ref(),
                &certificate.signature_value.data,
                algorithms.all,
            )
    };
    match authorities.iter().any(is_issuer) {
        true => Ok(()),
        false => Err(CertificateError::UnknownIssuer.into()),
    }
}

/// Checks a TLS 1.2 handshake's signature by the certificate's key.
pub(crate) fn check_tls12_signature(
    der: &[u8],
    message: &[u8],
    signature: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let certificate = parse(der)?;
    let (_, possible) = algorithms
        .mapping
        .iter()
        .find(|(scheme, _)| *scheme == signature.scheme)
        .ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
    let key = certificate.subject_pki.raw;
    match is_signed(key, None, message, signature.signature(), possible) {
        true => Ok(HandshakeSignatureValid::assertion()),
        false => Err(CertificateError::BadSignature.into()),
    }
}

/// Checks a TLS 1.3 handshake's signature by the certificate's key.
pub(crate) fn check_tls13_signature(
    der: &[u8],
    message: &[u8],
    signature: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let certificate = parse(der)?;
    let key = SubjectPublicKeyInfoDer::from(certificate.subject_pki.raw);
    verify_tls13_signature_with_raw_key(message, &key, signature, algorithms)
}

/// Whether one of the algorithms that fit the key, and the named signature algorithm if there is
/// one, accepts the signature.
fn is_signed(
    key: &[u8],
    signature_algorithm: Option<&[u8]>,
    message: &[u8],
    signature: &[u8],
    algorithms: &[&dyn rustls::pki_types::SignatureVerificationAlgorithm],
) -> bool {
    let Ok((key_algorithm, public_key)) = key_parts(key) else { return false };
    algorithms
        .iter()
        .filter(|algorithm| algorithm.public_key_alg_id().as_ref() == key_algorithm)
        .filter(|algorithm| {
            signature_algorithm.is_none_or(|id| algorithm.signature_alg_id().as_ref() == id)
        })
        .any(|algorithm| algorithm.verify_signature(public_key, message, signature).is_ok())
}

/// The algorithm's identifier and the bits of the key.
fn key_parts(der: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let info = any(der)?;
    let (rest, algorithm) = Any::from_der(info.data).map_err(|_| BAD_ENCODING)?;
    match any(rest)?.data {
        // The first byte of a bit string says how many bits of the last are unused.
        [0, bits @ ..] => Ok((algorithm.data, bits)),
        _ => Err(BAD_ENCODING),
    }
}

fn any(der: &[u8]) -> Result<Any<'_>, Error> {
    Any::from_der(der).map(|(_, any)| any).map_err(|_| BAD_ENCODING)
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, Error> {
    X509Certificate::from_der(der).map(|(_, certificate)| certificate).map_err(|_| BAD_ENCODING)
}
