//! History that is older than the cluster was told to keep goes by itself.

use etcd_proto::etcdserverpb::RangeRequest;
use etcd_tests::cluster::eventually;
use etcd_tests::{Client, Cluster, Plan, Signal};
use std::time::Duration;
use tonic::Code;

/// What is kept; a tenth of it passes from look to look.
const KEPT: &str = "--auto-compaction-retention=5s";
/// Enough for a new leader and for several looks.
const LIMIT: Duration = Duration::from_secs(40);

/// Whether the store's history reaches back to `revision` no longer.
fn is_gone(client: &Client, revision: i64) -> bool {
    let range = RangeRequest { key: b"key".to_vec().into(), revision, ..RangeRequest::default() };
    match client.range(range) {
        Ok(_) => false,
        Err(failure) => {
            assert_eq!(failure.code, Code::OutOfRange, "{failure}");
            let expected = "etcdserver: mvcc: required revision has been compacted";
            assert_eq!(failure.message, expected);
            true
        }
    }
}

/// Puts until history from before begins to go, and says how far it was at the end.
fn put_until_compacted(client: &Client, revision: i64) -> i64 {
    eventually(LIMIT, "a compaction", || {
        let newest = client.put("key", "value").expect("a healthy cluster");
        is_gone(client, revision).then_some(newest)
    })
}

#[test]
fn whoever_leads_compacts_what_is_old() {
    let mut cluster = Cluster::start(&Plan::loopback(3).flag(KEPT));
    let leader = cluster.leader();
    let client = cluster.members[leader].client();
    let first = client.put("key", "value").expect("a healthy cluster");
    let newest = put_until_compacted(&client, first);
    assert!(!is_gone(&client, newest), "what is young stays");

    cluster.members[leader].end(Signal::KILL);
    let client = cluster.members[(leader + 1) % 3].client();
    let second = eventually(LIMIT, "a new leader", || client.put("key", "value").ok());
    let newest = put_until_compacted(&client, second);
    assert!(!is_gone(&client, newest), "what is young stays");
    for member in cluster.members.iter().filter(|member| member.is_started()) {
        eventually(LIMIT, "the same on every member", || {
            is_gone(&member.client(), second).then_some(())
        });
    }
}
