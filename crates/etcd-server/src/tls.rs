//! TLS settings from the configuration's words to the transport's.

use std::path::Path;

use etcd_config::{Security, TlsSettings, TlsVersion, Url};
use etcd_transport::{ClientTls, SanCheck, ServerTls, Tls};

use crate::Error;

/// What the two doors and the dialer need.
pub(crate) struct Doors {
    pub(crate) client: Option<ServerTls>,
    pub(crate) peer: Option<ServerTls>,
    pub(crate) dialer: Option<ClientTls>,
    pub(crate) san_check: SanCheck,
}

/// Reads certificates and keys; makes those that `--auto-tls` and `--peer-auto-tls` ask for.
pub(crate) fn open(
    security: &Security,
    data: &Path,
    client_urls: &[Url],
    peer_urls: &[Url],
) -> Result<Doors, Error> {
    let fixtures = data.join("fixtures");
    let client = settings(security, &security.client, &fixtures.join("client"), client_urls)?;
    let peer = settings(security, &security.peer, &fixtures.join("peer"), peer_urls)?;
    let san_check = match security.peer.skip_client_san_verification {
        true => SanCheck::Skip,
        false => SanCheck::Verify,
    };
    Ok(Doors {
        client: client.map(Tls::server).transpose()?,
        dialer: peer.clone().map(Tls::client).transpose()?,
        peer: peer.map(Tls::server).transpose()?,
        san_check,
    })
}

fn settings(
    security: &Security,
    door: &TlsSettings,
    fixtures: &Path,
    urls: &[Url],
) -> Result<Option<Tls>, Error> {
    let given = door.cert_file.is_some() || door.key_file.is_some();
    let secured = urls.iter().any(|url| url.scheme().is_tls());
    let own = match (given, door.auto_tls && secured) {
        (true, _) => Tls {
            cert_file: door.cert_file.clone(),
            key_file: door.key_file.clone(),
            ..Tls::default()
        },
        (false, true) => {
            let urls: Vec<String> = urls.iter().map(|url| url.as_str().to_owned()).collect();
            let years = u32::try_from(security.self_signed_cert_validity).unwrap_or(u32::MAX);
            Tls::self_signed(fixtures, &urls, years)?
        }
        (false, false) => return Ok(None),
    };
    Ok(Some(Tls {
        client_cert_file: door.client_cert_file.clone(),
        client_key_file: door.client_key_file.clone(),
        trusted_ca_file: door.trusted_ca_file.clone(),
        crl_file: door.crl_file.clone(),
        client_cert_auth: door.client_cert_auth,
        allowed_common_names: door.allowed_cn.clone(),
        allowed_hostnames: door.allowed_hostname.clone(),
        min_version: security.tls_min_version.map(version),
        max_version: security.tls_max_version.map(version),
        cipher_suites: security.cipher_suites.clone(),
        ..own
    }))
}

fn version(version: TlsVersion) -> etcd_transport::TlsVersion {
    match version {
        TlsVersion::Tls12 => etcd_transport::TlsVersion::Tls12,
        TlsVersion::Tls13 => etcd_transport::TlsVersion::Tls13,
    }
}
