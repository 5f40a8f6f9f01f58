//! Certificate authorities and certificates, made anew for each test.

use std::path::{Path, PathBuf};

use etcd_transport::Tls;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber, SigningKey, date_time_ymd,
};

/// An authority whose files lie in one directory.
pub(crate) struct Authority {
    directory: PathBuf,
    name: &'static str,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new(directory: &Path, name: &'static str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let authority =
            Authority { directory: directory.to_owned(), name, issuer: Issuer::new(params, key) };
        std::fs::write(authority.file(), certificate.pem()).expect("written");
        authority
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.directory.join(format!("{}.ca.pem", self.name))
    }

    /// A certificate good for servers and clients, with a common name and alternative names.
    pub(crate) fn issue(&self, common_name: &str, names: &[&str]) -> Identity {
        self.issue_for(KeyPair::generate().expect("a key"), common_name, names, None)
    }

    /// The same with a serial number, for revocation.
    pub(crate) fn issue_numbered(&self, common_name: &str, serial: u64) -> Identity {
        self.issue_for(KeyPair::generate().expect("a key"), common_name, &[], Some(serial))
    }

    /// The same for a key that is already there.
    pub(crate) fn issue_for(
        &self,
        key: KeyPair,
        common_name: &str,
        names: &[&str],
        serial: Option<u64>,
    ) -> Identity {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("good names");
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.serial_number = serial.map(SerialNumber::from);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let identity = Identity {
            cert: self.directory.join(format!("{}.{common_name}.pem", self.name)),
            key: self.directory.join(format!("{}.{common_name}.key", self.name)),
        };
        std::fs::write(&identity.cert, certificate.pem()).expect("written");
        std::fs::write(&identity.key, key.serialize_pem()).expect("written");
        identity
    }

    /// A DER file that revokes one serial number.
    pub(crate) fn revoke(&self, serial: u64) -> PathBuf {
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(2120, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number: SerialNumber::from(serial),
                revocation_time: date_time_ymd(2020, 1, 1),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: KeyIdMethod::Sha256,
        }
        .signed_by(&self.issuer)
        .expect("a list");
        let file = self.directory.join(format!("{}.crl", self.name));
        std::fs::write(&file, list.der()).expect("written");
        file
    }
}

impl Identity {
    /// Settings that show this certificate, without an authority to verify the other side.
    pub(crate) fn tls(&self) -> Tls {
        Tls {
            cert_file: Some(self.cert.clone()),
            key_file: Some(self.key.clone()),
            ..Tls::default()
        }
    }

    /// Settings that show this certificate and trust an authority.
    pub(crate) fn trusting(&self, authority: &Authority) -> Tls {
        Tls { trusted_ca_file: Some(authority.file()), ..self.tls() }
    }

    /// Makes it a certificate of X.509 version 1, which has no version and no extensions, signed
    /// anew by `signer`.
    pub(crate) fn make_version_1(&self, signer: &Authority) {
        let pem = std::fs::read(&self.cert).expect("read");
        let der = rustls_pemfile::certs(&mut &pem[..]).next().expect("one").expect("PEM");
        let [body, algorithm, _] = elements(content(&der))[..] else { panic!("a certificate") };
        let kept = elements(content(body)).into_iter().filter(|part| !matches!(part[0], 0xa0..));
        let body = element(0x30, &kept.collect::<Vec<_>>().concat());
        let signature = signer.issuer.key().sign(&body).expect("signed");
        let signature = element(0x03, &[&[0], &signature[..]].concat());
        let certificate = element(0x30, &[&body, algorithm, &signature].concat());
        std::fs::write(&self.cert, pem_of(&certificate)).expect("written");
    }

    /// Puts another certificate in the place of this one.
    pub(crate) fn replace_with(&self, other: &Identity) {
        std::fs::copy(&other.cert, &self.cert).expect("copied");
        std::fs::copy(&other.key, &self.key).expect("copied");
    }
}

/// A certificate in PEM, by RFC 7468: base64 between two lines.
fn pem_of(der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for three in der.chunks(3) {
        let bytes = [three, &[0, 0]].concat();
        let bits = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text + "\n-----END CERTIFICATE-----\n"
}

/// How many bytes a DER element's head has, and how many its content.
fn lengths(der: &[u8]) -> (usize, usize) {
    match der[1] {
        short @ 0..=0x7f => (2, usize::from(short)),
        0x81 => (3, usize::from(der[2])),
        0x82 => (4, usize::from(der[2]) << 8 | usize::from(der[3])),
        _ => panic!("no certificate is that long"),
    }
}

fn content(der: &[u8]) -> &[u8] {
    let (head, content) = lengths(der);
    &der[head..head + content]
}

fn elements(mut der: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while !der.is_empty() {
        let (head, content) = lengths(der);
        let (element, rest) = der.split_at(head + content);
        all.push(element);
        der = rest;
    }
    all
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("short").to_be_bytes();
    match content.len() {
        0..0x80 => [&[tag, length[1]], content].concat(),
        0x80..0x100 => [&[tag, 0x81, length[1]], content].concat(),
        _ => [&[tag, 0x82, length[0], length[1]], content].concat(),
    }
}

/// A self-signed certificate that calls itself a CA and is its own authority, as `openssl req
/// -x509` makes it.
pub(crate) fn own_authority(directory: &Path, names: &[&str]) -> Tls {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("good names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    let cert_file = directory.join("own.pem");
    let key_file = directory.join("own.key");
    std::fs::write(&cert_file, certificate.pem()).expect("written");
    std::fs::write(&key_file, key.serialize_pem()).expect("written");
    Tls {
        trusted_ca_file: Some(cert_file.clone()),
        cert_file: Some(cert_file),
        key_file: Some(key_file),
        ..Tls::default()
    }
}
