//! From an accepted socket to a connection whose other side is known.

use std::sync::Arc;
use std::time::Duration;

use rustls::server::Acceptor;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::connection::{Connection, Remote, TlsFacts};
use crate::error::{EOF, handshake_reason};
use crate::socket::Socket;
use crate::{ServerTls, certificate, names};

/// The first byte of a TLS connection: a handshake record (RFC 8446, 5.1). No HTTP begins so.
const TLS_HANDSHAKE: u8 = 0x16;

/// Whether a peer's certificate must name the address it connects from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SanCheck {
    /// The remote IP address must be one of the certificate's, be called as one of its DNS names
    /// says, or be one that they resolve to. A certificate without alternative names passes.
    Verify,
    /// The certificate may name any address (`--peer-skip-client-san-verification`).
    Skip,
}

/// Whom a door lets in.
pub(crate) struct Terms {
    /// The listen URL that admits connections without TLS.
    pub(crate) plain: Option<Arc<str>>,
    /// The listen URL that admits connections with TLS.
    pub(crate) tls: Option<(Arc<str>, ServerTls)>,
    pub(crate) san_check: SanCheck,
    pub(crate) handshake_timeout: Duration,
    pub(crate) header_read_timeout: Duration,
}

/// A connection ready for HTTP.
pub(crate) enum Established {
    Plain(Socket, Connection),
    Tls(Box<TlsStream<Socket>>, Connection),
    /// The client left, or never said anything, before it was clear whether it wants TLS.
    Closed,
}

/// Why a client was turned away, for the log.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    pub(crate) reason: String,
    /// The name of this member that the client asked for (SNI).
    pub(crate) server_name: String,
    /// The names in the client's certificate, when it got as far as showing one.
    shown: Option<Box<TlsFacts>>,
}

impl Refused {
    pub(crate) fn because(reason: impl Into<String>) -> Refused {
        Refused { reason: reason.into(), ..Refused::default() }
    }

    /// Whether it only left, as those do who look whether somebody listens.
    pub(crate) fn is_gone(&self) -> bool {
        self.reason == EOF
    }

    pub(crate) fn ip_addresses(&self) -> Option<String> {
        self.shown.as_ref().map(|shown| format!("{:?}", shown.ip_addresses))
    }

    pub(crate) fn dns_names(&self) -> Option<String> {
        self.shown.as_ref().map(|shown| format!("{:?}", shown.dns_names))
    }
}

/// Finds out which protocol the client speaks and, with TLS, who it is.
pub(crate) async fn establish(
    socket: Socket,
    remote: Remote,
    terms: &Terms,
) -> Result<Established, Refused> {
    let (url, tls) = match (&terms.plain, &terms.tls) {
        (Some(url), None) => (url, None),
        (None, Some((url, tls))) => (url, Some(tls)),
        (Some(plain_url), Some((tls_url, tls))) => {
            match timeout(terms.header_read_timeout, socket.peek()).await {
                Ok(Ok(Some(TLS_HANDSHAKE))) => (tls_url, Some(tls)),
                Ok(Ok(Some(_))) => (plain_url, None),
                Ok(Ok(None) | Err(_)) | Err(_) => return Ok(Established::Closed),
            }
        }
        (None, None) => return Ok(Established::Closed),
    };
    let listener = Arc::clone(url);
    let Some(tls) = tls else {
        return Ok(Established::Plain(socket, Connection { remote, listener, tls: None }));
    };
    let limit = terms.handshake_timeout;
    let secured = timeout(limit, secure(socket, remote, tls, terms.san_check)).await;
    let (stream, facts) = secured.unwrap_or_else(|_| {
        Err(Refused::because(format!("TLS handshake took longer than {limit:?}")))
    })?;
    Ok(Established::Tls(
        Box::new(stream),
        Connection { remote, listener, tls: Some(Arc::new(facts)) },
    ))
}

async fn secure(
    socket: Socket,
    remote: Remote,
    tls: &ServerTls,
    san_check: SanCheck,
) -> Result<(TlsStream<Socket>, TlsFacts), Refused> {
    // Nothing is looked up for a client before it has said something.
    let start = LazyConfigAcceptor::new(Acceptor::default(), socket)
        .await
        .map_err(|error| Refused::because(handshake_reason(&error)))?;
    let server_name = start.client_hello().server_name().unwrap_or_default().to_owned();
    let refused = |reason, shown| Refused { reason, server_name: server_name.clone(), shown };
    let config = tls.current().await;
    let stream =
        start.into_stream(config).await.map_err(|error| refused(handshake_reason(&error), None))?;
    let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let facts = match shown.first() {
        Some(leaf) => certificate::facts(leaf).map_err(|reason| refused(reason, None))?,
        None => TlsFacts::default(),
    };
    let verdict = async {
        if let (SanCheck::Verify, Some(ip)) = (san_check, remote.ip()) {
            names::check(&facts, ip).await?;
        }
        match tls.revocation() {
            Some(revocation) => revocation.check(shown).await,
            None => Ok(()),
        }
    };
    match verdict.await {
        Ok(()) => Ok((stream, facts)),
        Err(reason) => Err(refused(reason, Some(Box::new(facts)))),
    }
}
