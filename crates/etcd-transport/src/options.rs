//! How a listener listens.

use std::time::Duration;

use crate::ServerTls;

/// How to listen. `ListenOptions::default()` has etcd's values and no URL.
#[derive(Clone)]
pub struct ListenOptions {
    /// The URLs: `http`, `https`, `unix` or `unixs`; hosts are IP addresses or `localhost`. A URL
    /// with TLS and one without may share an address.
    pub urls: Vec<String>,
    /// TLS for the `https` and `unixs` URLs.
    pub tls: Option<ServerTls>,
    /// How many HTTP/2 streams one connection may have open; unlimited by default, as in etcd.
    pub max_concurrent_streams: u32,
    /// How often an HTTP/2 connection is pinged; never when absent.
    pub keepalive_interval: Option<Duration>,
    /// How long a ping may stay unanswered before the connection is closed.
    pub keepalive_timeout: Duration,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How many TLS handshakes may be under way at one address; when there is one more, the oldest
    /// is broken off. Without limit they could take all of `max_connections`.
    pub max_handshakes: usize,
    /// How long a client may take for its first bytes, and for the headers of an HTTP/1 request.
    pub header_read_timeout: Duration,
    /// How long open requests may take to end after the shutdown began. A watch never ends by
    /// itself, so with open watches this is how long a shutdown takes.
    pub shutdown_grace: Duration,
    /// How many connections one address serves at a time; further ones wait to be accepted. etcd
    /// takes the process's limit of file descriptors less 150.
    pub max_connections: usize,
    /// Whether other processes may listen on the same ports (`SO_REUSEPORT`). Ports that
    /// old connections linger on can always be bound (`SO_REUSEADDR`).
    pub share_port: bool,
}

impl Default for ListenOptions {
    fn default() -> ListenOptions {
        ListenOptions {
            urls: Vec::new(),
            tls: None,
            max_concurrent_streams: u32::MAX,
            keepalive_interval: Some(Duration::from_secs(2 * 60 * 60)),
            keepalive_timeout: Duration::from_secs(20),
            handshake_timeout: Duration::from_secs(10),
            max_handshakes: 1024,
            header_read_timeout: Duration::from_secs(5 * 60),
            shutdown_grace: Duration::from_secs(1),
            max_connections: tokio::sync::Semaphore::MAX_PERMITS,
            share_port: false,
        }
    }
}
