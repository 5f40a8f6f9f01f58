//! Keys that sign and check tokens, read from PEM files or, for HMAC, from a file's bytes.

use std::path::Path;

use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, ParsedPublicKey,
    RsaEncoding, RsaKeyPair, VerificationAlgorithm,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::Error;

/// What makes and checks signatures.
#[derive(Clone, Copy)]
pub(crate) enum Scheme {
    Hmac(hmac::Algorithm),
    Rsa { sign: &'static dyn RsaEncoding, verify: &'static dyn VerificationAlgorithm },
    Ecdsa { sign: &'static EcdsaSigningAlgorithm, verify: &'static dyn VerificationAlgorithm },
    Ed25519,
}

impl Scheme {
    /// The scheme of a method's name as JWTs have it (RFC 7518, section 3.1, and RFC 8037).
    pub(crate) fn of(method: &str) -> Option<Scheme> {
        use signature::*;
        let rsa = |sign, verify| Some(Scheme::Rsa { sign, verify });
        let ecdsa = |sign, verify| Some(Scheme::Ecdsa { sign, verify });
        match method {
            "HS256" => Some(Scheme::Hmac(hmac::HMAC_SHA256)),
            "HS384" => Some(Scheme::Hmac(hmac::HMAC_SHA384)),
            "HS512" => Some(Scheme::Hmac(hmac::HMAC_SHA512)),
            "RS256" => rsa(&RSA_PKCS1_SHA256, &RSA_PKCS1_2048_8192_SHA256),
            "RS384" => rsa(&RSA_PKCS1_SHA384, &RSA_PKCS1_2048_8192_SHA384),
            "RS512" => rsa(&RSA_PKCS1_SHA512, &RSA_PKCS1_2048_8192_SHA512),
            "PS256" => rsa(&RSA_PSS_SHA256, &RSA_PSS_2048_8192_SHA256),
            "PS384" => rsa(&RSA_PSS_SHA384, &RSA_PSS_2048_8192_SHA384),
            "PS512" => rsa(&RSA_PSS_SHA512, &RSA_PSS_2048_8192_SHA512),
            "ES256" => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING, &ECDSA_P256_SHA256_FIXED),
            "ES384" => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING, &ECDSA_P384_SHA384_FIXED),
            "ES512" => ecdsa(&ECDSA_P521_SHA512_FIXED_SIGNING, &ECDSA_P521_SHA512_FIXED),
            "EdDSA" => Some(Scheme::Ed25519),
            _ => None,
        }
    }

    /// What a file with a private key of this scheme holds.
    fn private_key(self) -> &'static str {
        match self {
            Scheme::Hmac(_) => "secret",
            Scheme::Rsa { .. } => "private RSA key of 2048 to 8192 bits in PEM",
            Scheme::Ecdsa { .. } => "private key of the method's elliptic curve in PEM",
            Scheme::Ed25519 => "private Ed25519 key in PEM",
        }
    }

    /// What a file with a public key of this scheme holds.
    fn public_key(self) -> &'static str {
        match self {
            Scheme::Hmac(_) => "secret",
            Scheme::Rsa { .. } => "public RSA key of 2048 to 8192 bits in PEM",
            Scheme::Ecdsa { .. } => "public key of the method's elliptic curve in PEM",
            Scheme::Ed25519 => "public Ed25519 key in PEM",
        }
    }

    fn verification(self) -> Option<&'static dyn VerificationAlgorithm> {
        match self {
            Scheme::Hmac(_) => None,
            Scheme::Rsa { verify, .. } | Scheme::Ecdsa { verify, .. } => Some(verify),
            Scheme::Ed25519 => Some(&signature::ED25519),
        }
    }
}

/// A key that signs. It is never printed.
pub(crate) enum SigningKey {
    Hmac(Box<hmac::Key>),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// Reads the file that holds the key.
    pub(crate) fn read(path: &Path, scheme: Scheme) -> Result<SigningKey, Error> {
        let bytes = read(path)?;
        let rejected = || Error::Key { path: path.to_owned(), expected: scheme.private_key() };
        match scheme {
            Scheme::Hmac(_) if bytes.is_empty() => Err(Error::MissingKey),
            Scheme::Hmac(algorithm) => {
                Ok(SigningKey::Hmac(Box::new(hmac::Key::new(algorithm, &bytes))))
            }
            Scheme::Rsa { sign, .. } => first(&bytes, |der| {
                let pair = RsaKeyPair::from_der(der).or_else(|_| RsaKeyPair::from_pkcs8(der))?;
                Ok(SigningKey::Rsa(pair, sign))
            })
            .ok_or_else(rejected),
            Scheme::Ecdsa { sign, .. } => first(&bytes, |der| {
                EcdsaKeyPair::from_private_key_der(sign, der).map(SigningKey::Ecdsa)
            })
            .ok_or_else(rejected),
            Scheme::Ed25519 => {
                first(&bytes, |der| Ed25519KeyPair::from_pkcs8(der).map(SigningKey::Ed25519))
                    .ok_or_else(rejected)
            }
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let random = SystemRandom::new();
        let failed = |_| Error::Random("the signature failed".to_owned());
        match self {
            SigningKey::Hmac(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
            SigningKey::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
            SigningKey::Ecdsa(pair) => {
                Ok(pair.sign(&random, message).map_err(failed)?.as_ref().to_vec())
            }
            SigningKey::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }

    /// The key that checks what this one signs.
    pub(crate) fn verifying_key(&self, scheme: Scheme) -> Result<VerifyingKey, Error> {
        let public = match self {
            SigningKey::Hmac(key) => return Ok(VerifyingKey::Hmac(key.clone())),
            SigningKey::Rsa(pair, _) => pair.public_key().as_ref(),
            SigningKey::Ecdsa(pair) => pair.public_key().as_ref(),
            SigningKey::Ed25519(pair) => pair.public_key().as_ref(),
        };
        let algorithm = scheme.verification().ok_or(Error::MissingKey)?;
        let key = ParsedPublicKey::new(algorithm, public).map_err(|_| Error::KeyMismatch)?;
        Ok(VerifyingKey::Public(key))
    }
}

/// A key that checks signatures.
pub(crate) enum VerifyingKey {
    Hmac(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

impl VerifyingKey {
    /// Reads the file that holds the public key, or a certificate for it.
    pub(crate) fn read(path: &Path, scheme: Scheme) -> Result<VerifyingKey, Error> {
        let algorithm = scheme.verification().ok_or(Error::MissingKey)?;
        let key = first(&read(path)?, |der| {
            let parse = |der| ParsedPublicKey::new(algorithm, der);
            parse(der).or_else(|error| match X509Certificate::from_der(der) {
                Ok((_, certificate)) => parse(certificate.tbs_certificate.subject_pki.raw),
                Err(_) => Err(error),
            })
        });
        let rejected = || Error::Key { path: path.to_owned(), expected: scheme.public_key() };
        key.map(VerifyingKey::Public).ok_or_else(rejected)
    }

    /// Whether the signature is one of the message by this key's pair.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            VerifyingKey::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
            VerifyingKey::Public(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::KeyFile { path: path.to_owned(), source })
}

/// The first block of a PEM file that is what is looked for. Parameters of a curve, say, may stand
/// before it.
fn first<K>(pem: &[u8], parse: impl Fn(&[u8]) -> Result<K, KeyRejected>) -> Option<K> {
    let blocks = pem::parse_many(pem).ok()?;
    blocks.iter().find_map(|block| parse(block.contents()).ok())
}
