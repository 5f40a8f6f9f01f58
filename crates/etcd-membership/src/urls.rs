//! A list of URLs, normalised as etcd does it.

use crate::Error;
use crate::parse_url::{self, Url};
use std::fmt;
use std::net::IpAddr;

/// Turns `host:port` with a name for host into `address:port`, or says why it cannot.
///
/// Comparing URLs asks it only when their texts differ. etcd tries for thirty seconds; how long
/// the caller's closure tries is the caller's matter.
pub type Resolve<'r> = dyn FnMut(&str) -> Result<String, String> + 'r;

/// At least one URL: trimmed, of a scheme that etcd knows, sorted by text.
///
/// Named for the peer URLs that ids hash; client URLs follow the same rules.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerUrls {
    /// Invariant: sorted, each as [`parse_url::Url::text`] writes it.
    texts: Vec<String>,
}

impl PeerUrls {
    /// Reads a list of URLs in any order.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidUrls`] in etcd's words: an empty list, a scheme other than http, https,
    /// unix and unixs, http(s) without `host:port` or with a path.
    pub fn parse<T: AsRef<str>>(urls: impl IntoIterator<Item = T>) -> Result<PeerUrls, Error> {
        let mut texts = Vec::new();
        for url in urls {
            texts.push(parse_url::parse(url.as_ref().trim())?.text());
        }
        if texts.is_empty() {
            return Err(Error::InvalidUrls("no valid URLs given".to_owned()));
        }
        texts.sort_unstable();
        Ok(PeerUrls { texts })
    }

    /// The URLs' texts, ascending.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.texts.iter().map(String::as_str)
    }

    /// The URLs' texts, ascending.
    #[must_use]
    pub fn into_vec(self) -> Vec<String> {
        self.texts
    }
}

/// The URLs separated by commas.
impl fmt::Display for PeerUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.texts.join(","))
    }
}

/// Whether two lists name the same places: equal texts, or equal once names are resolved.
///
/// `Err` carries etcd's reason why they are not the same.
pub(crate) fn check_same(
    ours: &[String],
    theirs: &[String],
    resolve: &mut Resolve<'_>,
) -> Result<(), String> {
    if ours.len() != theirs.len() {
        return Err(format!("len({}) != len({})", quoted(ours), quoted(theirs)));
    }
    let sorted = |urls: &[String]| {
        let mut urls = urls.to_vec();
        urls.sort_unstable();
        urls
    };
    if sorted(ours) == sorted(theirs) {
        return Ok(());
    }
    let mut resolved = |urls: &[String]| -> Result<Vec<String>, String> {
        let urls = urls.iter().map(|url| resolve_url(url, resolve));
        Ok(sorted(&urls.collect::<Result<Vec<_>, _>>()?))
    };
    let (ours, theirs) = (resolved(ours)?, resolved(theirs)?);
    match ours.iter().zip(&theirs).find(|(our, their)| our != their) {
        None => Ok(()),
        Some((our, their)) => Err(format!("resolved urls: {our:?} != {their:?}")),
    }
}

/// A URL's text with its host resolved. Addresses, `localhost` and sockets stay as they are.
fn resolve_url(text: &str, resolve: &mut Resolve<'_>) -> Result<String, String> {
    let Url { scheme, authority, rest, .. } =
        parse_url::parse(text).map_err(|error| error.to_string())?;
    if scheme.starts_with("unix") {
        return Ok(text.to_owned());
    }
    let (host, _) = parse_url::split_host_port(authority).expect("checked when it was parsed");
    if host == "localhost" || host.parse::<IpAddr>().is_ok() {
        return Ok(text.to_owned());
    }
    Ok(format!("{scheme}://{}{rest}", resolve(authority)?))
}

/// `["a" "b"]`, the way etcd prints a list inside a message.
fn quoted(urls: &[String]) -> String {
    let urls: Vec<String> = urls.iter().map(|url| format!("{url:?}")).collect();
    format!("[{}]", urls.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(urls: &[&str]) -> Vec<String> {
        urls.iter().map(|&url| url.to_owned()).collect()
    }

    /// Knows one name; being asked for an address is a failure of the code under test.
    fn only_a(address: &str) -> Result<String, String> {
        match address {
            "a:1" => Ok("10.0.0.1:1".to_owned()),
            other => Err(format!("lookup {other}: no such host")),
        }
    }

    #[test]
    fn a_list_is_trimmed_and_sorted_and_keeps_repetitions() {
        let urls = PeerUrls::parse([" http://b:1", "http://a:1 ", "http://a:1"]).expect("URLs");
        assert_eq!(urls.to_string(), "http://a:1,http://a:1,http://b:1");
    }

    #[test]
    fn an_empty_list_is_refused() {
        let error = PeerUrls::parse::<&str>([]).expect_err("nothing in it");
        assert_eq!(error.to_string(), "no valid URLs given");
    }

    #[test]
    fn names_and_addresses_of_one_place_are_the_same() {
        let name = strings(&["http://a:1"]);
        let address = strings(&["http://10.0.0.1:1"]);
        assert_eq!(check_same(&name, &address, &mut only_a), Ok(()));
        let mut never = |address: &str| Err(format!("asked for {address}"));
        assert_eq!(check_same(&name, &name, &mut never), Ok(()));
    }

    #[test]
    fn different_places_are_told_apart_with_etcds_reason() {
        let one = strings(&["http://127.0.0.1:1"]);
        let two = strings(&["http://127.0.0.1:1", "http://127.0.0.2:1"]);
        let other = strings(&["http://localhost:1"]);
        assert_eq!(
            check_same(&one, &two, &mut only_a).expect_err("lengths differ"),
            r#"len(["http://127.0.0.1:1"]) != len(["http://127.0.0.1:1" "http://127.0.0.2:1"])"#
        );
        assert_eq!(
            check_same(&one, &other, &mut only_a).expect_err("places differ"),
            r#"resolved urls: "http://127.0.0.1:1" != "http://localhost:1""#
        );
        assert_eq!(
            check_same(&one, &strings(&["http://b:1"]), &mut only_a).expect_err("no such name"),
            "lookup b:1: no such host"
        );
    }
}
