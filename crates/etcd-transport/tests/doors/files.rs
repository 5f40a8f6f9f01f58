//! What is said about TLS files and settings that cannot be used.

use std::path::{Path, PathBuf};

use etcd_transport::{Tls, TlsVersion};
use etcd_visitors::Authority;

use crate::certificates::trusting;

struct Files {
    directory: tempfile::TempDir,
    good: Tls,
}

impl Files {
    fn new() -> Files {
        let directory = tempfile::tempdir().expect("a directory");
        let authority = Authority::new(directory.path(), "ca");
        let good = trusting(&authority, &authority.issue("server", &["127.0.0.1"]));
        Files { directory, good }
    }

    fn file(&self, content: &[u8]) -> PathBuf {
        let file = self.directory.path().join("bad.pem");
        std::fs::write(&file, content).expect("written");
        file
    }

    /// The error's text, with the directory taken out. The dialer's side says the same.
    fn check(&self, tls: &Tls) -> String {
        let error = tls.clone().server().err().expect("refused").to_string();
        assert_eq!(error, tls.clone().client().err().expect("refused").to_string());
        error.replace(&format!("{}/", self.directory.path().display()), "")
    }
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_what_is_wrong_and_what_to_do() {
    let files = Files::new();
    let cert = |file: &Path| Tls { cert_file: Some(file.to_owned()), ..files.good.clone() };
    let key = |file: &Path| Tls { key_file: Some(file.to_owned()), ..files.good.clone() };
    let authority =
        |file: &Path| Tls { trusted_ca_file: Some(file.to_owned()), ..files.good.clone() };

    let absent = files.directory.path().join("absent.pem");
    assert_eq!(
        files.check(&cert(&absent)),
        "certificate file absent.pem: cannot be read (no such file or directory); \
         check the path, and that this user may read the file"
    );
    assert_eq!(
        files.check(&cert(&files.file(b""))),
        "certificate file bad.pem: is empty; \
         give a PEM file with at least one \"-----BEGIN CERTIFICATE-----\" block"
    );
    assert_eq!(
        files.check(&authority(&files.file(b"hello\n"))),
        "trusted CA file bad.pem: holds no certificate; \
         give a PEM file with at least one \"-----BEGIN CERTIFICATE-----\" block"
    );
    let torn = b"-----BEGIN CERTIFICATE-----\nMIIB\n";
    let error = files.check(&cert(&files.file(torn)));
    assert!(error.starts_with("certificate file bad.pem: not valid PEM ("), "{error}");
    let nonsense = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let error = files.check(&authority(&files.file(nonsense)));
    let start = "trusted CA file bad.pem: certificate 1 in it is not a valid X.509 certificate (";
    assert!(error.starts_with(start), "{error}");
    assert_eq!(
        files.check(&key(&files.file(nonsense))),
        "private key file bad.pem: holds no private key; \
         give a PEM file with one unencrypted \"PRIVATE KEY\" block"
    );
    let nonsense = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let error = files.check(&key(&files.file(nonsense)));
    assert!(error.starts_with("private key file bad.pem: not a usable private key ("), "{error}");
}

#[test]
fn a_key_of_another_certificate_is_refused_with_both_names() {
    let files = Files::new();
    let other = Authority::new(files.directory.path(), "other").issue("x", &[]);
    let tls = Tls { key_file: Some(other.key), ..files.good.clone() };
    assert_eq!(
        files.check(&tls),
        "private key file other-x-key.pem does not match certificate file ca-server.pem: they hold \
         different public keys; give the certificate and the key that were made together"
    );
}

#[test]
fn half_a_pair_is_refused_in_etcds_words() {
    let files = Files::new();
    let key = files.good.key_file.as_ref().expect("set").display().to_string();
    let half = Tls { cert_file: None, ..files.good.clone() };
    assert_eq!(
        half.server().err().expect("refused").to_string(),
        format!("KeyFile and CertFile must both be present[key: {key}, cert: ]")
    );
    let half = Tls { client_key_file: files.good.key_file.clone(), ..files.good.clone() };
    assert_eq!(
        half.server().err().expect("refused").to_string(),
        format!(
            "ClientKeyFile and ClientCertFile must both be present or both absent: \
             key: {key}, cert: ]"
        )
    );
}

#[test]
fn settings_that_contradict_each_other_are_refused_in_etcds_words() {
    let files = Files::new();
    let versions = Tls {
        min_version: Some(TlsVersion::Tls13),
        max_version: Some(TlsVersion::Tls12),
        ..files.good.clone()
    };
    assert_eq!(files.check(&versions), "min version (TLS1.3) is greater than max version (TLS1.2)");
    let ciphers = Tls {
        min_version: Some(TlsVersion::Tls13),
        cipher_suites: vec!["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256".to_owned()],
        ..files.good.clone()
    };
    assert_eq!(
        files.check(&ciphers),
        "cipher suites cannot be configured when only TLS1.3 is enabled"
    );
    let lists = Tls {
        allowed_common_names: vec!["a".to_owned()],
        allowed_hostnames: vec!["b".to_owned()],
        ..files.good.clone()
    };
    assert_eq!(
        files.check(&lists),
        "AllowedCNs and AllowedHostnames are mutually exclusive (cns=[\"a\"], hostnames=[\"b\"])"
    );
}
