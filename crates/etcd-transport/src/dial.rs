//! Connects to the other members.

use std::error::Error as _;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};
use tower::Service;

use crate::address::{Address, Security};
use crate::error::{handshake_reason, reason, with_sources};
use crate::serve::{CONNECTION_WINDOW, STREAM_WINDOW};
use crate::socket::Socket;
use crate::stream::Stream;
use crate::{ClientTls, Error};

/// How to dial.
#[derive(Clone)]
pub struct DialOptions {
    /// TLS for `https` and `unixs` URLs.
    pub tls: Option<ClientTls>,
    /// How long one URL may take to be connected, TLS included.
    pub connect_timeout: Duration,
    /// The address of this machine from which TCP connections are made, if not any.
    pub local_address: Option<IpAddr>,
    /// How often a channel is pinged, also while it is idle: a member that vanished without a word
    /// is noticed after this and `keepalive_timeout`.
    pub keepalive_interval: Duration,
    /// How long a ping may stay unanswered before the channel connects anew.
    pub keepalive_timeout: Duration,
}

impl Default for DialOptions {
    /// etcd's dial timeout with the default election timeout, and its 5 seconds for a peer
    /// connection to stay silent.
    fn default() -> DialOptions {
        DialOptions {
            tls: None,
            connect_timeout: Duration::from_secs(2),
            local_address: None,
            keepalive_interval: Duration::from_secs(5),
            keepalive_timeout: Duration::from_secs(5),
        }
    }
}

/// Dials members at their advertised URLs, and only there. Cheap to clone.
#[derive(Clone)]
pub struct Dialer {
    options: Arc<DialOptions>,
}

impl Dialer {
    /// A dialer with these options.
    pub fn new(options: DialOptions) -> Dialer {
        Dialer { options: Arc::new(options) }
    }

    /// A gRPC channel to one member, which has several URLs.
    ///
    /// It connects at its first use and again at the first use after a loss, trying the URLs in
    /// turn, the one that worked last first. A request on a channel that cannot connect fails with
    /// status `Unavailable` and a text that names every URL with its reason; it does not wait. A
    /// connection that breaks later fails its requests with a status that [`Dialer::reason`]
    /// explains.
    ///
    /// # Errors
    /// [`Error::Url`] when there is no URL or one cannot be dialled, [`Error::TlsSettings`] for a
    /// URL that needs TLS on a dialer without.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn channel<S: AsRef<str>>(&self, urls: &[S]) -> Result<Channel, Error> {
        let targets: Vec<Address> =
            urls.iter().map(|url| self.target(url.as_ref())).collect::<Result<_, _>>()?;
        let Some(first) = targets.first() else {
            return Err(Error::Url("a member without URLs cannot be reached".to_owned()));
        };
        // The endpoint's scheme stays `http`: TLS is this connector's business, not tonic's.
        let scheme = match first.security {
            Security::Plain => "http",
            Security::Tls => "https",
        };
        let uri = |scheme: &str| {
            Uri::builder()
                .scheme(scheme)
                .authority(first.authority())
                .path_and_query("/")
                .build()
                .map_err(|error| Error::Url(format!("{error}: {}", first.url)))
        };
        let endpoint = Endpoint::from(uri("http")?)
            .origin(uri(scheme)?)
            .http2_keep_alive_interval(self.options.keepalive_interval)
            .keep_alive_timeout(self.options.keepalive_timeout)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        Ok(endpoint.connect_with_connector_lazy(Connector {
            dialer: self.clone(),
            targets: Arc::new(targets),
            last_good: Arc::new(AtomicUsize::new(0)),
        }))
    }

    /// Why a request on a channel of a dialer failed, in one line: the status says little about a
    /// connection that broke, and its sources say the URL and the reason.
    pub fn reason(status: &Status) -> String {
        status.source().map_or_else(|| status.message().to_owned(), with_sources)
    }

    /// Parses a URL to dial.
    pub(crate) fn target(&self, url: &str) -> Result<Address, Error> {
        let address = Address::parse(url)?;
        if address.security == Security::Tls {
            if self.options.tls.is_none() {
                return Err(Error::TlsSettings(format!(
                    "{url} needs TLS, but no TLS files are given"
                )));
            }
            server_name(&address)?;
        }
        Ok(address)
    }

    /// Connects to one URL.
    pub(crate) async fn connect(
        &self,
        target: &Address,
        protocol: Protocol,
    ) -> Result<Stream, Error> {
        let limit = self.options.connect_timeout;
        let connected = timeout(limit, self.connect_unlimited(target, protocol)).await;
        connected.unwrap_or_else(|_| Err(failed(target, format!("no connection within {limit:?}"))))
    }

    async fn connect_unlimited(
        &self,
        target: &Address,
        protocol: Protocol,
    ) -> Result<Stream, Error> {
        let socket = Socket::connect(&target.place, self.options.local_address).await;
        let socket = socket.map_err(|error| failed(target, reason(&error)))?;
        let (Security::Tls, Some(tls)) = (target.security, &self.options.tls) else {
            return Ok(Stream::plain(socket, Arc::clone(&target.url)));
        };
        let configs = tls.current().await;
        let config = match protocol {
            Protocol::Http1 => &configs.http1,
            Protocol::Http2 => &configs.http2,
        };
        let stream = TlsConnector::from(Arc::clone(config))
            .connect(server_name(target)?, socket)
            .await
            .map_err(|error| failed(target, handshake_reason(&error)))?;
        Ok(Stream::tls(stream, Arc::clone(&target.url)))
    }
}

/// What is spoken on a connection; TLS must announce it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

fn server_name(target: &Address) -> Result<ServerName<'static>, Error> {
    ServerName::try_from(target.server_name().to_owned())
        .map_err(|_| Error::Url(format!("host is no DNS name or IP address: {}", target.url)))
}

fn failed(target: &Address, reason: String) -> Error {
    Error::Dial { url: target.url.to_string(), reason }
}

/// Gives tonic its connections.
#[derive(Clone)]
struct Connector {
    dialer: Dialer,
    /// Invariant: not empty.
    targets: Arc<Vec<Address>>,
    /// The place in `targets` that worked last.
    last_good: Arc<AtomicUsize>,
}

impl Connector {
    async fn connect(self) -> Result<Stream, Error> {
        let start = self.last_good.load(Ordering::Relaxed);
        let mut errors = Vec::new();
        for step in 0..self.targets.len() {
            let at = (start + step) % self.targets.len();
            match self.dialer.connect(&self.targets[at], Protocol::Http2).await {
                Ok(stream) => {
                    self.last_good.store(at, Ordering::Relaxed);
                    return Ok(stream);
                }
                Err(error) => errors.push(error),
            }
        }
        Err(Error::DialAll(errors))
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.connect().await.map(TokioIo::new) })
    }
}
