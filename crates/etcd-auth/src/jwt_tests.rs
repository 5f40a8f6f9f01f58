//! Tokens of every method, and what is not taken for one.

use std::fs;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
use serde_json::json;
use tempfile::TempDir;

use super::*;

const TTL: Duration = Duration::from_secs(60);
const NOW: Duration = Duration::from_secs(1_800_000_000);

/// Key files, and tokens made of them.
struct Files(TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().expect("a temporary directory"))
    }

    fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, contents).expect("a file is written");
        path
    }

    fn secret(&self, method: &str, secret: &[u8]) -> Jwt {
        let path = self.write("secret", secret);
        Jwt::open(&options(method, None, Some(path))).expect("a key")
    }
}

fn options(method: &str, public_key: Option<PathBuf>, private_key: Option<PathBuf>) -> JwtOptions {
    JwtOptions { sign_method: method.to_owned(), public_key, private_key, ttl: TTL }
}

fn ann() -> Identity {
    Identity { user: "ann".to_owned(), revision: 7 }
}

/// The two keys of a pair in PEM. rcgen makes no RSA keys; aws-lc does.
fn pair(method: &str) -> (String, String) {
    if method.starts_with("RS") || method.starts_with("PS") {
        return rsa_pair();
    }
    let algorithm = match method {
        "ES256" => &PKCS_ECDSA_P256_SHA256,
        "ES384" => &PKCS_ECDSA_P384_SHA384,
        "ES512" => &rcgen::PKCS_ECDSA_P521_SHA512,
        _ => &PKCS_ED25519,
    };
    let pair = KeyPair::generate_for(algorithm).expect("a key pair");
    (pair.serialize_pem(), pair.public_key_pem())
}

fn rsa_pair() -> (String, String) {
    use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::KeyPair as _;
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key pair");
    let private: Pkcs8V1Der<'_> = pair.as_der().expect("PKCS#8");
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("a public key");
    let text = |tag, der: &[u8]| pem::encode(&pem::Pem::new(tag, der));
    (text("PRIVATE KEY", private.as_ref()), text("PUBLIC KEY", public.as_ref()))
}

const SIGNED_BY_PAIRS: [&str; 10] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];

#[test]
fn a_token_of_every_method_is_taken_and_no_other() {
    let files = Files::new();
    let mut all = vec![];
    for method in SIGNED_BY_PAIRS {
        let (private, public) = pair(method);
        let private = files.write(&format!("{method}.key"), private);
        let public = files.write(&format!("{method}.pub"), public);
        let both = options(method, Some(public.clone()), Some(private));
        let signer = Jwt::open(&both).expect("a pair of keys");
        let checker = Jwt::open(&options(method, Some(public), None)).expect("a key");
        let token = signer.sign(&ann()).expect("a token");
        assert_eq!(checker.verify(&token), Ok(ann()), "{method}");
        let refused = checker.sign(&ann()).expect_err("it cannot sign");
        assert!(matches!(refused, Error::Refused(Refusal::VerifyOnly)), "{method}");
        all.push((signer, token));
    }
    for method in ["HS256", "HS384", "HS512"] {
        let jwt = files.secret(method, b"a secret\n");
        let token = jwt.sign(&ann()).expect("a token");
        all.push((jwt, token));
    }
    for (mine, (jwt, _)) in all.iter().enumerate() {
        for (other, (_, token)) in all.iter().enumerate() {
            assert_eq!(jwt.verify(token).is_ok(), mine == other, "{jwt:?} {other}");
        }
    }
}

#[test]
fn a_token_says_what_etcds_say_in_the_same_order() {
    let files = Files::new();
    let token = files.secret("HS256", b"s").sign_at(&ann(), NOW).expect("a token");
    let parts: Vec<Vec<u8>> =
        token.split('.').map(|part| BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64")).collect();
    assert_eq!(parts[0], br#"{"alg":"HS256","typ":"JWT"}"#);
    assert_eq!(parts[1], br#"{"exp":1800000060,"revision":7,"username":"ann"}"#);
}

/// What becomes of a token with these parts, signed by the right key.
fn check(header: &Value, claims: &Value) -> Option<Identity> {
    let files = Files::new();
    let jwt = files.secret("HS256", b"s");
    let message = format!("{}.{}", part(header), part(claims));
    let signature = jwt.signing.as_ref().expect("a secret").sign(message.as_bytes());
    let signature = BASE64_URL_SAFE_NO_PAD.encode(signature.expect("a signature"));
    jwt.verify_at(&format!("{message}.{signature}"), NOW)
}

#[test]
fn the_method_is_not_for_the_token_to_choose() {
    let claims = json!({"username": "ann", "revision": 7});
    assert_eq!(check(&json!({"alg": "HS256"}), &claims), Some(ann()));
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "hs256"}),
        json!({"alg": "HS384"}),
        json!({"alg": ["HS256"]}),
        json!({"typ": "JWT"}),
        json!([]),
    ] {
        assert_eq!(check(&header, &claims), None, "{header}");
    }
}

