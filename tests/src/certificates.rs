//! A certificate authority, a server's certificate and a client's, made anew for each test.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// PEM files of one authority.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// The authority's certificate.
    pub ca: PathBuf,
    /// A certificate for all members, as server and as client.
    pub server: PathBuf,
    /// Its key.
    pub server_key: PathBuf,
    /// A certificate for clients only.
    pub client: PathBuf,
    /// Its key.
    pub client_key: PathBuf,
}

impl Certificates {
    /// Makes an authority in a folder, whose server certificate names these addresses.
    ///
    /// # Panics
    ///
    /// When a certificate cannot be made or written.
    pub fn new(folder: &Path, addresses: &[IpAddr]) -> Certificates {
        fs::create_dir_all(folder).expect("a folder for certificates");
        let ca_key = KeyPair::generate().expect("a key");
        let mut ca = params("etcd test authority", &[]);
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = ca.self_signed(&ca_key).expect("a certificate");
        let files = Certificates {
            ca: folder.join("ca.pem"),
            server: folder.join("server.pem"),
            server_key: folder.join("server-key.pem"),
            client: folder.join("client.pem"),
            client_key: folder.join("client-key.pem"),
        };
        write(&files.ca, &certificate.pem());
        let issuer = Issuer::new(ca, ca_key);

        let mut server = params("etcd member", addresses);
        server.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        issue(&server, &issuer, &files.server, &files.server_key);

        let mut client = params("etcd client", &[]);
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        issue(&client, &issuer, &files.client, &files.client_key);
        files
    }
}

fn params(name: &str, addresses: &[IpAddr]) -> CertificateParams {
    let names: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).expect("addresses are names");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn issue(
    params: &CertificateParams,
    issuer: &Issuer<'_, KeyPair>,
    certificate_file: &Path,
    key_file: &Path,
) {
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, issuer).expect("a certificate");
    write(certificate_file, &certificate.pem());
    write(key_file, &key.serialize_pem());
}

fn write(file: &Path, pem: &str) {
    fs::write(file, pem).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}
