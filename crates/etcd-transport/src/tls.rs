//! The two sides' TLS, which follow their files.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;

use crate::Error;
use crate::configure::{self, ClientConfigs};
use crate::material::{Material, Paths};
use crate::settings::Tls;

/// What a listener needs for TLS. Cheap to clone.
///
/// Every handshake reads the files anew, as etcd's do, and builds a new configuration when they
/// differ. While a file is broken, handshakes fail and the log says why.
#[derive(Clone)]
pub struct ServerTls(Arc<Following<ServerConfig>>);

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
        let paths = Paths {
            identity: Some(identity),
            authorities: self.trusted_ca_file.clone(),
            revoked: self.crl_file.clone(),
        };
        Following::start(self, paths, configure::server).map(|follow| ServerTls(Arc::new(follow)))
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
        let paths = Paths { identity, authorities: self.trusted_ca_file.clone(), revoked: None };
        Following::start(self, paths, configure::client).map(|follow| ClientTls(Arc::new(follow)))
    }
}

impl ServerTls {
    /// The configuration for one handshake. Reads files: not for an async thread.
    pub(crate) fn current(&self) -> Result<Arc<ServerConfig>, Error> {
        self.0.current()
    }
}

impl ClientTls {
    /// The configurations for one handshake. Reads files: not for an async thread.
    pub(crate) fn current(&self) -> Result<Arc<ClientConfigs>, Error> {
        self.0.current()
    }
}

/// A configuration and the file contents it was built from.
struct Built<C> {
    material: Material,
    config: Arc<C>,
}

/// A configuration that is built again when its files change.
///
/// Contents are compared, not times: a file replaced within a clock tick is noticed too, and the
/// few kilobytes cost little beside a handshake.
struct Following<C> {
    settings: Tls,
    paths: Paths,
    build: fn(&Tls, &Paths, &Material) -> Result<C, Error>,
    latest: ArcSwap<Built<C>>,
}

impl<C> Following<C> {
    fn start(
        settings: Tls,
        paths: Paths,
        build: fn(&Tls, &Paths, &Material) -> Result<C, Error>,
    ) -> Result<Following<C>, Error> {
        let material = paths.read()?;
        let config = Arc::new(build(&settings, &paths, &material)?);
        let latest = ArcSwap::from_pointee(Built { material, config });
        Ok(Following { settings, paths, build, latest })
    }

    fn current(&self) -> Result<Arc<C>, Error> {
        let material = self.paths.read()?;
        let latest = self.latest.load();
        if latest.material == material {
            return Ok(Arc::clone(&latest.config));
        }
        let config = Arc::new((self.build)(&self.settings, &self.paths, &material)?);
        self.latest.store(Arc::new(Built { material, config: Arc::clone(&config) }));
        Ok(config)
    }
}
