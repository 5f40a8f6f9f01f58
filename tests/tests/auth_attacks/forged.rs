//! Signed tokens, made with the right key and with none.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// A pair of keys in files.
pub(crate) struct Keys {
    folder: TempDir,
    pair: KeyPair,
}

/// The claims of a token that ends after so many seconds.
pub(crate) fn claims(user: &str, revision: u64, seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
    let end = i64::try_from(now).expect("not that late") + seconds;
    format!(r#"{{"exp":{end},"revision":{revision},"username":"{user}"}}"#)
}

impl Keys {
    pub(crate) fn new() -> Keys {
        let folder = TempDir::with_prefix("etcd-test-").expect("a temporary folder");
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a pair of keys");
        let keys = Keys { folder, pair };
        std::fs::write(keys.file("key.pem"), keys.pair.serialize_pem()).expect("a file");
        std::fs::write(keys.file("pub.pem"), keys.pair.public_key_pem()).expect("a file");
        keys
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The flag of a member that signs with these keys.
    pub(crate) fn flag(&self, more: &str) -> String {
        let (public, private) = (self.file("pub.pem"), self.file("key.pem"));
        format!(
            "--auth-token=jwt,sign-method=ES256,pub-key={},priv-key={},{more}",
            public.display(),
            private.display()
        )
    }

    /// A token as the member itself would make it.
    pub(crate) fn sign(&self, claims: &str) -> String {
        let message = message(r#"{"alg":"ES256","typ":"JWT"}"#, claims);
        let der = self.pair.serialize_der();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der);
        let signature = pair.expect("a key").sign(&SystemRandom::new(), message.as_bytes());
        joined(&message, signature.expect("a signature").as_ref())
    }

    /// Tokens that name `claims` and are no good, some made from a good one.
    pub(crate) fn forgeries(&self, good: &str, claims: &str) -> Vec<String> {
        let (head, signature) = good.rsplit_once('.').expect("three parts");
        let (header, _) = head.split_once('.').expect("two parts");
        let stranger = Keys::new();
        let mut forgeries = vec![
            message(r#"{"alg":"none","typ":"JWT"}"#, claims) + ".",
            message(r#"{"alg":"None"}"#, claims) + ".",
            message(r#"{"typ":"JWT"}"#, claims) + ".",
            joined(&message(r#"{"alg":"ES256"}"#, claims), &[0; 64]),
            joined(&message(r#"{"alg":"ES256"}"#, claims), &[]),
            format!("{header}.{}.{signature}", BASE64.encode(claims.replace("root", "root "))),
            stranger.sign(claims),
            good[..good.len() - 4].to_owned(),
            format!("{head}."),
            head.to_owned(),
            format!("{good}.{signature}"),
        ];
        // What everybody may know is no secret: the public key, in every form it has.
        let pem = self.pair.public_key_pem();
        let known = [pem.as_bytes(), pem.trim().as_bytes(), self.pair.public_key_raw(), b""];
        for secret in known {
            for header in [r#"{"alg":"HS256","typ":"JWT"}"#, r#"{"alg":"ES256","typ":"JWT"}"#] {
                let message = message(header, claims);
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
                forgeries.push(joined(&message, hmac::sign(&key, message.as_bytes()).as_ref()));
            }
        }
        forgeries
    }
}

fn message(header: &str, claims: &str) -> String {
    format!("{}.{}", BASE64.encode(header), BASE64.encode(claims))
}

fn joined(message: &str, signature: &[u8]) -> String {
    format!("{message}.{}", BASE64.encode(signature))
}
