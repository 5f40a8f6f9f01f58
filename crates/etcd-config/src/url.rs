//! The URLs that members listen on and tell others, in etcd's form.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::Error;

/// One URL: a scheme and an address, with the text it was given as.
///
/// URLs compare and sort by their text, as etcd sorts them before it hashes a member id.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Url {
    /// Invariant: trimmed, the scheme in lower case, everything else as it was written.
    text: String,
    scheme: Scheme,
    address: Address,
}

/// How to speak at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// Plain TCP.
    Http,
    /// TLS over TCP.
    Https,
    /// A plain Unix socket.
    Unix,
    /// TLS over a Unix socket.
    Unixs,
}

/// Where to listen or dial.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// A host (an IPv6 address without its brackets) and a port.
    Tcp {
        /// A name, an IPv4 or an IPv6 address; empty in a URL such as `http://:2379`.
        host: String,
        /// The port; 0 where the URL ends in a bare colon.
        port: u16,
    },
    /// The path of a Unix socket. `unix://host:1` is the file `host:1` in the working directory.
    Unix(PathBuf),
}

impl Scheme {
    /// Whether connections are encrypted.
    pub fn is_tls(self) -> bool {
        matches!(self, Scheme::Https | Scheme::Unixs)
    }

    fn parse(text: &str) -> Option<Scheme> {
        Some(match text {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "unix" => Scheme::Unix,
            "unixs" => Scheme::Unixs,
            _ => return None,
        })
    }
}

impl Url {
    /// The URL as it was given, trimmed.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How to speak at the address.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Where to listen or dial.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The same scheme and port at the host `ip`; a Unix URL stays as it is.
    pub(crate) fn at(&self, ip: IpAddr, port: u16) -> Url {
        let scheme = self.text.split(':').next().unwrap_or_default();
        let host = if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
        parse(&format!("{scheme}://{host}:{port}")).unwrap_or_else(|_| self.clone())
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Url {
    type Err = Error;

    fn from_str(text: &str) -> Result<Url, Error> {
        parse(text).map_err(Error::invalid)
    }
}

impl Serialize for Url {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
        parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// Reads a comma-separated list: trimmed, sorted, each URL once.
pub(crate) fn parse_list(text: &str) -> Result<Vec<Url>, String> {
    if text.trim().is_empty() {
        return Err("no valid URLs given".to_owned());
    }
    let mut urls = text.split(',').map(parse).collect::<Result<Vec<Url>, String>>()?;
    urls.sort();
    urls.dedup();
    Ok(urls)
}

/// The URLs joined by commas, as flags and messages show them.
pub(crate) fn join(urls: &[Url]) -> String {
    urls.iter().map(Url::as_str).collect::<Vec<&str>>().join(",")
}

fn parse(text: &str) -> Result<Url, String> {
    let text = text.trim();
    let bad_scheme = || format!("URL scheme must be http, https, unix, or unixs: {text}");
    let segment = text.split('/').next().unwrap_or_default();
    if segment.contains(':') && !segment.starts_with(|char: char| char.is_ascii_alphabetic()) {
        // What begins so is no scheme but a path.
        return Err(format!("parse {text:?}: first path segment in URL cannot contain colon"));
    }
    let (scheme_text, rest) = text.split_once(':').ok_or_else(bad_scheme)?;
    let scheme_text = scheme_text.to_ascii_lowercase();
    let scheme = Scheme::parse(&scheme_text).ok_or_else(bad_scheme)?;
    if text.chars().any(char::is_control) {
        return Err(format!("URL must not contain control characters: {text:?}"));
    }
    let address = match scheme {
        Scheme::Http | Scheme::Https => tcp_address(rest, text)?,
        Scheme::Unix | Scheme::Unixs => Address::Unix(socket_path(rest)),
    };
    Ok(Url { text: format!("{scheme_text}:{rest}"), scheme, address })
}

/// `unix://path` and `unix:path`; what would be a host in another URL is the path's beginning.
fn socket_path(rest: &str) -> PathBuf {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    PathBuf::from(path.split(['?', '#']).next().unwrap_or_default())
}

fn tcp_address(rest: &str, text: &str) -> Result<Address, String> {
    let no_host_port = || format!("URL address does not have the form \"host:port\": {text}");
    let after_slashes = rest.strip_prefix("//").ok_or_else(no_host_port)?;
    let end = after_slashes.find(['/', '?', '#']).unwrap_or(after_slashes.len());
    let (authority, tail) = after_slashes.split_at(end);
    let host_port = authority.rsplit_once('@').map_or(authority, |(_, host_port)| host_port);
    let (host, port) = split_host_port(host_port).ok_or_else(no_host_port)?;
    if tail.starts_with('/') {
        return Err(format!("URL must not contain a path: {text}"));
    }
    let port = match port {
        "" => 0,
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().map_err(|_| format!("invalid port {port:?} in URL: {text}"))?
        }
        _ => return Err(format!("invalid port {port:?} in URL: {text}")),
    };
    Ok(Address::Tcp { host: host.to_owned(), port })
}

fn split_host_port(text: &str) -> Option<(&str, &str)> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (host, after) = bracketed.split_once(']')?;
        return after.strip_prefix(':').map(|port| (host, port));
    }
    let (host, port) = text.split_once(':')?;
    let plain = !port.contains(':') && !host.contains([' ', '[', ']']);
    plain.then_some((host, port))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(text: &str, expect: Expect) {
        expect.assert_debug_eq(&parse_list(text).map(|urls| {
            urls.into_iter().map(|url| (url.text, url.scheme, url.address)).collect::<Vec<_>>()
        }));
    }

