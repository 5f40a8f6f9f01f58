//! Tokens that carry their user, signed (RFC 7519).

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::keys::{Scheme, SigningKey, VerifyingKey};
use crate::{Error, Identity, Refusal};

/// How tokens are signed, from which keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtOptions {
    /// The method's name in the header of a token: `RS256`, `ES256`, `HS256`, `EdDSA` and their
    /// like.
    pub sign_method: String,
    /// The file of the key that checks; not needed beside the one that signs.
    pub public_key: Option<PathBuf>,
    /// The file of the key that signs, or of the secret for both.
    pub private_key: Option<PathBuf>,
    /// How long a token is good.
    pub ttl: Duration,
}

/// Signs tokens and tells whose a signed one is.
///
/// A token is good for whoever has it until it ends: it need not be known here. It names the
/// revision of the store at which it was signed, and is too old after any change of users or roles.
pub struct Jwt {
    method: String,
    /// None on a member that only checks.
    signing: Option<SigningKey>,
    verifying: VerifyingKey,
    ttl: Duration,
}

impl std::fmt::Debug for Jwt {
    /// The method, and no key.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Jwt").field("method", &self.method).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Header<'h> {
    alg: &'h str,
    typ: &'static str,
}

/// In the order of etcd's.
#[derive(Serialize)]
struct Claims<'c> {
    exp: u64,
    revision: u64,
    username: &'c str,
}

impl Jwt {
    /// Reads the keys.
    ///
    /// # Errors
    /// `SignatureMethod`, `MissingKey`, `KeyMismatch`, `KeyFile`, `Key`: nobody could get in.
    pub fn open(options: &JwtOptions) -> Result<Jwt, Error> {
        let scheme = Scheme::of(&options.sign_method).ok_or(Error::SignatureMethod)?;
        let private_key = options.private_key.as_deref();
        let signing = private_key.map(|path| SigningKey::read(path, scheme)).transpose()?;
        let public_key = match scheme {
            // There is one secret, and it is no public one.
            Scheme::Hmac(_) => None,
            _ => options.public_key.as_deref(),
        };
        let public = public_key.map(|path| VerifyingKey::read(path, scheme)).transpose()?;
        let verifying = match (&signing, public) {
            (Some(signing), None) => signing.verifying_key(scheme)?,
            (Some(signing), Some(public)) => {
                let probe = b"a pair of keys";
                if !public.verifies(probe, &signing.sign(probe)?) {
                    return Err(Error::KeyMismatch);
                }
                public
            }
            (None, Some(public)) => public,
            (None, None) => return Err(Error::MissingKey),
        };
        Ok(Jwt { method: options.sign_method.clone(), signing, verifying, ttl: options.ttl })
    }

    /// A new token, which takes an RSA key about a millisecond.
    ///
    /// # Errors
    /// `VerifyOnly` on a member without the key that signs.
    pub fn sign(&self, identity: &Identity) -> Result<String, Error> {
        self.sign_at(identity, now())
    }

    fn sign_at(&self, identity: &Identity, now: Duration) -> Result<String, Error> {
        let signing = self.signing.as_ref().ok_or(Refusal::VerifyOnly)?;
        let header = Header { alg: &self.method, typ: "JWT" };
        let claims = Claims {
            exp: now.saturating_add(self.ttl).as_secs(),
            revision: identity.revision,
            username: &identity.user,
        };
        let mut token = format!("{}.{}", part(&header), part(&claims));
        let signature = signing.sign(token.as_bytes())?;
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// Whose token this is.
    ///
    /// # Errors
    /// `InvalidToken` for one that is signed by another key or in another way, has ended, or does
    /// not say who and when. Why exactly is nobody's business.
    pub fn verify(&self, token: &str) -> Result<Identity, Refusal> {
        self.verify_at(token, now()).ok_or(Refusal::InvalidToken)
    }

    fn verify_at(&self, token: &str, now: Duration) -> Option<Identity> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        // The method is this member's to choose: what the token asks for must be the same.
        let header = object(header)?;
        if header.get("alg")?.as_str()? != self.method {
            return None;
        }
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
        if !self.verifying.verifies(message.as_bytes(), &signature) {
            return None;
        }
        let claims = object(claims)?;
        let now = now.as_secs_f64();
        let has_ended = seconds(&claims, "exp")?.is_some_and(|end| now >= end);
        let is_early = seconds(&claims, "nbf")?.is_some_and(|start| now < start);
        if has_ended || is_early {
            return None;
        }
        let user = claims.get("username")?.as_str()?.to_owned();
        Some(Identity { user, revision: revision(claims.get("revision")?)? })
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn part(content: &impl Serialize) -> String {
    let json = serde_json::to_vec(content).expect("text and numbers can be written");
    BASE64_URL_SAFE_NO_PAD.encode(json)
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// A time of the claims, which may be missing; none at all when it is not a number.
fn seconds(claims: &Map<String, Value>, name: &str) -> Option<Option<f64>> {
    match claims.get(name) {
        None => Some(None),
        Some(value) => value.as_f64().map(Some),
    }
}

/// Any number is one, as etcd's library reads them all alike, but none below zero.
fn revision(value: &Value) -> Option<u64> {
    if let Some(revision) = value.as_u64() {
        return Some(revision);
    }
    let number = value.as_f64().filter(|number| *number >= 0.0)?;
    // What is too large is the largest.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is not below 0"
    )]
    Some(number as u64)
}

#[cfg(test)]
#[path = "jwt_tests.rs"]
mod tests;
