//! The names, types, labels and buckets of all metrics, beside those of a recorded etcd.

use super::load::everything;
use etcd_tests::cluster::eventually;
use etcd_tests::metrics::Family;
use etcd_tests::process::server_is_ours;
use etcd_tests::{Cluster, Plan, Scrape};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// Longer than members take to measure each other.
const LIMIT: Duration = Duration::from_secs(60);

/// How a metric begins that an etcd has not.
const OWN: &[&str] = &["etcd_rocksdb_", "etcd_state_", "etcd_raft_", "etcd_index_", "etcd_lease_"];

/// What an etcd shows from the first failure on, of which the recorded one had none.
const FAILURES: &[&str] = &[
    "etcd_debugging_server_alarms gauge {alarm_type,server_id}",
    "etcd_network_disconnected_peers_total counter {Local,Remote}",
    "etcd_network_peer_received_failures_total counter {From}",
    "etcd_network_peer_sent_failures_total counter {To}",
    "etcd_network_server_stream_failures_total counter {API,Type}",
    "etcd_server_learner_promote_failures counter {Reason}",
];

fn recorded() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "scripts", "metrics-3.7.txt"].iter().collect()
}

/// The names that the server's own list says are left out, some of them by how they begin.
fn left_out() -> BTreeSet<String> {
    let list = [env!("CARGO_MANIFEST_DIR"), "..", "crates", "etcd-gateway", "METRICS.md"];
    let text = fs::read_to_string(list.iter().collect::<PathBuf>()).expect("the list");
    let (_, behind) = text.split_once("## Left out").expect("what is left out");
    let rows = behind.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(name, _)| name.to_owned()).collect()
}

/// All families that three busy members show.
fn shown() -> BTreeMap<String, Family> {
    let cluster = Cluster::start(&Plan::loopback(3).flag("--metrics=extensive"));
    for member in &cluster.members {
        everything(member);
    }
    let leader = cluster.leader();
    eventually(LIMIT, "members measure each other", || {
        let scrape = Scrape::of(&cluster.members[leader].client_url);
        let trips = "etcd_network_peer_round_trip_time_seconds_count{";
        let trips = scrape.beginning(trips).map(|(_, count)| count).sum::<f64>();
        (trips > 0.0).then_some(())
    });
    let mut families = BTreeMap::new();
    for member in &cluster.members {
        families.extend(Scrape::of(&member.client_url).families());
    }
    families
}

#[test]
fn every_metric_of_etcds_is_there_or_left_out_for_a_reason() {
    let families = shown();
    let lines = families.iter().map(|(name, family)| format!("{name} {family}\n"));
    if std::env::var_os("UPDATE_SCRIPTS").is_some() {
        assert!(!server_is_ours(), "only a real etcd is recorded");
        return fs::write(recorded(), lines.collect::<String>()).expect("the record is written");
    }
    let record = fs::read_to_string(recorded()).expect("a record");
    let shown: BTreeSet<&str> = families.keys().map(|name| &**name).collect();
    let mut differences = Vec::new();
    let mut missing = BTreeSet::new();
    for line in record.lines().chain(FAILURES.iter().copied()) {
        let (name, family) = line.split_once(' ').expect("a name and more");
        match families.get(name) {
            None if FAILURES.contains(&line) => {}
            None => drop(missing.insert(name)),
            Some(ours) if ours.to_string() != family => {
                differences.push(format!("etcd: {line}\nhere: {name} {ours}"));
            }
            Some(_) => {}
        }
    }
    assert_eq!(differences, [] as [String; 0]);
    if !server_is_ours() {
        assert_eq!(missing, BTreeSet::new());
        return;
    }
    let left_out = left_out();
    let is_left_out = |name: &str| {
        left_out.iter().any(|left| match left.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == left,
        })
    };
    let forgotten: Vec<_> = missing.iter().filter(|name| !is_left_out(name)).collect();
    assert_eq!(forgotten, [] as [&&str; 0], "these are neither shown nor said to be left out");
    let there: Vec<_> = shown.iter().filter(|name| is_left_out(name)).collect();
    assert_eq!(there, [] as [&&str; 0], "these are said to be left out and shown all the same");
    let lines = record.lines().chain(FAILURES.iter().copied());
    let known: BTreeSet<_> = lines.filter_map(|line| Some(line.split_once(' ')?.0)).collect();
    let is_own = |name: &str| OWN.iter().any(|own| name.starts_with(own));
    let strange: Vec<_> =
        shown.iter().filter(|name| !known.contains(**name) && !is_own(name)).collect();
    assert_eq!(strange, [] as [&&str; 0], "an etcd does not show these");
    for own in OWN {
        assert!(shown.iter().any(|name| name.starts_with(own)), "{own}…");
    }
}
