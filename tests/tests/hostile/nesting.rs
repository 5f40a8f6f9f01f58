//! Txns inside txns, as deep as a message can hold them.

use crate::case::{Case, Server};
use etcd_tests::wire::{bytes, txns};
use etcd_tests::{Cluster, Outcome, Plan, Raw};

const TOO_MANY: &str = "InvalidArgument: etcdserver: too many operations in txn request";
const TOO_DEEP: &str =
    "Internal: grpc: error unmarshalling request: proto: exceeded maximum recursion depth";

/// The most txns inside each other around an operation: it is message number 9999, the 10 000th may
/// not have another one inside.
const DEEPEST: usize = 4_999;

/// The list `success` with one put.
fn put(key: &str) -> Vec<u8> {
    bytes(2, &bytes(2, &[bytes(1, key.as_bytes()), bytes(2, b"v")].concat()))
}

fn nested(depth: usize, answer: &'static str) -> Case {
    Case::message(format!("{depth} txns"), "KV/Txn", &txns(depth, &put("k")), answer)
}

#[test]
fn txns_are_as_deep_as_their_operations_allow() {
    let server = Server::start(&[]);
    let served = [1, 2, 40, 49, 50, 51, 60, 100, 127, 128];
    let refused = [129, 130, 1_000, DEEPEST];
    let unread = [DEEPEST + 1, 9_999, 10_001, 100_000, 200_000];
    let cases = served.map(|depth| nested(depth, "OK")).into_iter();
    let cases = cases.chain(refused.map(|depth| nested(depth, TOO_MANY)));
    server.check(cases.chain(unread.map(|depth| nested(depth, TOO_DEEP))).collect());
}

#[test]
fn an_error_outside_comes_before_one_that_is_deeper() {
    let server = Server::start(&[]);
    let no_key = bytes(2, &bytes(1, b""));
    let deep = bytes(2, &bytes(4, &txns(1_000, &put("k"))));
    let empty = "InvalidArgument: etcdserver: key is not provided";
    server.check(vec![
        Case::message("first", "KV/Txn", &[no_key.clone(), deep.clone()].concat(), empty),
        Case::message("second", "KV/Txn", &[deep, no_key].concat(), TOO_MANY),
    ]);
}

#[test]
fn with_a_higher_limit_every_depth_that_can_be_read_is_served() {
    let server = Server::start(&["--max-txn-ops=100000"]);
    server.check(vec![
        nested(129, "OK"),
        nested(1_000, "OK"),
        nested(DEEPEST, "OK"),
        nested(DEEPEST + 1, TOO_DEEP),
        nested(100_000, TOO_DEEP),
    ]);
}

#[test]
fn every_member_executes_the_deepest_txn_and_a_restarted_one_executes_it_again() {
    let plan = Plan::loopback(3).flag("--max-txn-ops=100000");
    let mut cluster = Cluster::start(&plan);
    let followers: Vec<usize> = (0..3).filter(|&at| at != cluster.leader()).collect();
    for (at, key) in [(followers[0], "by/follower"), (cluster.leader(), "by/leader")] {
        let raw = Raw::connect(&cluster.members[at].client_url);
        let outcome = raw.call("KV/Txn", &txns(DEEPEST, &put(key)));
        assert!(matches!(outcome, Outcome::Answered(_)), "{outcome}");
    }
    check_equal(&cluster);
    for member in &mut cluster.members {
        member.end(etcd_tests::Signal::KILL);
    }
    cluster.start_all();
    check_equal(&cluster);
}

/// Both puts are there, and nobody differs.
#[track_caller]
fn check_equal(cluster: &Cluster) {
    let revision = cluster.wait_until_level();
    let mut hashes = Vec::new();
    for member in &cluster.members {
        let client = member.client();
        let keys = client.get_prefix("by/").expect("a range");
        assert_eq!(keys.len(), 2);
        hashes.push(client.hash_kv(revision).expect("a hash").hash);
    }
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");
}
