//! The four kinds of URLs a door has: `http`, `https`, `unix` and `unixs`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use crate::Error;

/// Whether the URL asks for TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    Plain,
    Tls,
}

/// Where the URL points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// `host` is without brackets, also for IPv6.
    Tcp {
        host: String,
        port: u16,
    },
    Unix(PathBuf),
}

/// A parsed URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// The URL as it was written.
    pub(crate) url: Arc<str>,
    pub(crate) security: Security,
    pub(crate) place: Place,
}

impl Address {
    /// Parses by etcd's rule for URL lists: one of the four schemes, `http` and `https` with
    /// `host:port` and no path. A socket file is everything after `unix://`, also when relative.
    pub(crate) fn parse(url: &str) -> Result<Address, Error> {
        let wrong = |why: &str| Error::Url(format!("{why}: {url}"));
        let (scheme, rest) = url
            .split_once(':')
            .ok_or_else(|| wrong("URL scheme must be http, https, unix, or unixs"))?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (security, is_unix) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Security::Plain, false),
            "https" => (Security::Tls, false),
            "unix" => (Security::Plain, true),
            "unixs" => (Security::Tls, true),
            _ => return Err(wrong("URL scheme must be http, https, unix, or unixs")),
        };
        let place = if is_unix {
            if rest.is_empty() {
                return Err(wrong("URL must name a socket file"));
            }
            Place::Unix(PathBuf::from(rest))
        } else {
            if rest.contains(['/', '?', '#']) {
                return Err(wrong("URL must not contain a path"));
            }
            let (host, port) = host_and_port(rest)
                .ok_or_else(|| wrong("URL address does not have the form \"host:port\""))?;
            Place::Tcp { host: host.to_owned(), port }
        };
        Ok(Address { url: url.into(), security, place })
    }

    /// The socket address to bind, for a URL that is not a socket file.
    ///
    /// Only an IP address or `localhost` can be bound (etcd's rule for listen URLs); `localhost`
    /// is 127.0.0.1, the one address etcd binds for it.
    pub(crate) fn to_bind(&self) -> Result<Option<SocketAddr>, Error> {
        let Place::Tcp { host, port } = &self.place else { return Ok(None) };
        let ip = match host.parse() {
            Ok(ip) => ip,
            Err(_) if host.eq_ignore_ascii_case("localhost") => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Err(_) => {
                return Err(Error::Url(format!("expected IP in URL for binding ({})", self.url)));
            }
        };
        Ok(Some(SocketAddr::new(ip, *port)))
    }

    /// What stands in a request's `Host` or `:authority` for this URL.
    pub(crate) fn authority(&self) -> String {
        match &self.place {
            Place::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Place::Tcp { host, port } => format!("{host}:{port}"),
            Place::Unix(_) => "localhost".to_owned(),
        }
    }

    /// The name a server's certificate must be valid for.
    pub(crate) fn server_name(&self) -> &str {
        match &self.place {
            Place::Tcp { host, .. } => host,
            Place::Unix(_) => "localhost",
        }
    }
}

fn host_and_port(authority: &str) -> Option<(&str, u16)> {
    let (host, port) = authority.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?,
        None if host.contains([':', '@', '[', ']']) => return None,
        None => host,
    };
    Some((host, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> String {
        match Address::parse(url) {
            Ok(address) => format!("{:?} {:?}", address.security, address.place),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_four_schemes_are_read() {
        assert_eq!(place("http://a.b:1"), r#"Plain Tcp { host: "a.b", port: 1 }"#);
        assert_eq!(place("https://[::1]:2"), r#"Tls Tcp { host: "::1", port: 2 }"#);
        assert_eq!(place("unix:///run/e.sock"), r#"Plain Unix("/run/e.sock")"#);
        assert_eq!(place("unixs://e.sock:0"), r#"Tls Unix("e.sock:0")"#);
        assert_eq!(place("unix:/run/e.sock"), r#"Plain Unix("/run/e.sock")"#);
    }

    #[test]
    fn other_urls_are_refused_with_a_reason() {
        assert_eq!(place("ftp://a:1"), "URL scheme must be http, https, unix, or unixs: ftp://a:1");
        assert_eq!(place("http://a:1/"), "URL must not contain a path: http://a:1/");
        for url in ["http://a", "http://a:b", "http://::1:2", "http://u@a:1", "http://a:70000"] {
            assert_eq!(
                place(url),
                format!("URL address does not have the form \"host:port\": {url}")
            );
        }
    }

    #[test]
    fn only_ip_addresses_and_localhost_can_be_bound() {
        let bind = |url: &str| Address::parse(url).expect("a good URL").to_bind();
        assert_eq!(bind("http://localhost:7").expect("binds"), "127.0.0.1:7".parse().ok());
        assert_eq!(bind("http://[::]:7").expect("binds"), "[::]:7".parse().ok());
        assert_eq!(bind("unix://x").expect("binds"), None);
        assert_eq!(
            bind("http://example.com:7").expect_err("a name").to_string(),
            "expected IP in URL for binding (http://example.com:7)"
        );
    }

    #[test]
    fn an_ipv6_host_keeps_its_brackets_in_the_authority() {
        let address = Address::parse("https://[::1]:2").expect("a good URL");
        assert_eq!(address.authority(), "[::1]:2");
        assert_eq!(address.server_name(), "::1");
    }
}
