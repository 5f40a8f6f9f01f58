//! Three members: leaders, traffic, and what the queries of dashboards find.

use super::load::{everything, exists, get, move_leader, txn};
use etcd_proto::etcdserverpb as pb;
use etcd_tests::cluster::eventually;
use etcd_tests::process::server_is_ours;
use etcd_tests::{Cluster, Plan, Scrape, Signal};
use std::time::Duration;

/// Longer than a cluster takes to find together again.
const LIMIT: Duration = Duration::from_secs(30);

fn scrape(cluster: &Cluster, place: usize) -> Scrape {
    Scrape::of(&cluster.members[place].client_url)
}

/// The id of a member as metrics have it.
fn id(cluster: &Cluster, place: usize) -> u64 {
    cluster.members[place].role().expect("an answer").0
}

#[test]
fn a_change_of_the_leader_is_seen_by_all() {
    let cluster = Cluster::start(&Plan::loopback(3));
    let leader = cluster.leader();
    let before: Vec<Scrape> = (0..3).map(|place| scrape(&cluster, place)).collect();
    for (place, scrape) in before.iter().enumerate() {
        assert_eq!(scrape.value("etcd_server_has_leader"), 1.0);
        assert_eq!(scrape.value("etcd_server_is_leader"), f64::from(u8::from(place == leader)));
    }
    let next = (leader + 1) % 3;
    move_leader(&cluster.members[leader], id(&cluster, next));
    for (place, before) in before.iter().enumerate() {
        eventually(LIMIT, "the new leader is seen", || {
            let now = scrape(&cluster, place);
            let changes = "etcd_server_leader_changes_seen_total";
            let is_new = now.value(changes) == before.value(changes) + 1.0;
            let leads = now.value("etcd_server_is_leader") == f64::from(u8::from(place == next));
            (is_new && leads).then_some(())
        });
    }
}

#[test]
fn followers_count_what_they_do_for_others() {
    let cluster = Cluster::start(&Plan::loopback(3));
    let leader = cluster.leader();
    let client = cluster.members[leader].client();
    client.put("k", "v").expect("a put");
    cluster.wait_until_level();
    let before: Vec<Scrape> = (0..3).map(|place| scrape(&cluster, place)).collect();
    let previous = |key: &'static str| {
        let put = pb::PutRequest { key: key.into(), prev_kv: true, ..Default::default() };
        pb::request_op::Request::RequestPut(put)
    };
    txn(&client, vec![exists("k"), exists("k")], vec![get("k"), previous("k"), get("k")]);
    txn(&client, vec![], vec![get("k"), previous("new")]);
    let key: bytes::Bytes = "k".into();
    let delete = pb::DeleteRangeRequest { key, prev_kv: true, ..Default::default() };
    txn(&client, vec![], vec![pb::request_op::Request::RequestDeleteRange(delete)]);
    cluster.wait_until_level();
    for (place, before) in before.iter().enumerate() {
        let now = scrape(&cluster, place);
        let grown = |series: &str| now.value(series) - before.value(series);
        // Nobody waits there for what is read in between.
        let asked = if place == leader { 3.0 } else { 0.0 };
        // Whether a put can be done is looked at before.
        let reads = 2.0 + (1.0 + 1.0) + (1.0 + 1.0) + 1.0;
        assert_eq!(grown("etcd_mvcc_range_total"), reads + asked, "{place} {leader}");
        assert_eq!(grown("etcd_mvcc_put_total"), 2.0);
        assert_eq!(grown("etcd_mvcc_delete_total"), 1.0);
        // Two conditions are one, each list of more than one operation is another.
        assert_eq!(grown("etcd_mvcc_txn_total"), 1.0 + 3.0);
    }
}

#[test]
fn a_member_without_a_quorum_says_that_it_has_no_leader_and_that_commands_fail() {
    let mut cluster = Cluster::start(&Plan::loopback(3));
    let leader = cluster.leader();
    let others: Vec<usize> = (0..3).filter(|place| *place != leader).collect();
    let before = scrape(&cluster, leader);
    for place in &others {
        cluster.members[*place].end(Signal::KILL);
    }
    let client = cluster.members[leader].client();
    client.put("k", "v").expect_err("there is no quorum");
    eventually(LIMIT, "it has no leader", || {
        (scrape(&cluster, leader).value("etcd_server_has_leader") == 0.0).then_some(())
    });
    let failed = "etcd_server_proposals_failed_total";
    assert!(scrape(&cluster, leader).value(failed) > before.value(failed), "the put failed");
    let lost = scrape(&cluster, leader);
    let lost: f64 = lost.beginning("etcd_network_disconnected_peers_total{").map(|(_, n)| n).sum();
    assert!(lost >= 1.0, "the others are gone");
    cluster.members[others[0]].start();
    eventually(LIMIT, "a leader again", || {
        (scrape(&cluster, leader).value("etcd_server_has_leader") == 1.0).then_some(())
    });
}

