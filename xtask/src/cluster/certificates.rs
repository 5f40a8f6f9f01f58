//! A certificate authority of the cluster's own, and certificates for its members and a client.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

use super::member::Identity;

/// What the members' certificates are valid for: they listen on loopback.
const HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Makes an authority and one certificate for each name in `folder`, unless all of them are there.
/// A member uses its certificate towards clients and, in both directions, towards its peers.
pub(crate) fn provide(folder: &Path, names: &[&str]) -> Result<()> {
    let complete = names.iter().all(|name| {
        let files = identity(folder, name);
        files.authority.is_file() && files.certificate.is_file() && files.key.is_file()
    });
    if complete {
        return Ok(());
    }
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let authority = authority().context("making the certificate authority")?;
    fs::write(folder.join("ca.pem"), authority.pem())?;
    for name in names {
        let key = KeyPair::generate()?;
        let certificate = parameters(name)?.signed_by(&key, &authority)?;
        let files = identity(folder, name);
        fs::write(&files.certificate, certificate.pem())?;
        write_secret(&files.key, &key.serialize_pem())?;
    }
    Ok(())
}

/// The files that `provide` makes for a name.
pub(crate) fn identity(folder: &Path, name: &str) -> Identity {
    Identity {
        authority: folder.join("ca.pem"),
        certificate: folder.join(format!("{name}.pem")),
        key: folder.join(format!("{name}-key.pem")),
    }
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut parameters = CertificateParams::new(Vec::new())?;
    parameters.distinguished_name.push(DnType::CommonName, "etcd cluster on this machine");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)?)
}

fn parameters(name: &str) -> Result<CertificateParams> {
    let mut parameters = CertificateParams::new(HOSTS.map(str::to_owned))?;
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    parameters.use_authority_key_identifier_extension = true;
    Ok(parameters)
}

/// A private key is for its owner alone.
fn write_secret(path: &Path, text: &str) -> Result<()> {
    let mut file = fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("creating {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn certificates_are_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        provide(folder.path(), &["m1", "client"]).unwrap();
        let read = |name: &str| {
            let files = identity(folder.path(), name);
            [files.authority, files.certificate, files.key].map(|file| fs::read(file).unwrap())
        };
        let first = read("m1");
        provide(folder.path(), &["m1", "client"]).unwrap();
        assert_eq!(read("m1"), first);
        assert_ne!(read("client")[1], first[1]);
    }

    #[test]
    fn another_member_gets_certificates_of_one_authority_with_the_others() {
        let folder = tempfile::tempdir().unwrap();
        provide(folder.path(), &["m1"]).unwrap();
        let alone = fs::read(folder.path().join("m1.pem")).unwrap();
        provide(folder.path(), &["m1", "m2"]).unwrap();
        // The first authority's key is gone, so that all certificates are new.
        assert_ne!(fs::read(folder.path().join("m1.pem")).unwrap(), alone);
    }

    #[test]
    fn nobody_else_can_read_a_key() {
        let folder = tempfile::tempdir().unwrap();
        provide(folder.path(), &["m1"]).unwrap();
        let mode = fs::metadata(folder.path().join("m1-key.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
