//! What clients that speak JSON get from a member is what a real etcd gives them.

use etcd_tests::{Certificates, Cluster, Plan, chance, http_script, web};
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

#[path = "gateway/secure.rs"]
mod secure;
#[path = "gateway/socket.rs"]
mod socket;

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "scripts", "http"].iter().collect()
}

/// A test for each script: `bad_bodies` is `bad-bodies.txt`.
macro_rules! scripts {
    ($($name:ident)*) => {
        mod the_gateway_answers_as_etcds_does {
            $(
                #[test]
                fn $name() {
                    super::check(stringify!($name));
                }
            )*
        }

        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

fn check(name: &str) {
    http_script::check(&folder().join(name.replace('_', "-")).with_extension("txt"));
}

scripts! {
    auth
    bad_bodies
    cluster
    downgrade
    every_path
    headers
    kv
    leases
    locks
    maintenance
    members
    paths
    routes
    streams
}

#[test]
fn every_script_has_its_test() {
    let entries = fs::read_dir(folder()).expect("the scripts are there");
    let files = entries.map(|entry| entry.expect("an entry").path());
    let files: BTreeSet<String> = files
        .map(|file| file.file_stem().expect("a name").to_string_lossy().replace('-', "_"))
        .collect();
    let names: BTreeSet<String> = NAMES.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(files, names);
}

fn range(url: &str) -> (u16, String) {
    let url = format!("{url}/v3/kv/range");
    let answer = web::send("POST", &url, &[], b"{\"key\":\"YQ==\"}").expect("an answer");
    (answer.status, answer.header("content-type").to_owned())
}

#[test]
fn without_a_gateway_there_is_no_such_page() {
    let cluster = Cluster::start(&Plan::loopback(1).flag("--enable-grpc-gateway=false"));
    let text = "text/plain; charset=utf-8".to_owned();
    assert_eq!(range(&cluster.members[0].client_url), (404, text));
}

#[test]
fn json_is_spoken_on_the_port_for_http() {
    let url = format!("http://127.0.0.1:{}", etcd_tests::ports::free());
    let cluster =
        Cluster::start(&Plan::loopback(1).flag(&format!("--listen-client-http-urls={url}")));
    assert_eq!(range(&url), (200, "application/json".to_owned()));
    let answer =
        web::send("POST", &format!("{}/v3/kv/range", cluster.members[0].client_url), &[], b"{}");
    assert!(answer.is_none_or(|answer| answer.status == 404), "the other port speaks gRPC only");
}

/// Bytes that nobody chose, some of them near to JSON.
fn noise(chance: &mut StdRng, good: &str) -> Vec<u8> {
    const LIKELY: &[u8] = b"{}[]\",:\\u0123e+-.truefalsn \n";
    let mut body: Vec<u8> = match chance.random_range(0..3) {
        0 => (0..chance.random_range(0..100)).map(|_| chance.random()).collect(),
        1 => (0..60).map(|_| LIKELY[chance.random_range(0..LIKELY.len())]).collect(),
        _ => good.as_bytes().to_vec(),
    };
    for _ in 0..chance.random_range(0..4) {
        if !body.is_empty() {
            let at = chance.random_range(0..body.len());
            body[at] = chance.random();
        }
    }
    body
}

#[test]
fn whatever_is_sent_is_answered() {
    /// Those that nothing good or bad can be done with but read.
    const CALLS: &[(&str, &str)] = &[
        ("kv/range", "{\"key\":\"YQ==\",\"range_end\":\"Yg==\",\"limit\":\"5\",\"sort_order\":1}"),
        (
            "kv/txn",
            "{\"compare\":[{\"key\":\"YQ==\",\"version\":\"1\"}],\
             \"success\":[{\"request_put\":{\"key\":\"YQ==\"}}]}",
        ),
        ("lease/timetolive", "{\"ID\":\"5\",\"keys\":true}"),
        ("lease/keepalive", "{\"ID\":\"5\"}"),
        ("cluster/member/list", "{\"linearizable\":true}"),
        ("auth/user/get", "{\"name\":\"\\u0041\\ud83d\\ude00\"}"),
    ];
    let cluster = Cluster::start(&Plan::loopback(1));
    let url = &cluster.members[0].client_url;
    let mut chance = chance::random();
    for round in 0..600 {
        let (path, good) = CALLS[round % CALLS.len()];
        let body = noise(&mut chance, good);
        let shown = String::from_utf8_lossy(&body).into_owned();
        let answer = web::send("POST", &format!("{url}/v3/{path}"), &[], &body);
        let answer = answer.unwrap_or_else(|| panic!("no answer to {path} {shown:?}"));
        assert!(matches!(answer.status, 200 | 400 | 404), "{path} {shown:?}: {answer:?}");
        // What stands behind the first value is not looked at.
        let mut values = serde_json::Deserializer::from_slice(&body).into_iter::<Value>();
        if answer.status == 400 && values.next().is_some_and(|value| value.is_err()) {
            assert!(answer.body.contains("\"code\":3,"), "{path} {shown:?}: {answer:?}");
        }
    }
    assert_eq!(range(url).0, 200);
}

#[test]
fn txns_may_stand_in_txns_as_deep_as_anybody_likes() {
    let cluster = Cluster::start(&Plan::loopback(1));
    let url = format!("{}/v3/kv/txn", cluster.members[0].client_url);
    // All of them together have no more than 128 operations, whatever they are.
    for (depth, status) in [(20, 200), (127, 200), (3000, 400), (20_000, 400)] {
        let body = "{\"success\":[{\"request_txn\":".repeat(depth) + "{}" + &"}]}".repeat(depth);
        let answer = web::send("POST", &url, &[], body.as_bytes()).expect("an answer");
        assert_eq!(answer.status, status, "{depth}: {answer:?}");
    }
    assert_eq!(range(&cluster.members[0].client_url).0, 200);
}

fn certificates(cluster: &Cluster) -> &Certificates {
    cluster.certificates.as_ref().expect("the plan has TLS")
}
