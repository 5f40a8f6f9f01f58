//! Members that find each other by SRV records of a DNS server, and from which addresses they speak.

use etcd_tests::cluster::{ADDRESSES, eventually};
use etcd_tests::{Cluster, Plan};
use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

mod server;

use server::Server;

/// Longer than a cluster takes to form.
const LIMIT: Duration = Duration::from_secs(30);

/// The port on which members listen for each other.
const PEER_PORT: u16 = 2380;

/// The files that stand in the place of those in `/etc` in a network namespace.
struct Files(PathBuf);

impl Files {
    /// Has the processes of a namespace ask this server for names.
    fn resolving_at(namespace: &str, server: Ipv4Addr) -> Files {
        let folder = Path::new("/etc/netns").join(namespace);
        fs::create_dir_all(&folder).expect("root may write there");
        let lines = format!("nameserver {server}\noptions timeout:1 attempts:2\n");
        fs::write(folder.join("resolv.conf"), lines).expect("root may write there");
        Files(folder)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // What is left does no harm: the namespace is gone.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Starts members that know nothing but a domain, and waits until they are a cluster.
fn found_by_records(cluster: &mut Cluster, flags: &[&str]) {
    let network = cluster.network.as_ref().expect("the plan has namespaces");
    let names: Vec<String> = (0..3).map(|number| network.name(number).to_owned()).collect();
    let _files: Vec<Files> =
        names.iter().map(|name| Files::resolving_at(name, server::ADDRESS)).collect();
    for member in &mut cluster.members {
        member.arguments.retain(|argument| !argument.starts_with("--initial-cluster="));
        member.arguments.push(format!("--discovery-srv={}", server::DOMAIN));
        member.arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
    }
    cluster.start_all();
    let urls: BTreeSet<String> =
        (1..=3).map(|number| format!("http://m{number}.{}:{PEER_PORT}", server::DOMAIN)).collect();
    let members = eventually(LIMIT, "all members", || {
        let members = cluster.members[0].client().members().ok()?.members;
        members.iter().all(|member| !member.name.is_empty()).then_some(members)
    });
    let known: BTreeSet<String> =
        members.iter().flat_map(|member| member.peer_urls.iter().cloned()).collect();
    assert_eq!(known, urls);
    let names: BTreeSet<&str> = members.iter().map(|member| &member.name[..]).collect();
    assert_eq!(names, BTreeSet::from(["m1", "m2", "m3"]));
    cluster.members[2].client().put("key", "value").expect("a cluster of three");
    cluster.wait_until_level();
}

#[test]
fn three_members_find_each_other_by_the_records_of_a_domain() {
    let mut cluster = Cluster::prepare(&Plan::namespaces());
    let _server = Server::start(&["_etcd-server._tcp"]);
    found_by_records(&mut cluster, &[]);
}

#[test]
fn a_domain_has_records_of_several_clusters() {
    let mut cluster = Cluster::prepare(&Plan::namespaces());
    let _server = Server::start(&["_etcd-server-blue._tcp"]);
    found_by_records(&mut cluster, &["--discovery-srv-name=blue"]);
}

/// The local addresses of a member's connections to others, in its namespace.
fn dialed_from(process: u32) -> BTreeSet<Ipv4Addr> {
    const ESTABLISHED: &str = "01";
    let table = fs::read_to_string(format!("/proc/{process}/net/tcp")).expect("the process runs");
    let rows = table.lines().skip(1).filter_map(|line| {
        let mut cells = line.split_whitespace().skip(1);
        let (local, remote, state) = (cells.next()?, cells.next()?, cells.next()?);
        let (address, _) = local.split_once(':')?;
        let (_, port) = remote.split_once(':')?;
        let is_dialed = u16::from_str_radix(port, 16).ok()? == PEER_PORT;
        let address = u32::from_str_radix(address, 16).ok()?;
        (is_dialed && state == ESTABLISHED).then(|| Ipv4Addr::from(address.to_ne_bytes()))
    });
    rows.collect()
}

/// A second address of each member, by which the others know it.
fn second(address: Ipv4Addr) -> Ipv4Addr {
    let [a, b, c, d] = address.octets();
    Ipv4Addr::new(a, b, c, d + 100)
}

/// Members that advertise their second addresses; where they dial from.
fn dial_with(flags: &[&str]) -> Vec<BTreeSet<Ipv4Addr>> {
    let mut cluster = Cluster::prepare(&Plan::namespaces());
    let network = cluster.network.as_ref().expect("the plan has namespaces");
    for (number, address) in ADDRESSES.into_iter().enumerate() {
        let address = second(address);
        let with_mask = format!("{address}/24");
        let namespace = network.name(number);
        let added = Command::new("ip")
            .args(["-n", namespace, "address", "add", &with_mask, "dev", "eth0"])
            .status();
        assert!(added.expect("iproute2 is installed").success());
        let member = &mut cluster.members[number];
        member.peer_url = format!("http://{address}:{PEER_PORT}");
        member.set_flag("--listen-peer-urls", &format!("http://0.0.0.0:{PEER_PORT}"));
        member.arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
    }
    let initial: Vec<String> =
        cluster.members.iter().map(|m| format!("{}={}", m.name, m.peer_url)).collect();
    for member in &mut cluster.members {
        let advertised = member.peer_url.clone();
        member.set_flag("--initial-advertise-peer-urls", &advertised);
        member.set_flag("--initial-cluster", &initial.join(","));
    }
    cluster.start_all();
    cluster.members[0].client().put("key", "value").expect("a cluster of three");
    cluster.wait_until_level();
    let sources = cluster.members.iter().map(|member| dialed_from(member.process().id()));
    sources.collect()
}

#[test]
fn members_speak_from_the_address_that_they_advertise_if_that_is_wanted() {
    let sources = dial_with(&["--feature-gates=SetMemberLocalAddr=true"]);
    assert!(sources.iter().any(|sources| !sources.is_empty()), "somebody dials");
    for (sources, address) in sources.iter().zip(ADDRESSES) {
        assert!(sources.iter().all(|source| *source == second(address)), "{sources:?} {address}");
    }
}

#[test]
fn otherwise_members_speak_from_the_address_that_the_system_chooses() {
    let sources = dial_with(&[]);
    assert!(sources.iter().any(|sources| !sources.is_empty()), "somebody dials");
    for (sources, address) in sources.iter().zip(ADDRESSES) {
        assert!(sources.iter().all(|source| *source == address), "{sources:?} {address}");
    }
}
