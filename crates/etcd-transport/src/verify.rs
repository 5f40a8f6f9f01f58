//! What etcd asks of the other side's certificate beyond a valid chain.

use std::fmt::Debug;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError};

use crate::{certificate, legacy};

/// A refusal by a rule of etcd's own.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    /// etcd's words, which operators look for.
    #[error("client certificate authentication failed")]
    NotAllowed,
    #[error("certificate cannot be read: {0}")]
    Unreadable(String),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refusal))))
    }
}

/// The rules, the same for both directions.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// When not empty, the leaf's common name must be one of these.
    pub(crate) common_names: Vec<String>,
    /// When not empty, the leaf must be valid for one of these host names or IP addresses.
    pub(crate) hostnames: Vec<String>,
    /// The configured authorities themselves.
    pub(crate) authorities: Vec<CertificateDer<'static>>,
}

impl Rules {
    fn check(&self, end_entity: &CertificateDer<'_>) -> Result<(), Error> {
        if !self.common_names.is_empty() {
            let facts = certificate::facts(end_entity).map_err(Refusal::Unreadable)?;
            if !facts.common_name.is_some_and(|name| self.common_names.contains(&name)) {
                return Err(Refusal::NotAllowed.into());
            }
        }
        if !self.hostnames.is_empty() {
            let leaf = ParsedCertificate::try_from(end_entity)?;
            let facts = certificate::facts(end_entity).map_err(Refusal::Unreadable)?;
            if !self.hostnames.iter().any(|name| is_valid_for(&leaf, &facts.dns_names, name)) {
                return Err(Refusal::NotAllowed.into());
            }
        }
        Ok(())
    }

    /// Accepts a certificate that is itself one of the configured authorities.
    ///
    /// A self-signed certificate that names itself as its CA is how small clusters are often set
    /// up. etcd takes it; webpki refuses a CA certificate as the end of a chain, whoever trusts
    /// it. The private key is still proven by the handshake.
    fn accept_authority_itself(
        &self,
        refused: Error,
        end_entity: &CertificateDer<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let is_about_form =
            matches!(refused, Error::InvalidCertificate(CertificateError::Other(_)));
        if !is_about_form || !self.authorities.iter().any(|authority| authority == end_entity) {
            return Err(refused);
        }
        match certificate::is_valid_at(end_entity, now).map_err(Refusal::Unreadable)? {
            true => Ok(()),
            false => Err(Error::InvalidCertificate(CertificateError::Expired)),
        }
    }
}

/// Whether a certificate is valid for a name that the operator allows. What is neither a DNS name
/// nor an address, such as `*.example.com`, must stand in the certificate as it is.
fn is_valid_for(leaf: &ParsedCertificate<'_>, dns_names: &[String], allowed: &str) -> bool {
    let address = allowed.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    match ServerName::try_from(address.unwrap_or(allowed)) {
        Ok(name) => verify_server_name(leaf, &name).is_ok(),
        Err(_) => dns_names.iter().any(|name| name.eq_ignore_ascii_case(allowed)),
    }
}

/// A verifier of chains, and the rules on top of it.
#[derive(Debug)]
pub(crate) struct Verifier<V: ?Sized> {
    pub(crate) rules: Rules,
    pub(crate) algorithms: WebPkiSupportedAlgorithms,
    pub(crate) chain: Arc<V>,
}

impl ClientCertVerifier for Verifier<dyn ClientCertVerifier> {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if legacy::is_version_1(end_entity) {
            let authorities = &self.rules.authorities;
            legacy::check_issued(end_entity, authorities, now, &self.algorithms)?;
        } else if let Err(refused) = self.chain.verify_client_cert(end_entity, intermediates, now) {
            self.rules.accept_authority_itself(refused, end_entity, now)?;
        }
        self.rules.check(end_entity)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if legacy::is_version_1(certificate) {
            let algorithms = &self.algorithms;
            return legacy::check_tls12_signature(certificate, message, signature, algorithms);
        }
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if legacy::is_version_1(certificate) {
            let algorithms = &self.algorithms;
            return legacy::check_tls13_signature(certificate, message, signature, algorithms);
        }
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

impl ServerCertVerifier for Verifier<dyn ServerCertVerifier> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.chain.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        if let Err(refused) = verdict {
            self.rules.accept_authority_itself(refused, end_entity, now)?;
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        }
        self.rules.check(end_entity)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// Believes every server that can prove it owns its key, whatever certificate it shows: for
/// clusters whose members made their certificates themselves.
#[derive(Debug)]
pub struct AnyServer(Arc<CryptoProvider>);

impl AnyServer {
    /// Signatures are verified as this provider does it.
    pub fn new(provider: Arc<CryptoProvider>) -> AnyServer {
        AnyServer(provider)
    }
}

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
