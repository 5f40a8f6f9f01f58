//! Streams whose clients leave, politely or not.

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
fn clients_that_leave_are_no_failures() {
    let cluster = Cluster::start(&Plan::loopback(1));
    let member = &cluster.members[0];
    let url = &member.client_url;
    let streams = |count: f64| {
        eventually(LIMIT, "the streams are counted", || {
            (Scrape::of(url).value(STREAMS) == count).then_some(())
        });
    };
    let (closes, resets) = (Raw::connect(url), Raw::connect_to_be_reset(url));
    let _calls = [&closes, &resets].map(open);
    let polite = Watching::start(member, 0);
    streams(3.0);
    drop((closes, resets, polite));
    streams(0.0);
    assert_eq!(failures(url), [0.0, 0.0]);
}
