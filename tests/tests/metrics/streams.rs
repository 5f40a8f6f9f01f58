//! Streams that break, and clients that only leave.

use super::load::Watching;
use etcd_tests::cluster::eventually;
use etcd_tests::raw::Open;
use etcd_tests::{Call, Cluster, Plan, Raw, Scrape, wire};
use std::time::Duration;

/// Longer than a server takes to see that a client is gone.
const LIMIT: Duration = Duration::from_secs(10);

const STREAMS: &str = "etcd_debugging_mvcc_watch_stream_total";

/// A watch that goes on, with the beginning of another request behind it.
fn watch() -> Call {
    let create = wire::bytes(1, &wire::bytes(1, b"key"));
    Call::new("Watch/Watch").message(&create).bytes(&[0, 0]).unfinished()
}

fn open(raw: &Raw) -> Open {
    raw.open(watch())
}

/// The failures that are counted, of watches and of renewals.
fn failures(url: &str) -> [f64; 2] {
    let scrape = Scrape::of(url);
    ["watch", "lease-keepalive"].map(|api| {
        let name = "etcd_network_server_stream_failures_total";
        let series = format!("{name}{{API=\"{api}\",Type=\"receive\"}}");
        if scrape.has(&series) { scrape.value(&series) } else { 0.0 }
    })
}

#[test]
fn a_stream_that_breaks_is_counted_and_a_client_that_leaves_is_not() {
    let cluster = Cluster::start(&Plan::loopback(1));
    let member = &cluster.members[0];
    let url = &member.client_url;
    let streams = |count: f64| {
        eventually(LIMIT, "the streams are counted", || {
            (Scrape::of(url).value(STREAMS) == count).then_some(())
        });
    };
    let (stays, closes, resets) =
        (Raw::connect(url), Raw::connect(url), Raw::connect_to_be_reset(url));
    let calls = [&stays, &closes, &resets].map(open);
    let polite = Watching::start(member, 0);
    streams(4.0);
    drop((closes, resets, polite));
    streams(1.0);
    drop(calls);
    streams(0.0);
    assert_eq!(failures(url), [0.0, 0.0], "clients that leave are no failure");

    for method in ["Watch/Watch", "Lease/LeaseKeepAlive"] {
        let outcome = stays.call(method, b"\xff").to_string();
        assert!(outcome.starts_with("Internal: "), "{method}: {outcome}");
    }
    eventually(LIMIT, "both failures are counted", || (failures(url) == [1.0, 1.0]).then_some(()));
}
