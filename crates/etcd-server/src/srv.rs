//! The first members find each other by SRV records in DNS.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};

use etcd_config::Url;
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::RData;

use crate::Error;

/// The services that members have records for: with TLS first, as in etcd.
const SERVICES: &[(&str, &str)] = &[("https", "etcd-server-ssl"), ("http", "etcd-server")];

/// A host and port that a record names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    host: String,
    port: u16,
}

/// The initial cluster that a domain's records name, as `name=url,name=url`: this member by its
/// name, the others by numbers.
///
/// # Errors
/// There are no such records, or none of them is this member's.
pub(crate) async fn initial_cluster(
    domain: &str,
    suffix: &str,
    name: &str,
    advertised: &[Url],
) -> Result<String, Error> {
    let own = own_addresses(advertised)?;
    let (mut entries, mut faults) = (Vec::new(), Vec::new());
    for (scheme, service) in SERVICES {
        let service = match suffix {
            "" => (*service).to_owned(),
            suffix => format!("{service}-{suffix}"),
        };
        match look_up(&format!("_{service}._tcp.{domain}.")).await {
            Ok(targets) => {
                let found = entries_of(scheme, name, &own, &targets, &mut faults);
                tracing::info!(
                    service,
                    domain,
                    cluster = found.join(","),
                    "got bootstrap from DNS for etcd-server"
                );
                entries.extend(found);
            }
            Err(error) => {
                faults.push(format!("error querying DNS SRV records for _{service} {error}"));
            }
        }
    }
    if entries.is_empty() {
        return Err(Error::Configuration(format!(
            "error setting up initial cluster: {}: make records _etcd-server._tcp.{domain} or \
             _etcd-server-ssl._tcp.{domain}, or give --initial-cluster",
            faults.join("; ")
        )));
    }
    let own_prefix = format!("{name}=");
    if !entries.iter().any(|entry| entry.starts_with(&own_prefix)) {
        return Err(Error::Configuration(format!(
            "error setting up initial cluster: cannot find local etcd member {name:?} in SRV \
             records: --initial-advertise-peer-urls must have the host and port of one of them: {}",
            entries.join(",")
        )));
    }
    Ok(entries.join(","))
}

/// Where this member is reached, with the URLs that say so.
fn own_addresses(advertised: &[Url]) -> Result<BTreeMap<SocketAddr, String>, Error> {
    let mut own = BTreeMap::new();
    for url in advertised {
        let text = url.as_str();
        let host = text.split_once("://").map_or(text, |(_, host)| host);
        let addresses = host.to_socket_addrs().map_err(|error| {
            Error::Configuration(format!("error setting up initial cluster: {text}: {error}"))
        })?;
        own.extend(addresses.map(|address| (address, text.to_owned())));
    }
    Ok(own)
}

async fn look_up(service: &str) -> Result<Vec<Target>, String> {
    let resolver = TokioResolver::builder_tokio().map_err(|error| error.to_string())?;
    let resolver = resolver.build().map_err(|error| error.to_string())?;
    let answer = resolver.srv_lookup(service).await.map_err(|error| error.to_string())?;
    let mut records: Vec<_> = answer
        .answers()
        .iter()
        .filter_map(|record| match &record.data {
            RData::SRV(srv) => Some((srv.priority, srv.target.to_ascii(), srv.port)),
            _ => None,
        })
        .collect();
    records.sort();
    let target = |(_, host, port): (u16, String, u16)| Target { host, port };
    Ok(records.into_iter().map(target).collect())
}

/// What records say of the members, and what is wrong with them.
fn entries_of(
    scheme: &str,
    name: &str,
    own: &BTreeMap<SocketAddr, String>,
    targets: &[Target],
    faults: &mut Vec<String>,
) -> Vec<String> {
    let mut entries = Vec::new();
    let mut numbers = 0..;
    for Target { host, port } in targets {
        let address = (host.as_str(), *port).to_socket_addrs();
        let address = match address.map(|mut addresses| addresses.next()) {
            Ok(Some(address)) => address,
            Ok(None) => continue,
            Err(error) => {
                faults.push(format!("{host}:{port}: {error}"));
                continue;
            }
        };
        let url = format!("{scheme}://{}:{port}", host.trim_end_matches('.'));
        match own.get(&address) {
            None => entries.push(format!("{}={url}", numbers.next().unwrap_or_default())),
            Some(expected) if expected.starts_with(&format!("{scheme}:")) => {
                entries.push(format!("{name}={url}"));
            }
            Some(expected) => faults.push(format!(
                "bootstrap at {url} from DNS has scheme mismatch with expected peer {expected}"
            )),
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: &str, port: u16) -> Target {
        Target { host: host.to_owned(), port }
    }

    #[test]
    fn this_member_has_its_name_and_the_others_have_numbers() {
        let own = BTreeMap::from([(
            "127.0.0.1:2".parse().expect("an address"),
            "http://127.0.0.1:2".to_owned(),
        )]);
        let targets = [target("127.0.0.1", 1), target("127.0.0.1", 2), target("127.0.0.1", 3)];
        let mut faults = Vec::new();
        let entries = entries_of("http", "me", &own, &targets, &mut faults);
        let expected = ["0=http://127.0.0.1:1", "me=http://127.0.0.1:2", "1=http://127.0.0.1:3"];
        assert_eq!(entries, expected);
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(entries_of("https", "me", &own, &targets[1..2], &mut faults), [""; 0]);
        assert_eq!(faults.len(), 1, "its URL has another scheme");
    }
}
