//! Who signs certificates.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber, date_time_ymd,
};

use crate::Identity;

/// An authority whose files lie in one folder.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
    name: String,
    pub(crate) issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new one, whose certificate is the file `name.pem` in a folder.
    ///
    /// # Panics
    /// When it cannot be made or written, as all that follows.
    pub fn new(folder: &Path, name: &str) -> Authority {
        let mut params = named(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let issuer = Issuer::new(params, key);
        let authority = Authority { folder: folder.to_owned(), name: name.to_owned(), issuer };
        fs::write(authority.file(), certificate.pem()).expect("written");
        authority
    }

    /// The authority's certificate.
    pub fn file(&self) -> PathBuf {
        self.folder.join(format!("{}.pem", self.name))
    }

    /// A certificate good for servers and clients, with a common name and alternative names.
    pub fn issue(&self, common_name: &str, names: &[&str]) -> Identity {
        self.issue_for(&KeyPair::generate().expect("a key"), common_name, names)
    }

    /// The same with a serial number, for revocation.
    pub fn issue_numbered(&self, common_name: &str, serial: u64) -> Identity {
        let mut params = for_both_sides(common_name, &[]);
        params.serial_number = Some(SerialNumber::from(serial));
        let key = KeyPair::generate().expect("a key");
        self.sign(&params, &key, &self.stem(common_name))
    }

    /// The same for a key that is already there.
    pub fn issue_for(&self, key: &KeyPair, common_name: &str, names: &[&str]) -> Identity {
        self.sign(&for_both_sides(common_name, names), key, &self.stem(common_name))
    }

    /// The same for a server or a client, in the files `stem.pem` and `stem-key.pem`.
    pub fn issue_to(&self, stem: &str, common_name: &str, side: Side, names: &[&str]) -> Identity {
        let mut params = for_both_sides(common_name, names);
        if side == Side::Client {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        }
        self.sign(&params, &KeyPair::generate().expect("a key"), stem)
    }

    fn stem(&self, common_name: &str) -> String {
        format!("{}-{common_name}", self.name)
    }

    fn sign(&self, params: &CertificateParams, key: &KeyPair, stem: &str) -> Identity {
        let certificate = params.signed_by(key, &self.issuer).expect("a certificate");
        Identity::write(&self.folder, stem, &certificate.pem(), &key.serialize_pem())
    }

    /// A list, in DER, that revokes one serial number.
    pub fn list(&self, serial: u64) -> Vec<u8> {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(2120, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).expect("a list").der().to_vec()
    }
}

/// Which ends of connections a certificate is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Clients alone.
    Client,
    /// Servers, and clients as well.
    Server,
}

/// A self-signed certificate that calls itself an authority, as `openssl req -x509` makes it: the
/// files `own.pem` and `own-key.pem` in a folder.
///
/// # Panics
/// When it cannot be made or written.
pub fn own_authority(folder: &Path, names: &[&str]) -> Identity {
    let mut params = CertificateParams::new(owned(names)).expect("good names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    Identity::write(folder, "own", &certificate.pem(), &key.serialize_pem())
}

fn for_both_sides(common_name: &str, names: &[&str]) -> CertificateParams {
    let mut params = named(common_name, names);
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn named(common_name: &str, names: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(owned(names)).expect("good names");
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}