#[test]
fn a_public_key_is_no_secret_that_a_token_could_be_signed_with() {
    let files = Files::new();
    for method in ["RS256", "ES256", "EdDSA"] {
        let (_, public) = pair(method);
        let path = files.write("public", &public);
        let checker = Jwt::open(&options(method, Some(path), None)).expect("a key");
        let forger = files.secret("HS256", public.as_bytes());
        let forged = forger.sign(&ann()).expect("a token");
        assert_eq!(checker.verify(&forged), Err(Refusal::InvalidToken));
        // The same with the header that the checker wants.
        let (_, rest) = forged.split_once('.').expect("three parts");
        let header = part(&json!({"alg": method, "typ": "JWT"}));
        let (claims, _) = rest.split_once('.').expect("two parts");
        let message = format!("{header}.{claims}");
        let signature = forger.signing.as_ref().expect("a secret").sign(message.as_bytes());
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature.expect("a signature"));
        let confused = format!("{message}.{signature}");
        assert_eq!(checker.verify(&confused), Err(Refusal::InvalidToken));
    }
}

#[test]
fn claims_must_say_who_and_when_and_may_say_until_when() {
    let header = json!({"alg": "HS256"});
    let taken = |claims: Value| check(&header, &claims).is_some();
    let now = NOW.as_secs();
    assert!(taken(json!({"username": "ann", "revision": 7, "exp": now + 1, "aud": "x", "iat": 9})));
    assert!(taken(json!({"username": "ann", "revision": 7.0, "nbf": now})));
    for claims in [
        json!({"username": "ann", "revision": 7, "exp": now}),
        json!({"username": "ann", "revision": 7, "exp": "2100"}),
        json!({"username": "ann", "revision": 7, "exp": null}),
        json!({"username": "ann", "revision": 7, "nbf": now + 1}),
        json!({"username": "ann"}),
        json!({"username": "ann", "revision": "7"}),
        json!({"username": "ann", "revision": -1}),
        json!({"username": 5, "revision": 7}),
        json!({"revision": 7}),
        json!(["ann", 7]),
    ] {
        assert!(!taken(claims.clone()), "{claims}");
    }
    let huge = check(&header, &json!({"username": "ann", "revision": 1e30})).expect("a number");
    assert_eq!(huge.revision, u64::MAX);
}

#[test]
fn nothing_cut_or_changed_is_taken() {
    let files = Files::new();
    let jwt = files.secret("HS256", b"s");
    let token = jwt.sign(&ann()).expect("a token");
    assert_eq!(jwt.verify(&token), Ok(ann()));
    for at in 0..token.len() {
        assert!(jwt.verify(&token[..at]).is_err(), "cut at {at}");
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'Q' } else { b'A' };
        let changed = String::from_utf8(changed).expect("ASCII");
        assert!(jwt.verify(&changed).is_err(), "changed at {at}");
    }
    for other in [format!("{token}="), format!("{token}.x"), format!(".{token}"), "..".into()] {
        assert!(jwt.verify(&other).is_err(), "{other}");
    }
}

fn refusal(files: &Files, method: &str, public: Option<&str>, private: Option<&str>) -> String {
    let path = |name: &str| files.0.path().join(name);
    let options = options(method, public.map(path), private.map(path));
    let error = Jwt::open(&options).expect_err("refused").to_string();
    error.replace(&*files.0.path().to_string_lossy(), "DIR")
}

#[test]
fn a_start_without_usable_keys_says_what_is_wrong() {
    let files = Files::new();
    let ((private, public), (_, other)) = (pair("ES256"), pair("ES256"));
    files.write("private", private);
    files.write("public", public);
    files.write("other", other);
    files.write("junk", "hello");
    files.write("empty", "");
    let check = |method, public, private, text: &str| {
        assert_eq!(refusal(&files, method, public, private), text);
    };
    check("XX", None, Some("private"), "auth: invalid auth signature method");
    check("none", None, Some("private"), "auth: invalid auth signature method");
    check("ES256", None, None, "auth: missing key data");
    check("HS256", None, None, "auth: missing key data");
    check("HS256", Some("public"), None, "auth: missing key data");
    check("HS256", None, Some("empty"), "auth: missing key data");
    let text = "auth: public and private keys don't match";
    check("ES256", Some("other"), Some("private"), text);
    let text =
        "auth: the key file DIR/junk holds no public key of the method's elliptic curve in PEM";
    check("ES256", Some("junk"), None, text);
    let text =
        "auth: the key file DIR/private holds no private RSA key of 2048 to 8192 bits in PEM";
    check("RS256", None, Some("private"), text);
    let text =
        "auth: the key file DIR/private holds no private key of the method's elliptic curve in PEM";
    check("ES384", None, Some("private"), text);
    let text = "auth: cannot read the key file DIR/nowhere: No such file or directory (os error 2)";
    check("ES256", None, Some("nowhere"), text);
}

#[test]
fn nothing_printed_holds_a_key() {
    let jwt = Files::new().secret("HS256", b"a secret");
    assert_eq!(format!("{jwt:?}"), "Jwt { method: \"HS256\", .. }");
}
