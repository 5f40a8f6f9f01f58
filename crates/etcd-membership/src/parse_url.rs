//! One URL as etcd reads and writes it back: only what it accepts, and otherwise its own text.
//!
//! Ids hash the text of URLs, so this must keep what a browser's rules would rewrite: the case of
//! the host, a port that is the scheme's default, an odd spelling of an address.

use crate::Error;

/// The parts of a URL that etcd looks at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Url<'t> {
    /// Lowercase.
    pub(crate) scheme: String,
    /// Host and port as written.
    pub(crate) authority: &'t str,
    /// Everything after the authority, from its `/`, `?` or `#`, as written; for a URL without
    /// `//`, everything after the scheme's colon.
    pub(crate) rest: &'t str,
    has_authority: bool,
}

impl Url<'_> {
    /// The URL's text, as etcd puts it into ids, records and messages.
    pub(crate) fn text(&self) -> String {
        let slashes = if self.has_authority { "//" } else { "" };
        format!("{}:{slashes}{}{}", self.scheme, self.authority, self.rest)
    }
}

/// Reads a URL, already trimmed, that a member may listen on or advertise.
pub(crate) fn parse(text: &str) -> Result<Url<'_>, Error> {
    let url =
        split(text).map_err(|reason| Error::InvalidUrls(format!("parse {text:?}: {reason}")))?;
    match url.scheme.as_str() {
        "http" | "https" => {
            if split_host_port(url.authority).is_none() {
                let message = "URL address does not have the form \"host:port\"";
                return Err(Error::InvalidUrls(format!("{message}: {text}")));
            }
            if url.rest.starts_with('/') {
                return Err(Error::InvalidUrls(format!("URL must not contain a path: {text}")));
            }
        }
        "unix" | "unixs" => {}
        _ => {
            let message = "URL scheme must be http, https, unix, or unixs";
            return Err(Error::InvalidUrls(format!("{message}: {text}")));
        }
    }
    Ok(url)
}

/// Splits `host:port` or `[ipv6]:port`; `None` when it has not that form.
pub(crate) fn split_host_port(address: &str) -> Option<(&str, &str)> {
    let (host, port) = address.rsplit_once(':')?;
    let bare = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    (!bare.contains(['[', ']']) && !port.contains(['[', ']'])).then_some((bare, port))
}

/// Cuts a URL into its parts, refusing what is no URL at all.
fn split(text: &str) -> Result<Url<'_>, String> {
    if text.bytes().any(|byte| byte.is_ascii_control()) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    let Some((scheme, after)) = split_scheme(text)? else {
        // No scheme: what stands there is a path, whose first part must not look like one.
        let first = text.split(['/', '?', '#']).next().unwrap_or_default();
        if first.contains(':') {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
        return Ok(Url { scheme: String::new(), authority: "", rest: text, has_authority: false });
    };
    let scheme = scheme.to_ascii_lowercase();
    let Some(hierarchical) = after.strip_prefix("//") else {
        return Ok(Url { scheme, authority: "", rest: after, has_authority: false });
    };
    let end = hierarchical.find(['/', '?', '#']).unwrap_or(hierarchical.len());
    let (authority, rest) = hierarchical.split_at(end);
    check_authority(authority)?;
    Ok(Url { scheme, authority, rest, has_authority: true })
}

/// `scheme:rest`, or `None` when the text starts with something else.
fn split_scheme(text: &str) -> Result<Option<(&str, &str)>, String> {
    let is_scheme_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    match text.split_once(':') {
        Some(("", _)) => Err("missing protocol scheme".to_owned()),
        Some((scheme, rest))
            if scheme.as_bytes()[0].is_ascii_alphabetic() && scheme.bytes().all(is_scheme_byte) =>
        {
            Ok(Some((scheme, rest)))
        }
        _ => Ok(None),
    }
}

/// Refuses an authority with characters that no host has, or a port that is no number.
fn check_authority(authority: &str) -> Result<(), String> {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let allowed = |c: char| {
        !c.is_ascii() || c.is_ascii_alphanumeric() || "-_.~!$&'()*+,;=:[]<>\"%".contains(c)
    };
    if let Some(wrong) = host.chars().find(|&c| !allowed(c)) {
        return Err(format!("invalid character {:?} in host name", wrong.to_string()));
    }
    let after_host = match host.strip_prefix('[') {
        Some(inner) => {
            let (_, port) = inner.rsplit_once(']').ok_or("missing ']' in host")?;
            port
        }
        None => host.rfind(':').map_or("", |colon| &host[colon..]),
    };
    let is_port = after_host.is_empty()
        || after_host
            .strip_prefix(':')
            .is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    if is_port { Ok(()) } else { Err(format!("invalid port {after_host:?} after host")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, expect: &Expect) {
        let shown = match parse(text) {
            Ok(url) => url.text(),
            Err(error) => format!("error: {error}"),
        };
        expect.assert_eq(&shown);
    }

    #[test]
    fn what_etcd_accepts_keeps_its_own_text() {
        check("http://127.0.0.1:2380", &expect!["http://127.0.0.1:2380"]);
        check("HTTPS://Host:443", &expect!["https://Host:443"]);
        check("http://[::1]:2380", &expect!["http://[::1]:2380"]);
        check("http://localhost:80", &expect!["http://localhost:80"]);
        check("http://a:", &expect!["http://a:"]);
        check("unix:///run/etcd.sock", &expect!["unix:///run/etcd.sock"]);
        check("unix://localhost:2380", &expect!["unix://localhost:2380"]);
        check("unixs:relative", &expect!["unixs:relative"]);
    }

    #[test]
    fn what_etcd_refuses_is_refused_with_its_words() {
        check("", &expect!["error: URL scheme must be http, https, unix, or unixs: "]);
        check(
            "localhost:2380",
            &expect!["error: URL scheme must be http, https, unix, or unixs: localhost:2380"],
        );
        check(
            "127.0.0.1:2380",
            &expect![[
                r#"error: parse "127.0.0.1:2380": first path segment in URL cannot contain colon"#
            ]],
        );
        check("://a:1", &expect![[r#"error: parse "://a:1": missing protocol scheme"#]]);
        check(
            "http://127.0.0.1",
            &expect![[
                r#"error: URL address does not have the form "host:port": http://127.0.0.1"#
            ]],
        );
        check(
            "http:127.0.0.1:2380",
            &expect![[
                r#"error: URL address does not have the form "host:port": http:127.0.0.1:2380"#
            ]],
        );
        check(
            "http://127.0.0.1:2380/",
            &expect!["error: URL must not contain a path: http://127.0.0.1:2380/"],
        );
        check(
            "http://127.0.0.1:ab",
            &expect![[r#"error: parse "http://127.0.0.1:ab": invalid port ":ab" after host"#]],
        );
        check(
            "http://a b:2380",
            &expect![[r#"error: parse "http://a b:2380": invalid character " " in host name"#]],
        );
        check(
            "http://[::1:2380",
            &expect![[r#"error: parse "http://[::1:2380": missing ']' in host"#]],
        );
    }
}
