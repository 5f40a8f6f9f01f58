//! Authorities with certificates of every kind.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber, date_time_ymd,
};
use std::fs;
use std::path::{Path, PathBuf};

/// An authority whose files lie in one folder.
pub(crate) struct Authority {
    folder: PathBuf,
    name: &'static str,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new(folder: &Path, name: &'static str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let issuer = Issuer::new(params, key);
        let authority = Authority { folder: folder.to_owned(), name, issuer };
        fs::write(authority.file(), certificate.pem()).expect("written");
        authority
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join(format!("{}.pem", self.name))
    }

    /// A certificate for servers and clients, with a common name and alternative names.
    pub(crate) fn issue(&self, common_name: &str, names: &[&str]) -> Identity {
        self.issue_for(&KeyPair::generate().expect("a key"), common_name, names, None)
    }

    /// The same with a serial number.
    pub(crate) fn issue_numbered(&self, common_name: &str, serial: u64) -> Identity {
        let key = KeyPair::generate().expect("a key");
        self.issue_for(&key, common_name, &[], Some(serial))
    }

    /// The same for a key that is already there.
    pub(crate) fn issue_for(
        &self,
        key: &KeyPair,
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
        let certificate = params.signed_by(key, &self.issuer).expect("a certificate");
        let identity = Identity {
            certificate: self.folder.join(format!("{}-{common_name}.pem", self.name)),
            key: self.folder.join(format!("{}-{common_name}-key.pem", self.name)),
        };
        fs::write(&identity.certificate, certificate.pem()).expect("written");
        fs::write(&identity.key, key.serialize_pem()).expect("written");
        identity
    }

    /// A list, in DER, that revokes one serial number.
    pub(crate) fn list(&self, serial: u64) -> Vec<u8> {
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

/// Puts a file in the place of another at once.
pub(crate) fn rename_over(from: &Path, to: &Path) {
    let beside = to.with_extension("new");
    fs::copy(from, &beside).expect("copied");
    fs::rename(&beside, to).expect("renamed");
}