    fn check_fault(text: &str, expect: Expect) {
        expect.assert_eq(&parse_list(text).expect_err("the URL is refused"));
    }

    #[test]
    fn a_list_is_trimmed_sorted_and_without_duplicates() {
        check(
            " HTTP://b:1 , http://a:2,http://b:1",
            expect![[r#"
                Ok(
                    [
                        (
                            "http://a:2",
                            Http,
                            Tcp {
                                host: "a",
                                port: 2,
                            },
                        ),
                        (
                            "http://b:1",
                            Http,
                            Tcp {
                                host: "b",
                                port: 1,
                            },
                        ),
                    ],
                )
            "#]],
        );
    }

    #[test]
    fn default_ports_and_case_of_the_host_stay_as_written() {
        let url: Url = "http://Example.COM:80".parse().expect("a valid URL");
        assert_eq!(url.as_str(), "http://Example.COM:80");
    }

    #[test]
    fn ipv6_hosts_stand_in_brackets() {
        let url: Url = "https://[::1]:2379".parse().expect("a valid URL");
        assert_eq!(url.address(), &Address::Tcp { host: "::1".to_owned(), port: 2379 });
        assert!(url.scheme().is_tls());
    }

    #[test]
    fn unix_urls_take_a_path_or_a_host_and_port_as_the_socket_file() {
        for (text, path) in [
            ("unix:///run/etcd.sock", "/run/etcd.sock"),
            ("unix:/run/etcd.sock", "/run/etcd.sock"),
            ("unixs://localhost:123", "localhost:123"),
            ("unix://localhost:m0", "localhost:m0"),
            ("unix://run/etcd.sock", "run/etcd.sock"),
        ] {
            let url: Url = text.parse().expect("a valid URL");
            assert_eq!(url.address(), &Address::Unix(PathBuf::from(path)), "{text}");
            assert_eq!(url.as_str(), text);
        }
    }

    #[test]
    fn a_bad_url_gets_etcds_message() {
        check_fault("", expect!["no valid URLs given"]);
        check_fault(
            "10.0.0.1:2380",
            expect![[r#"parse "10.0.0.1:2380": first path segment in URL cannot contain colon"#]],
        );
        check_fault(
            "ftp://a:1",
            expect!["URL scheme must be http, https, unix, or unixs: ftp://a:1"],
        );
        check_fault("http://a:1,", expect!["URL scheme must be http, https, unix, or unixs: "]);
        check_fault(
            "http://a",
            expect![[r#"URL address does not have the form "host:port": http://a"#]],
        );
        check_fault(
            "http:a:1",
            expect![[r#"URL address does not have the form "host:port": http:a:1"#]],
        );
        check_fault(
            "http://::1:2379",
            expect![[r#"URL address does not have the form "host:port": http://::1:2379"#]],
        );
        check_fault("http://a:1/", expect!["URL must not contain a path: http://a:1/"]);
        check_fault("http://a:x", expect![[r#"invalid port "x" in URL: http://a:x"#]]);
        check_fault("http://a:70000", expect![[r#"invalid port "70000" in URL: http://a:70000"#]]);
    }

    #[test]
    fn another_host_keeps_scheme_and_port() {
        let url: Url = "http://localhost:2379".parse().expect("a valid URL");
        let ip = "10.0.52.13".parse().expect("an address");
        assert_eq!(url.at(ip, 4001).as_str(), "http://10.0.52.13:4001");
        let ip = "fd00::1".parse().expect("an address");
        assert_eq!(url.at(ip, 4001).as_str(), "http://[fd00::1]:4001");
    }
}
