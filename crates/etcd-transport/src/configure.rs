//! Turns settings and file contents into the TLS library's configurations.

use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, ServerConfig};

use crate::Error;
use crate::material::{Material, Paths};
use crate::settings::{ServerVerification, Tls};
use crate::verify::{AnyServer, Verifier};

const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// One configuration for each protocol a dialer asks for.
pub(crate) struct ClientConfigs {
    pub(crate) http2: Arc<ClientConfig>,
    pub(crate) http1: Arc<ClientConfig>,
}

/// A listener's configuration.
///
/// No session is ever resumed: every connection proves its certificate anew, so one that expired
/// or was revoked gets in no more. Connections live long, so whole handshakes cost little.
pub(crate) fn server(
    settings: &Tls,
    paths: &Paths,
    material: &Material,
) -> Result<ServerConfig, Error> {
    let provider = settings.provider()?;
    let identity = paths
        .certified_key(material, &provider)?
        .expect("Tls::server makes no paths without an identity");
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&settings.versions()?)
        .map_err(refused)?;
    let builder = if settings.client_cert_auth || settings.trusted_ca_file.is_some() {
        builder.with_client_cert_verifier(client_verifier(settings, paths, material, provider)?)
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// A dialer's configurations.
pub(crate) fn client(
    settings: &Tls,
    paths: &Paths,
    material: &Material,
) -> Result<ClientConfigs, Error> {
    let provider = settings.provider()?;
    let identity = paths.certified_key(material, &provider)?;
    let verifier = server_verifier(settings, paths, material, Arc::clone(&provider))?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&settings.versions()?)
        .map_err(refused)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        Some(pair) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair))),
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    let mut http1 = config.clone();
    config.alpn_protocols = vec![HTTP2.to_vec()];
    http1.alpn_protocols = vec![HTTP1.to_vec()];
    Ok(ClientConfigs { http2: Arc::new(config), http1: Arc::new(http1) })
}

fn client_verifier(
    settings: &Tls,
    paths: &Paths,
    material: &Material,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let mut rules = settings.rules()?;
    let algorithms = provider.signature_verification_algorithms;
    let (roots, authorities) = paths.roots(material)?;
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    if authorities.is_empty() {
        // The names of all of a machine's authorities would only make the handshake long.
        builder = builder.clear_root_hint_subjects();
    }
    rules.authorities = authorities;
    let chain = builder.build().map_err(refused)?;
    Ok(Arc::new(Verifier { rules, algorithms, chain }))
}

fn server_verifier(
    settings: &Tls,
    paths: &Paths,
    material: &Material,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    if settings.server_verification == ServerVerification::Skip {
        return Ok(Arc::new(AnyServer::new(provider)));
    }
    let mut rules = settings.rules()?;
    let algorithms = provider.signature_verification_algorithms;
    let (roots, authorities) = paths.roots(material)?;
    rules.authorities = authorities;
    let chain: Arc<dyn ServerCertVerifier> =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(refused)?;
    Ok(Arc::new(Verifier { rules, algorithms, chain }))
}

fn refused(error: impl std::fmt::Display) -> Error {
    Error::TlsSettings(format!("these TLS settings cannot work together: {error}"))
}
