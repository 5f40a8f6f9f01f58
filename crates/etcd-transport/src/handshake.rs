//! From an accepted socket to a connection whose other side is known.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::connection::{Connection, Remote, TlsFacts};
use crate::error::handshake_reason;
use crate::socket::Socket;
use crate::{ServerTls, certificate};

/// The first byte of a TLS connection: a handshake record (RFC 8446, 5.1). No HTTP begins so.
const TLS_HANDSHAKE: u8 = 0x16;

/// Whether a peer's certificate must name the address it connects from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SanCheck {
    /// The remote IP address must be one of the certificate's, or one that its DNS names resolve
    /// to. A certificate without alternative names passes. Wildcard names match nothing, because
    /// no reverse lookup is made.
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

/// Finds out which protocol the client speaks and, with TLS, who it is.
///
/// The error is what the log shall say about a client that was refused.
pub(crate) async fn establish(
    socket: Socket,
    remote: Remote,
    terms: &Terms,
) -> Result<Established, String> {
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
    let (stream, facts) =
        timeout(terms.handshake_timeout, secure(socket, remote, tls, terms.san_check))
            .await
            .map_err(|_| {
                format!("TLS handshake took longer than {:?}", terms.handshake_timeout)
            })??;
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
) -> Result<(TlsStream<Socket>, TlsFacts), String> {
    let tls = tls.clone();
    let config = tokio::task::spawn_blocking(move || tls.current())
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    let stream =
        TlsAcceptor::from(config).accept(socket).await.map_err(|error| handshake_reason(&error))?;
    let certificates = stream.get_ref().1.peer_certificates();
    let facts = match certificates.and_then(|chain| chain.first()) {
        Some(leaf) => certificate::facts(leaf)?,
        None => TlsFacts::default(),
    };
    if let (SanCheck::Verify, Some(ip)) = (san_check, remote.ip()) {
        check_names(&facts, ip).await?;
    }
    Ok((stream, facts))
}

/// Whether a certificate names the address its owner connects from. etcd's rule: the IP addresses
/// decide when one of them matches or there are no DNS names; else the DNS names are resolved.
async fn check_names(facts: &TlsFacts, ip: IpAddr) -> Result<(), String> {
    if facts.ip_addresses.is_empty() && facts.dns_names.is_empty() {
        return Ok(());
    }
    if facts.ip_addresses.contains(&ip) {
        return Ok(());
    }
    if facts.dns_names.is_empty() {
        let names: Vec<_> = facts.ip_addresses.iter().map(IpAddr::to_string).collect();
        return Err(format!("x509: certificate is valid for {}, not {ip}", names.join(", ")));
    }
    for name in &facts.dns_names {
        if name.starts_with("*.") {
            continue;
        }
        // A name that does not resolve is no reason to refuse while another one may match.
        if let Ok(mut resolved) = tokio::net::lookup_host((name.as_str(), 0)).await
            && resolved.any(|address| address.ip().to_canonical() == ip)
        {
            return Ok(());
        }
    }
    Err(format!("tls: \"{ip}\" does not match any of DNSNames {:?}", facts.dns_names))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(ips: &[&str], names: &[&str]) -> Result<(), String> {
        let facts = TlsFacts {
            has_certificate: true,
            dns_names: names.iter().map(|&name| name.to_owned()).collect(),
            ip_addresses: ips.iter().map(|ip| ip.parse().expect("an address")).collect(),
            ..TlsFacts::default()
        };
        check_names(&facts, IpAddr::from([127, 0, 0, 1])).await
    }

    #[tokio::test]
    async fn a_peer_certificate_must_name_the_remote_address_or_nothing() {
        check(&[], &[]).await.expect("no names at all");
        check(&["10.0.0.1", "127.0.0.1"], &[]).await.expect("one address matches");
        check(&["10.0.0.1"], &["localhost"]).await.expect("the name resolves to the address");
        assert_eq!(
            check(&["10.0.0.1", "::2"], &[]).await,
            Err("x509: certificate is valid for 10.0.0.1, ::2, not 127.0.0.1".to_owned())
        );
        assert_eq!(
            check(&[], &["*.localhost"]).await,
            Err(r#"tls: "127.0.0.1" does not match any of DNSNames ["*.localhost"]"#.to_owned())
        );
    }
}
