//! TLS settings from the configuration's words to the transport's.

use std::path::Path;

use etcd_config::{Member, Security, TlsSettings, TlsVersion, Url};
use etcd_transport::{ClientTls, SanCheck, ServerTls, Tls};

use crate::Error;

/// The cipher suites of which HTTP/2 demands one (RFC 9113, 9.2.2): the one for each kind of key.
const DEMANDED: [&str; 2] =
    ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"];

/// What the two doors and the dialer need.
pub(crate) struct Doors {
    pub(crate) client: Option<ServerTls>,
    pub(crate) peer: Option<ServerTls>,
    pub(crate) dialer: Option<ClientTls>,
    pub(crate) san_check: SanCheck,
}

/// Reads certificates and keys; makes those that `--auto-tls` and `--peer-auto-tls` ask for.
pub(crate) fn open(security: &Security, member: &Member) -> Result<Doors, Error> {
    let fixtures = member.data_dir.join("fixtures");
    let client_urls: Vec<&Url> =
        member.listen_client_urls.iter().chain(&member.listen_client_http_urls).collect();
    let peer_urls: Vec<&Url> = member.listen_peer_urls.iter().collect();
    let client = settings(security, &security.client, &fixtures.join("client"), &client_urls)?;
    let peer = settings(security, &security.peer, &fixtures.join("peer"), &peer_urls)?;
    check_suites(security, member)?;
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

/// etcd does not serve HTTP to clients when none of the chosen suites will do for HTTP/2.
fn check_suites(security: &Security, member: &Member) -> Result<(), Error> {
    let http_urls = match member.listen_client_http_urls.is_empty() {
        true => &member.listen_client_urls,
        false => &member.listen_client_http_urls,
    };
    let suites = &security.cipher_suites;
    let is_fine = suites.is_empty()
        || suites.iter().any(|suite| DEMANDED.contains(&suite.as_str()))
        || !http_urls.iter().any(|url| url.scheme().is_tls());
    if is_fine {
        return Ok(());
    }
    let [rsa, ecdsa] = DEMANDED;
    Err(Error::Configuration(format!(
        "http2: TLSConfig.CipherSuites is missing an HTTP/2-required AES_128_GCM_SHA256 cipher \
         (need at least one of {rsa} or {ecdsa}): add it to --cipher-suites"
    )))
}

fn settings(
    security: &Security,
    door: &TlsSettings,
    fixtures: &Path,
    urls: &[&Url],
) -> Result<Option<Tls>, Error> {
    let given = door.cert_file.is_some() || door.key_file.is_some();
    let own = match (given, door.auto_tls) {
        (true, _) => given_files(door),
        (false, true) => {
            warn_of_replaced(door, fixtures);
            let urls: Vec<String> = urls.iter().map(|url| url.as_str().to_owned()).collect();
            let years = u32::try_from(security.self_signed_cert_validity).unwrap_or(u32::MAX);
            Tls::self_signed(fixtures, &urls, years)?
        }
        (false, false) => return Ok(None),
    };
    Ok(Some(Tls {
        min_version: security.tls_min_version.map(version),
        max_version: security.tls_max_version.map(version),
        cipher_suites: security.cipher_suites.clone(),
        ..own
    }))
}

fn given_files(door: &TlsSettings) -> Tls {
    Tls {
        cert_file: door.cert_file.clone(),
        key_file: door.key_file.clone(),
        client_cert_file: door.client_cert_file.clone(),
        client_key_file: door.client_key_file.clone(),
        trusted_ca_file: door.trusted_ca_file.clone(),
        crl_file: door.crl_file.clone(),
        client_cert_auth: door.client_cert_auth,
        allowed_common_names: door.allowed_cn.clone(),
        allowed_hostnames: door.allowed_hostname.clone(),
        ..Tls::default()
    }
}

/// A generated certificate comes in the place of all other settings of its door, in etcd without
/// a word: nobody is asked for a certificate then.
fn warn_of_replaced(door: &TlsSettings, fixtures: &Path) {
    let replaced = TlsSettings { auto_tls: false, ..door.clone() } != TlsSettings::default();
    if replaced {
        tracing::warn!(
            certificate = %fixtures.join("cert.pem").display(),
            "the other TLS settings of this listener are ignored, as its certificate is \
             generated: clients and peers are not asked for one"
        );
    }
}

fn version(version: TlsVersion) -> etcd_transport::TlsVersion {
    match version {
        TlsVersion::Tls12 => etcd_transport::TlsVersion::Tls12,
        TlsVersion::Tls13 => etcd_transport::TlsVersion::Tls13,
    }
}
