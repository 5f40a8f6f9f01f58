//! `--initial-cluster`: who founds a cluster, or whom a joining member expects to meet.

use crate::urls::{self, Resolve};
use crate::{Error, Member, Members, PeerUrls, member_id};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The members of `--initial-cluster` by name.
///
/// Displayed as the flag's text with the entries sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitialCluster {
    members: BTreeMap<String, PeerUrls>,
}

impl InitialCluster {
    /// Parses `name=url,name=url`; a name may stand several times, with one URL each.
    ///
    /// Empty entries are passed over, as etcd does. Text without any entry is an empty cluster,
    /// which the checks refuse.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidUrls`] for the first entry, by name, with a malformed URL or none.
    pub fn parse(text: &str) -> Result<InitialCluster, Error> {
        let mut urls: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for entry in text.split(',').filter(|entry| !entry.is_empty()) {
            let (name, url) = entry.split_once('=').unwrap_or((entry, ""));
            urls.entry(name).or_default().push(url);
        }
        let members = urls
            .into_iter()
            .map(|(name, urls)| PeerUrls::parse(urls).map(|urls| (name.to_owned(), urls)));
        Ok(InitialCluster { members: members.collect::<Result<_, _>>()? })
    }

    /// The peer URLs of the member with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&PeerUrls> {
        self.members.get(name)
    }

    /// Names and peer URLs, by ascending name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &PeerUrls)> {
        self.members.iter().map(|(name, urls)| (name.as_str(), urls))
    }

    /// Checks that a member may found this cluster: etcd's checks, in etcd's order.
    ///
    /// `advertised` is `--initial-advertise-peer-urls`. It is compared as text first; only when
    /// that differs, names are resolved.
    ///
    /// # Errors
    ///
    /// [`Error::LocalNameMissing`], [`Error::AdvertisedOtherwise`], [`Error::DuplicateUrl`],
    /// [`Error::EmptyCluster`].
    pub fn check_new(
        &self,
        name: &str,
        advertised: &PeerUrls,
        resolve: &mut Resolve<'_>,
    ) -> Result<(), Error> {
        if self.members.is_empty() && name.is_empty() {
            return Err(Error::EmptyCluster);
        }
        let own = self.get(name).ok_or_else(|| Error::LocalNameMissing(name.to_owned()))?;
        check_advertised(name, own, advertised, resolve)?;
        self.check_urls_differ()
    }

    /// Checks that a member may join a running cluster with this configuration.
    ///
    /// # Errors
    ///
    /// [`Error::LocalNameMissing`], [`Error::DuplicateUrl`].
    pub fn check_existing(&self, name: &str) -> Result<(), Error> {
        self.get(name).ok_or_else(|| Error::LocalNameMissing(name.to_owned()))?;
        self.check_urls_differ()
    }

    /// The founding members with their ids, none of them started yet but all with their names.
    ///
    /// # Errors
    ///
    /// [`Error::IdenticalId`], [`Error::ZeroId`].
    pub fn members(&self, token: &str) -> Result<Members, Error> {
        let mut ids = BTreeSet::new();
        let mut members = Vec::with_capacity(self.members.len());
        for (name, urls) in self.iter() {
            let id = member_id(urls, token, None);
            if !ids.insert(id) {
                return Err(Error::IdenticalId(format!("{id} {name}={urls}")));
            }
            if id.0 == 0 {
                return Err(Error::ZeroId);
            }
            let peer_urls = urls.clone().into_vec();
            members.push(Member { name: name.to_owned(), ..Member::unstarted(id, peer_urls) });
        }
        Members::new(members)
    }

    fn check_urls_differ(&self) -> Result<(), Error> {
        let mut seen = BTreeSet::new();
        let all_new = self.members.values().flat_map(PeerUrls::iter).all(|url| seen.insert(url));
        if all_new { Ok(()) } else { Err(Error::DuplicateUrl(self.to_string())) }
    }
}

impl fmt::Display for InitialCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut entries: Vec<String> =
            self.iter().flat_map(|(name, urls)| entries_of(name, urls.iter())).collect();
        entries.sort_unstable();
        f.write_str(&entries.join(","))
    }
}

/// Compares a member's own entry with what it advertises.
fn check_advertised(
    name: &str,
    own: &PeerUrls,
    advertised: &PeerUrls,
    resolve: &mut Resolve<'_>,
) -> Result<(), Error> {
    let (own_urls, advertised_urls) = (own.clone().into_vec(), advertised.clone().into_vec());
    let Err(reason) = urls::check_same(&advertised_urls, &own_urls, resolve) else {
        return Ok(());
    };
    let missing = |from: &[String], of: &[String]| -> Vec<String> {
        let missing: BTreeSet<_> = of.iter().filter(|url| !from.contains(url)).cloned().collect();
        missing.into_iter().collect()
    };
    let entry = entries_of(name, own.iter()).join(",");
    let not_advertised = missing(&advertised_urls, &own_urls);
    if !not_advertised.is_empty() {
        let missing = entries_of(name, not_advertised.iter().map(String::as_str)).join(",");
        return Err(Error::AdvertisedOtherwise(format!(
            "--initial-cluster has {missing} but missing from \
             --initial-advertise-peer-urls={advertised} ({reason})"
        )));
    }
    let not_in_cluster = missing(&own_urls, &advertised_urls);
    if !not_in_cluster.is_empty() {
        let missing = not_in_cluster.join(",");
        return Err(Error::AdvertisedOtherwise(format!(
            "--initial-advertise-peer-urls has {missing} but missing from \
             --initial-cluster={entry}"
        )));
    }
    Err(Error::AdvertisedOtherwise(format!(
        "failed to resolve {advertised} to match --initial-cluster={entry} ({reason})"
    )))
}

fn entries_of<'u>(name: &str, urls: impl Iterator<Item = &'u str>) -> Vec<String> {
    urls.map(|url| format!("{name}={url}")).collect()
}

#[cfg(test)]
#[path = "initial_tests.rs"]
mod tests;
