//! The two kinds of listeners: bound early, served later.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio_util::sync::CancellationToken;

use crate::address::{Address, Place, Security};
use crate::bind::{Acceptor, PortSharing};
use crate::handshake::{SanCheck, Terms};
use crate::mux::{Answers, Routers};
use crate::options::ListenOptions;
use crate::refusals::Role;
use crate::serve::{self, Door, Limits};
use crate::{Error, ServerTls};

/// The door for clients. Dropping it frees its addresses.
pub struct ClientListener(Bound);

/// The door for the other members. Dropping it frees its addresses.
pub struct PeerListener(Bound);

impl ClientListener {
    /// Binds all URLs. Connections wait in the kernel until [`ClientListener::serve`].
    ///
    /// # Errors
    /// [`Error::Url`] for a URL that cannot be bound, [`Error::TlsSettings`] for a URL that needs
    /// TLS without `tls`, [`Error::Bind`] when an address is not free.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn bind(options: ListenOptions) -> Result<ClientListener, Error> {
        Bound::new(options, Role::Client, SanCheck::Skip).map(ClientListener)
    }

    /// The same for listeners whose clients' certificates must fit the addresses that they connect
    /// from.
    ///
    /// # Errors
    /// As [`ClientListener::bind`].
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn bind_checking_names(options: ListenOptions) -> Result<ClientListener, Error> {
        Bound::new(options, Role::Client, SanCheck::Verify).map(ClientListener)
    }

    /// The bound TCP addresses, in the order of the URLs, without the socket files. A port that
    /// was given as 0 is the one the system chose.
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        self.0.local_addresses()
    }

    /// Serves until `shutdown` is cancelled and the open requests ended or ran out of time.
    ///
    /// HTTP/2 requests whose content type begins with `application/grpc` go to `grpc`, all others
    /// to `http`. Every request carries a
    /// [`Connection`](crate::Connection) extension. At the shutdown no connection is accepted any
    /// more, handshakes are broken off, every HTTP/2 client is told to go away (GOAWAY), and what
    /// is still open after [`ListenOptions::shutdown_grace`] is dropped.
    pub async fn serve(self, grpc: impl Answers, http: Router, shutdown: CancellationToken) {
        self.0.serve(Routers::new(grpc, http), shutdown).await;
    }
}

impl PeerListener {
    /// Binds all URLs, as [`ClientListener::bind`].
    ///
    /// # Errors
    /// As [`ClientListener::bind`].
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn bind(options: ListenOptions, san_check: SanCheck) -> Result<PeerListener, Error> {
        Bound::new(options, Role::Peer, san_check).map(PeerListener)
    }

    /// The bound TCP addresses, as [`ClientListener::local_addresses`].
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        self.0.local_addresses()
    }

    /// Serves as [`ClientListener::serve`] does.
    pub async fn serve(self, grpc: impl Answers, http: Router, shutdown: CancellationToken) {
        self.0.serve(Routers::new(grpc, http), shutdown).await;
    }
}

/// Bound doors of either kind.
struct Bound {
    doors: Vec<Door>,
    limits: Limits,
    role: Role,
}

impl Bound {
    fn new(options: ListenOptions, role: Role, san_check: SanCheck) -> Result<Bound, Error> {
        let sharing = match options.share_port {
            true => PortSharing::Shared,
            false => PortSharing::Exclusive,
        };
        let mut doors: Vec<(Place, Door)> = Vec::new();
        for url in &options.urls {
            let address = Address::parse(url)?;
            let bind_to = address.to_bind()?;
            let at = match doors.iter().position(|(place, _)| *place == address.place) {
                Some(at) => at,
                None => {
                    let acceptor = match (bind_to, &address.place) {
                        (Some(tcp), _) => Acceptor::tcp(tcp, sharing)?,
                        (None, Place::Unix(file)) => Acceptor::unix(file)?,
                        (None, Place::Tcp { .. }) => unreachable!("TCP URLs have an address"),
                    };
                    let terms = Terms {
                        plain: None,
                        tls: None,
                        san_check,
                        handshake_timeout: options.handshake_timeout,
                        header_read_timeout: options.header_read_timeout,
                    };
                    doors.push((address.place.clone(), Door { acceptor, terms }));
                    doors.len() - 1
                }
            };
            doors[at].1.terms.admit(&address, options.tls.as_ref(), role)?;
        }
        let doors = doors.into_iter().map(|(_, door)| door).collect();
        Ok(Bound { doors, limits: Limits::new(&options), role })
    }

    fn local_addresses(&self) -> Vec<SocketAddr> {
        self.doors.iter().filter_map(|door| door.acceptor.local_address()).collect()
    }

    async fn serve(self, routers: Routers, shutdown: CancellationToken) {
        serve::serve(self.doors, self.limits, self.role, Arc::new(routers), shutdown).await;
    }
}

impl Terms {
    /// Admits what one more URL of this address asks for.
    fn admit(
        &mut self,
        address: &Address,
        tls: Option<&ServerTls>,
        role: Role,
    ) -> Result<(), Error> {
        let url = Arc::clone(&address.url);
        match (address.security, tls) {
            (Security::Plain, tls) => {
                if tls.is_some() {
                    tracing::warn!(
                        %url,
                        "scheme is http or unix while key and cert files are present; \
                         ignoring key and cert files"
                    );
                }
                self.plain = Some(url);
            }
            (Security::Tls, Some(tls)) => self.tls = Some((url, tls.clone())),
            (Security::Tls, None) => {
                return Err(Error::TlsSettings(match role {
                    Role::Client => format!(
                        "TLS key/cert (--cert-file, --key-file) must be provided for client url \
                         {url} with HTTPS scheme"
                    ),
                    Role::Peer => format!(
                        "cannot listen on TLS for {url}: KeyFile and CertFile are not presented"
                    ),
                }));
            }
        }
        Ok(())
    }
}