#[test]
fn traffic_between_members_is_counted_by_peer() {
    let cluster = Cluster::start(&Plan::loopback(3));
    let leader = cluster.leader();
    let follower = (leader + 1) % 3;
    let (from, to) = (id(&cluster, leader), id(&cluster, follower));
    let before = (scrape(&cluster, leader), scrape(&cluster, follower));
    let client = cluster.members[follower].client();
    for _ in 0..20 {
        client.put("k", &"v".repeat(10_000)).expect("a put");
    }
    let after = (scrape(&cluster, leader), scrape(&cluster, follower));
    let grown = |before: &Scrape, after: &Scrape, series: String| {
        assert!(after.has(&series), "{series}");
        after.value(&series) - before.value(&series)
    };
    let sent = format!("etcd_network_peer_sent_bytes_total{{To=\"{to:x}\"}}");
    assert!(grown(&before.0, &after.0, sent) >= 200_000.0, "the entries go to the follower");
    let received = format!("etcd_network_peer_received_bytes_total{{From=\"{from:x}\"}}");
    assert!(grown(&before.1, &after.1, received) >= 200_000.0, "and arrive there");
    for (scrape, local, remote) in [(&after.0, from, to), (&after.1, to, from)] {
        let pair = format!("{{Local=\"{local:x}\",Remote=\"{remote:x}\"}}");
        assert_eq!(scrape.value(&format!("etcd_network_known_peers{pair}")), 1.0);
        assert_eq!(scrape.value(&format!("etcd_network_active_peers{pair}")), 1.0);
    }
    let known = after.0.beginning("etcd_network_known_peers{").count();
    assert!(known >= 2, "both others are known");
    let trips = format!("etcd_network_peer_round_trip_time_seconds_count{{To=\"{to:x}\"}}");
    eventually(LIMIT, "a round trip", || {
        (scrape(&cluster, leader).value(&trips) >= 1.0).then_some(())
    });
}

#[test]
fn a_snapshot_to_a_member_that_was_away_is_counted_on_both_sides() {
    let plan = Plan::loopback(3).flag("--snapshot-count=10").flag("--snapshot-catchup-entries=5");
    let mut cluster = Cluster::start(&plan);
    let leader = cluster.leader();
    let away = (leader + 1) % 3;
    let (from, to) = (id(&cluster, leader), id(&cluster, away));
    let before = scrape(&cluster, leader).value("etcd_server_proposals_committed_total");
    cluster.members[away].end(Signal::KILL);
    let client = cluster.members[leader].client();
    for _ in 0..100 {
        client.put("k", "v").expect("a put");
    }
    if server_is_ours() {
        // What the member needs must be gone from the log first.
        eventually(LIMIT, "the log lets its start go", || {
            client.put("k", "v").expect("a put");
            let first = scrape(&cluster, leader).value("etcd_raft_log_first_index");
            (first > before + 1.0).then_some(())
        });
    }
    cluster.members[away].start();
    cluster.members[away].wait_until_ready();
    eventually(LIMIT, "the snapshot is counted", || {
        let (sent, received) = (scrape(&cluster, leader), scrape(&cluster, away));
        let sent = sent.value(&format!("etcd_network_snapshot_send_success{{To=\"{to:x}\"}}"));
        let name = "etcd_network_snapshot_receive_success";
        let received = received.value(&format!("{name}{{From=\"{from:x}\"}}"));
        (sent >= 1.0 && received >= 1.0).then_some(())
    });
    let received = scrape(&cluster, away);
    assert!(received.value("etcd_snap_db_save_total_duration_seconds_count") >= 1.0, "it is kept");
    assert_eq!(received.value("etcd_server_snapshot_apply_in_progress_total"), 0.0);
}

/// The series that the queries of etcd's public dashboard and of its alert rules look at. Those of
/// failures are left out, which there are none of before the first.
const QUERIED: &[&str] = &[
    "etcd_server_has_leader",
    "etcd_server_leader_changes_seen_total",
    "etcd_server_proposals_failed_total",
    "etcd_server_proposals_pending",
    "etcd_server_proposals_committed_total",
    "etcd_server_proposals_applied_total",
    "etcd_server_quota_backend_bytes",
    "etcd_mvcc_db_total_size_in_bytes",
    "etcd_mvcc_db_total_size_in_use_in_bytes",
    "etcd_disk_wal_fsync_duration_seconds_bucket{le=\"0.001\"}",
    "etcd_disk_backend_commit_duration_seconds_bucket{le=\"8.192\"}",
    "etcd_network_client_grpc_received_bytes_total",
    "etcd_network_client_grpc_sent_bytes_total",
    "etcd_network_peer_sent_bytes_total{To=\"",
    "etcd_network_peer_received_bytes_total{From=\"",
    "etcd_network_peer_round_trip_time_seconds_bucket{To=\"",
    "etcd_debugging_mvcc_keys_total",
    "etcd_debugging_mvcc_watcher_total",
    "etcd_debugging_mvcc_slow_watcher_total",
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "grpc_server_started_total{grpc_method=\"Put\",grpc_service=\"etcdserverpb.KV\",\
     grpc_type=\"unary\"}",
    "grpc_server_started_total{grpc_method=\"Watch\",grpc_service=\"etcdserverpb.Watch\",\
     grpc_type=\"bidi_stream\"}",
    "grpc_server_started_total{grpc_method=\"LeaseKeepAlive\",grpc_service=\"etcdserverpb.Lease\",\
     grpc_type=\"bidi_stream\"}",
    "grpc_server_handled_total{grpc_code=\"Unavailable\",grpc_method=\"Put\",\
     grpc_service=\"etcdserverpb.KV\",grpc_type=\"unary\"}",
    "grpc_server_handling_seconds_bucket{grpc_method=\"Put\",grpc_service=\"etcdserverpb.KV\",\
     grpc_type=\"unary\",le=\"0.005\"}",
];

#[test]
fn dashboards_find_what_they_ask_for() {
    let cluster = Cluster::start(&Plan::loopback(3).flag("--metrics=extensive"));
    for member in &cluster.members {
        everything(member);
    }
    let leader = cluster.leader();
    eventually(LIMIT, "every query finds something", || {
        let scrape = scrape(&cluster, leader);
        let missing = QUERIED.iter().find(|query| scrape.beginning(query).next().is_none());
        missing.is_none().then_some(())
    });
}
