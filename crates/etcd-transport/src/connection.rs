//! What is known about the connection a request came through.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The connection a request came through: an extension of every request.
///
/// Cheap to clone: every request gets its own.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Connection {
    /// Who connected.
    pub remote: Remote,
    /// The listen URL, as configured, that accepted the connection.
    pub listener: Arc<str>,
    /// What the handshake told; none on a connection without TLS.
    pub tls: Option<Arc<TlsFacts>>,
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    /// A TCP peer. An IPv4 address that arrived through an IPv6 socket is given as IPv4.
    Tcp(SocketAddr),
    /// A process of this machine, through a socket file. It has no address.
    Unix,
}

impl Remote {
    /// The remote IP address, if it has one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Remote::Tcp(address) => Some(address.ip()),
            Remote::Unix => None,
        }
    }
}

impl fmt::Display for Remote {
    /// The address as etcd logs it: `@` stands for a process behind a socket file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remote::Tcp(address) => address.fmt(f),
            Remote::Unix => f.write_str("@"),
        }
    }
}

/// What a finished TLS handshake told about the client. Its certificate has been verified unless
/// the listener asks for none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsFacts {
    /// Whether the client presented a certificate.
    pub has_certificate: bool,
    /// The subject's common name of the client's certificate, when there is one.
    pub common_name: Option<String>,
    /// The DNS names of the certificate's subject alternative names.
    pub dns_names: Vec<String>,
    /// The IP addresses of the certificate's subject alternative names.
    pub ip_addresses: Vec<IpAddr>,
}
