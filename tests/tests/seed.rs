//! The cluster that the project grew from starts from its configuration file as it is.

use etcd_tests::cluster::{ADDRESSES, eventually};
use etcd_tests::process::server_is_ours;
use etcd_tests::{Certificates, Client, Etcdctl, Member, Network, Place, Turn};
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

const CONFIGURATION: &str = include_str!("../fixtures/seed.conf");

/// The members' names and the ids that a running etcd gave them.
const MEMBERS: [(&str, u64); 3] = [
    ("etcd01", 0x11ba_bd38_de9e_1f0f),
    ("etcd02", 0x2243_6a03_7c5a_db3b),
    ("etcd03", 0xa5e8_0429_e983_b681),
];

const CLUSTER: u64 = 0x4fb7_ed98_f0f6_d1a7;

/// Three members in three namespaces.
struct Seed {
    members: Vec<Member>,
    network: Network,
    certificates: Certificates,
    home: TempDir,
    _turn: Turn,
}

/// How the configuration reaches a member.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// As systemd does it from an `EnvironmentFile=`.
    Environment,
    /// The file itself, named by `--config-file`.
    File,
}

impl Seed {
    fn start(by: By) -> Seed {
        let turn = Turn::take();
        let home = TempDir::with_prefix("etcd-test-").expect("a temporary folder");
        let network = Network::new(&ADDRESSES);
        let mut addresses = ADDRESSES.map(IpAddr::from).to_vec();
        addresses.push(IpAddr::from(Ipv4Addr::LOCALHOST));
        let certificates = Certificates::new(&home.path().join("ssl"), &addresses);
        let mut members = Vec::new();
        for (number, (name, _)) in MEMBERS.iter().enumerate() {
            let place = Place::Namespace(network.name(number).to_owned());
            let mut member = Member::new(name, home.path(), place);
            let text = configuration(name, ADDRESSES[number], home.path(), &member.data_dir);
            match by {
                By::Environment => member.environment = settings(&text),
                By::File => {
                    let file = home.path().join(format!("{name}.conf"));
                    fs::write(&file, text).expect("a configuration file");
                    member.arguments = vec![format!("--config-file={}", file.display())];
                }
            }
            member.advertised_url = format!("https://{}:2379", ADDRESSES[number]);
            members.push(member);
        }
        for member in &mut members {
            member.start();
        }
        for member in &members {
            member.wait_until_ready();
        }
        Seed { members, network, certificates, home, _turn: turn }
    }

    fn check_ids(&self) {
        for (number, &(_, expected_id)) in MEMBERS.iter().enumerate() {
            let namespace = self.network.name(number).to_owned();
            let list = std::thread::spawn(move || {
                Network::enter(&namespace);
                let client = Client::new("http://127.0.0.1:2379");
                eventually(Duration::from_secs(15), "all members published", || {
                    let list = client.members().expect("a served member lists members");
                    let all_published = list.members.iter().all(|m| !m.name.is_empty());
                    all_published.then_some(list)
                })
            });
            let list = list.join().expect("the member answers");
            let header = list.header.expect("a header");
            assert_eq!(header.cluster_id, CLUSTER, "the cluster id is {:x}", header.cluster_id);
            assert_eq!(header.member_id, expected_id, "the member id is {:x}", header.member_id);
            let listed: Vec<(&str, u64)> =
                list.members.iter().map(|m| (m.name.as_str(), m.id)).collect();
            assert_eq!(listed, MEMBERS, "ascending by id, as the names are here");
            for (member, address) in list.members.iter().zip(ADDRESSES) {
                assert_eq!(member.peer_urls, [format!("https://{address}:2380")]);
                assert_eq!(member.client_urls, [format!("https://{address}:2379")]);
            }
        }
    }
}

/// The seed's file for one member: its name and address, and this test's paths.
fn configuration(name: &str, address: Ipv4Addr, home: &Path, data_dir: &Path) -> String {
    let mut lines = Vec::new();
    for line in CONFIGURATION.lines() {
        let line = if line.starts_with("ETCD_INITIAL_CLUSTER=") {
            line.to_owned()
        } else {
            line.replace("etcd01", name).replace("10.0.52.13", &address.to_string())
        };
        let line = line.replace("/var/lib/etcd/default.etcd", &data_dir.to_string_lossy());
        lines.push(line.replace("/opt/etcd", &home.to_string_lossy()));
    }
    lines.join("\n")
}

/// The settings of an environment file whose values stand in double quotes.
fn settings(text: &str) -> Vec<(String, String)> {
    let assignments = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let split = |line: &str| {
        let (name, value) = line.split_once('=').expect("an assignment");
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        (name.to_owned(), value.expect("in double quotes").to_owned())
    };
    assignments.map(split).collect()
}

#[test]
fn three_members_start_from_the_seeds_settings_and_have_its_ids() {
    let seed = Seed::start(By::Environment);
    seed.check_ids();

    for etcdctl in Etcdctl::both() {
        let urls: Vec<_> = seed.members.iter().map(|m| m.advertised_url.clone()).collect();
        let key = format!("seed-{}", etcdctl.version);
        for url in &urls {
            let with = etcdctl.clone().with_endpoints(&[url]).with_certificate(&seed.certificates);
            assert_eq!(with.succeed(&["put", &key, url]), "OK\n");
            for other in &urls {
                let with = with.clone().with_endpoints(&[other]);
                assert_eq!(with.succeed(&["get", &key, "--print-value-only"]), format!("{url}\n"));
            }
            let without = etcdctl.clone().with_endpoints(&[url]).with_authority(&seed.certificates);
            let complaint = without.fail(&["--command-timeout=1s", "get", &key]);
            assert!(!complaint.is_empty(), "it says why");
        }
        for number in 0..MEMBERS.len() {
            let inside = etcdctl.clone().inside(seed.network.name(number));
            let inside = inside.with_endpoints(&["http://127.0.0.1:2379"]);
            let value = inside.succeed(&["get", &key, "--print-value-only"]);
            assert_eq!(value, format!("{}\n", urls[2]));
        }
    }
    // A refused client is told in the log as well.
    let part = "rejected connection on client endpoint";
    seed.members[0].process().wait_for_line(part, Duration::from_secs(6));
    assert!(seed.home.path().join("etcd01.etcd").is_dir(), "the data directory is the one named");
}

#[test]
fn the_seeds_file_itself_is_a_configuration_file() {
    if !server_is_ours() {
        // A real etcd takes only YAML there.
        return;
    }
    Seed::start(By::File).check_ids();
}
