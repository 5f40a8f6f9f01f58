//! An authority for one check, and certificates as a manifest or a tool would have made them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use serde_json::Value;

use super::client::Identity;
use super::documents::texts;

/// The authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with what belongs to it, in PEM.
pub(crate) struct Issued {
    pub(crate) authority: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    /// A new one.
    pub(crate) fn new() -> Result<Authority> {
        let mut parameters = CertificateParams::new(Vec::new())?;
        parameters.distinguished_name.push(DnType::CommonName, "deploy-check");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(Authority(CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)?))
    }

    /// What cert-manager would make of a Certificate.
    pub(crate) fn issue(&self, spec: &Value) -> Result<Issued> {
        let names = [texts(&spec["dnsNames"]), texts(&spec["ipAddresses"])].concat();
        let name = spec["commonName"].as_str().unwrap_or_default();
        self.sign(name, names, &texts(&spec["usages"]))
    }

    /// One for both sides of a connection, as kubeadm makes them.
    pub(crate) fn issue_for(&self, name: &str, names: &[&str]) -> Result<Issued> {
        let usages = ["digital signature", "key encipherment", "server auth", "client auth"];
        let names = names.iter().map(|&name| name.to_owned()).collect();
        self.sign(name, names, &usages.map(str::to_owned))
    }

    fn sign(&self, name: &str, names: Vec<String>, usages: &[String]) -> Result<Issued> {
        let mut parameters = CertificateParams::new(names)?;
        parameters.distinguished_name.push(DnType::CommonName, name);
        for usage in usages {
            match usage.as_str() {
                "digital signature" => {
                    parameters.key_usages.push(KeyUsagePurpose::DigitalSignature);
                }
                "key encipherment" => {
                    parameters.key_usages.push(KeyUsagePurpose::KeyEncipherment);
                }
                "server auth" => {
                    parameters.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
                }
                "client auth" => {
                    parameters.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
                }
                other => bail!("usage {other:?} is not understood here"),
            }
        }
        parameters.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = parameters.signed_by(&key, &self.0)?;
        Ok(Issued {
            authority: self.0.pem(),
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

impl Issued {
    /// Writes the three files for a client.
    pub(crate) fn save(&self, folder: &Path) -> Result<Identity> {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        let write = |name: &str, text: &str| -> Result<PathBuf> {
            let path = folder.join(name);
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
            Ok(path)
        };
        Ok(Identity {
            authority: write("ca.crt", &self.authority)?,
            certificate: write("tls.crt", &self.certificate)?,
            key: write("tls.key", &self.key)?,
        })
    }
}
