//! The two sides' TLS, which follow their files.

use std::sync::Arc;

use rustls::ServerConfig;

use crate::configure::{self, ClientConfigs};
use crate::following::Following;
use crate::material::Paths;
use crate::revocation::Revocation;
use crate::settings::Tls;
use crate::{Error, ciphers};

/// What a listener needs for TLS. Cheap to clone.
///
/// Every handshake looks whether the files have changed and takes what they hold now. Files that
/// cannot be used leave everything as it was, and the log says why, once. The revocation list is
/// another matter: while it cannot be read, every client that shows a certificate is refused, as
/// by etcd.
#[derive(Clone)]
pub struct ServerTls {
    following: Arc<Following<ServerConfig>>,
    revocation: Option<Arc<Revocation>>,
}

/// What a dialer needs for TLS. Cheap to clone; it follows its files as [`ServerTls`] does.
#[derive(Clone)]
pub struct ClientTls(Arc<Following<ClientConfigs>>);

impl Tls {
    /// Reads and checks what a listener needs.
    ///
    /// # Errors
    /// [`Error::TlsSettings`] for settings that contradict each other, [`Error::TlsFile`] or
    /// [`Error::TlsKeyMismatch`] for a file that cannot be used.
    pub fn server(self) -> Result<ServerTls, Error> {
        let Some(identity) = self.identity()? else {
            return Err(Error::TlsSettings(
                "KeyFile and CertFile are not presented: give a certificate file and its key file"
                    .to_owned(),
            ));
        };
        // The dialers' pair is checked here too, so that one start finds every mistake.
        self.client_identity()?;
        let paths = Paths { identity: Some(identity), authorities: self.trusted_ca_file.clone() };
        let unspoken = ciphers::unspoken(&self.cipher_suites);
        if !unspoken.is_empty() {
            tracing::warn!(suites = ?unspoken, "these cipher suites are not safe and never spoken");
        }
        let crl_file = self.crl_file.clone();
        let following = Following::start(self, paths, configure::server)?;
        Ok(ServerTls { following, revocation: crl_file.as_deref().map(Revocation::new) })
    }

    /// Reads and checks what a dialer needs. It shows `client_cert_file`, else `cert_file`, else
    /// no certificate.
    ///
    /// # Errors
    /// As [`Tls::server`].
    pub fn client(self) -> Result<ClientTls, Error> {
        let identity = match self.client_identity()? {
            Some(identity) => Some(identity),
            None => self.identity()?,
        };
        let paths = Paths { identity, authorities: self.trusted_ca_file.clone() };
        Following::start(self, paths, configure::client).map(ClientTls)
    }
}

impl ServerTls {
    /// The configuration for one handshake.
    pub(crate) async fn current(&self) -> Arc<ServerConfig> {
        self.following.current().await
    }

    /// The list of those that are refused though their certificates are in order.
    pub(crate) fn revocation(&self) -> Option<&Arc<Revocation>> {
        self.revocation.as_ref()
    }
}

impl ClientTls {
    /// The configurations for one handshake.
    pub(crate) async fn current(&self) -> Arc<ClientConfigs> {
        self.0.current().await
    }
}
