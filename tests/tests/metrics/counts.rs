//! One member: what is done is what is counted.

use super::load::{Watching, delete, exists, get, maintain, put, txn};
use etcd_proto::etcdserverpb as pb;
use etcd_tests::client::Consistency;
use etcd_tests::cluster::eventually;
use etcd_tests::{Cluster, Plan, Scrape, web};
use prost::Message as _;
use std::time::Duration;

/// Longer than what goes on in the background takes to be counted.
const LIMIT: Duration = Duration::from_secs(10);

/// A member, and what it showed before the test did anything.
struct Counted {
    cluster: Cluster,
    before: Scrape,
}

impl Counted {
    fn start(plan: &Plan) -> Counted {
        let cluster = Cluster::start(plan);
        let before = Scrape::of(&cluster.members[0].client_url);
        Counted { cluster, before }
    }

    fn url(&self) -> &str {
        &self.cluster.members[0].client_url
    }

    fn now(&self) -> Scrape {
        Scrape::of(self.url())
    }

    /// How much a series has grown.
    fn grown(&self, series: &str) -> f64 {
        self.now().value(series) - self.before.value(series)
    }

    #[track_caller]
    fn check(&self, expected: &[(&str, f64)]) {
        let now = self.now();
        let grown = |series: &str| now.value(series) - self.before.value(series);
        let seen: Vec<_> = expected.iter().map(|(series, _)| (*series, grown(series))).collect();
        assert_eq!(seen, expected);
    }
}

fn alone() -> Counted {
    Counted::start(&Plan::loopback(1))
}

#[test]
fn operations_on_keys_are_counted() {
    let counted = alone();
    let client = counted.cluster.members[0].client();
    for number in 0..7 {
        client.put(&format!("k{number}"), "value").expect("a put");
    }
    for _ in 0..5 {
        client.get("k1", Consistency::Serializable).expect("a get");
    }
    client.get("k1", Consistency::Linearizable).expect("a get");
    txn(&client, vec![exists("k1")], vec![put("k1", "v"), put("new", ""), get("k2")]);
    txn(&client, vec![], vec![get("k1"), get("k2"), get("k3")]);
    txn(&client, vec![exists("k1"), exists("k2")], vec![delete("new")]);
    assert_eq!(counted.grown("etcd_debugging_mvcc_keys_total"), 7.0);
    client.delete_prefix("k").expect("a delete");
    let ranges = (5 + 1) + (1 + 1) + 3 + 2;
    counted.check(&[
        ("etcd_mvcc_put_total", 7.0 + 2.0),
        ("etcd_mvcc_range_total", f64::from(ranges)),
        ("etcd_mvcc_delete_total", 2.0),
        ("etcd_debugging_mvcc_keys_total", 0.0),
        // The one that writes three things, the one that only reads, two conditions.
        ("etcd_mvcc_txn_total", 3.0),
        ("etcd_debugging_mvcc_total_put_size_in_bytes", 7.0 * 7.0 + 3.0 + 3.0),
        ("etcd_debugging_mvcc_current_revision", 7.0 + 1.0 + 1.0 + 1.0),
    ]);
}

#[test]
fn previous_values_are_ranges_of_their_own() {
    let counted = alone();
    let client = counted.cluster.members[0].client();
    client.put("k", "v").expect("a put");
    let with = |request| pb::TxnRequest {
        success: vec![pb::RequestOp { request: Some(request) }],
        ..pb::TxnRequest::default()
    };
    let put = pb::PutRequest { key: "k".into(), prev_kv: true, ..pb::PutRequest::default() };
    client.txn(with(pb::request_op::Request::RequestPut(put))).expect("a txn");
    let key = "k".into();
    let delete = pb::DeleteRangeRequest { key, prev_kv: true, ..Default::default() };
    client.txn(with(pb::request_op::Request::RequestDeleteRange(delete))).expect("a txn");
    counted.check(&[
        ("etcd_mvcc_put_total", 2.0),
        // Whether the put can be done is looked at before.
        ("etcd_mvcc_range_total", 1.0 + 1.0 + 1.0),
        ("etcd_mvcc_delete_total", 1.0),
        ("etcd_mvcc_txn_total", 2.0),
    ]);
}

#[test]
fn compactions_are_counted_when_they_are_carried_out() {
    let counted = alone();
    let client = counted.cluster.members[0].client();
    for number in 0..10 {
        client.put("k", &number.to_string()).expect("a put");
    }
    let revision = client.put("other", "").expect("a put");
    client.compact(pb::CompactionRequest { revision, physical: true }).expect("a compaction");
    eventually(LIMIT, "the compaction is counted", || {
        let grown = counted.grown("etcd_debugging_mvcc_db_compaction_keys_total");
        (grown == 9.0).then_some(())
    });
    let now = counted.now();
    assert_eq!(now.value("etcd_debugging_mvcc_compact_revision"), revision as f64);
    let times = "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds_count";
    eventually(LIMIT, "its time", || (counted.grown(times) == 1.0).then_some(()));
    let pauses = "etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds_count";
    assert!(now.value(pauses) >= 1.0, "the index was compacted");
    let last = "etcd_debugging_mvcc_db_compaction_last";
    let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let unix = unix.expect("after 1970").as_secs_f64();
    eventually(LIMIT, "its moment", || ((unix - counted.now().value(last)) < 60.0).then_some(()));
}

#[test]
fn hashes_snapshots_and_defragmentations_are_timed() {
    let counted = alone();
    let client = counted.cluster.members[0].client();
    client.hash().expect("a hash");
    client.hash_kv(0).expect("a hash");
    client.hash_kv(0).expect("a hash");
    maintain(&counted.cluster.members[0]);
    let snapshots = "etcd_disk_backend_snapshot_duration_seconds_count";
    eventually(LIMIT, "the snapshot", || (counted.grown(snapshots) == 1.0).then_some(()));
    counted.check(&[
        ("etcd_mvcc_hash_duration_seconds_count", 1.0),
        ("etcd_mvcc_hash_rev_duration_seconds_count", 2.0),
        ("etcd_disk_backend_defrag_duration_seconds_count", 1.0),
        ("etcd_disk_defrag_inflight", 0.0),
    ]);
}

#[test]
fn leases_are_counted_from_grant_to_end() {
    let counted = alone();
    let client = counted.cluster.members[0].client();
    let kept = client.grant(0, 1000).expect("a lease");
    let ended = client.grant(0, 100).expect("a lease");
    for _ in 0..3 {
        client.keep_alive(kept).expect("a renewal");
    }
    client.revoke(ended).expect("an end");
    counted.check(&[
        ("etcd_debugging_lease_granted_total", 2.0),
        ("etcd_debugging_lease_renewed_total", 3.0),
        ("etcd_debugging_lease_revoked_total", 1.0),
        ("etcd_debugging_lease_ttl_total_count", 2.0),
        ("etcd_debugging_lease_ttl_total_sum", 1100.0),
        ("etcd_debugging_lease_ttl_total_bucket{le=\"64\"}", 0.0),
        ("etcd_debugging_lease_ttl_total_bucket{le=\"128\"}", 1.0),
        ("etcd_debugging_lease_ttl_total_bucket{le=\"1024\"}", 2.0),
        ("etcd_debugging_lease_ttl_total_bucket{le=\"8.388608e+06\"}", 2.0),
        ("etcd_debugging_server_lease_expired_total", 0.0),
    ]);
    client.grant(7, 1).expect("a lease");
    eventually(LIMIT, "the lease expires", || {
        let expired = counted.grown("etcd_debugging_server_lease_expired_total");
        (expired == 1.0).then_some(())
    });
    assert_eq!(counted.grown("etcd_debugging_lease_revoked_total"), 2.0);
}

#[test]
fn watchers_and_what_they_are_told_are_counted() {
    let counted = alone();
    let member = &counted.cluster.members[0];
    let client = member.client();
    let first = client.put("before", "").expect("a put");
    let mut watchings = [Watching::start(member, 0), Watching::start(member, first)];
    watchings[1].expect(1);
    for _ in 0..5 {
        client.put("k", "v").expect("a put");
    }
    for watching in &mut watchings {
        watching.expect(5);
    }
    counted.check(&[
        ("etcd_debugging_mvcc_watcher_total", 2.0),
        ("etcd_debugging_mvcc_watch_stream_total", 2.0),
        ("etcd_debugging_mvcc_slow_watcher_total", 0.0),
        ("etcd_debugging_mvcc_pending_events_total", 0.0),
        ("etcd_debugging_mvcc_events_total", 11.0),
    ]);
    let sends = "etcd_debugging_server_watch_send_loop_watch_stream_duration_seconds_count";
    let each =
        "etcd_debugging_server_watch_send_loop_watch_stream_duration_per_event_seconds_count";
    assert!(counted.grown(sends) >= 3.0 && counted.grown(each) >= 3.0, "responses are timed");
    let control = "etcd_debugging_server_watch_send_loop_control_stream_duration_seconds_count";
    assert_eq!(counted.grown(control), 2.0);
    drop(watchings);
    eventually(LIMIT, "the watchers are gone", || {
        (counted.grown("etcd_debugging_mvcc_watcher_total") == 0.0).then_some(())
    });
    counted.check(&[("etcd_debugging_mvcc_watch_stream_total", 0.0)]);
}

#[test]
fn commands_are_timed_as_they_are_applied_and_answered() {
    let counted = alone();
    let client = counted.cluster.members[0].client();
    for _ in 0..4 {
        client.put("k", "v").expect("a put");
    }
    client.put_leased("k", "v", 99).expect_err("there is no such lease");
    txn(&client, vec![], vec![put("k", "v")]);
    txn(&client, vec![], vec![get("k")]);
    client.delete_prefix("k").expect("a delete");
    client.get("k", Consistency::Linearizable).expect("a get");
    client.get("k", Consistency::Serializable).expect("a get");
    let future = pb::RangeRequest { key: "k".into(), revision: 1000, ..Default::default() };
    client.range(future).expect_err("it is not there yet");
    client.range(pb::RangeRequest::default()).expect_err("a range needs a key");
    let lease = client.grant(0, 1000).expect("a lease");
    client.revoke(lease).expect("an end");
    let applied = |op: &str, success: &str| {
        let labels = format!("op=\"{op}\",success=\"{success}\",version=\"v3\"");
        counted.grown(&format!("etcd_server_apply_duration_seconds_count{{{labels}}}"))
    };
    let commands = [
        ("Put", "true", 4.0),
        ("Put", "false", 1.0),
        ("Txn", "true", 1.0),
        ("DeleteRange", "true", 1.0),
        ("LeaseGrant", "true", 1.0),
        ("LeaseRevoke", "true", 1.0),
    ];
    let seen = commands.map(|(kind, success, _)| (kind, success, applied(kind, success)));
    assert_eq!(seen, commands, "applied");
    let answered = |kind: &str, success: &str| {
        let labels = format!("success=\"{success}\",type=\"{kind}\"");
        counted.grown(&format!("etcd_server_request_duration_seconds_count{{{labels}}}"))
    };
    let reads = [("ReadonlyTxn", "true", 1.0), ("Range", "true", 2.0), ("Range", "false", 1.0)];
    // A command that was refused was answered all the same.
    let commands = commands.map(|(kind, success, times)| match (kind, success) {
        ("Put", "true") => (kind, success, 5.0),
        ("Put", _) => (kind, success, 0.0),
        _ => (kind, success, times),
    });
    let requests: Vec<_> = reads.into_iter().chain(commands).collect();
    let seen = requests.iter().map(|(kind, success, _)| (*kind, *success, answered(kind, success)));
    assert_eq!(seen.collect::<Vec<_>>(), requests, "answered");
    counted.check(&[
        ("etcd_server_range_duration_seconds_count{success=\"true\"}", 2.0),
        ("etcd_server_range_duration_seconds_count{success=\"false\"}", 1.0),
        ("etcd_server_slow_read_indexes_total", 0.0),
        ("etcd_server_read_indexes_failed_total", 0.0),
        ("etcd_server_proposals_failed_total", 0.0),
    ]);
}

#[test]
fn what_goes_to_the_log_and_to_the_state_is_timed() {
    let counted = alone();
    let client = counted.cluster.members[0].client();
    for _ in 0..10 {
        client.put("k", &"v".repeat(1000)).expect("a put");
    }
    assert!(counted.grown("etcd_disk_wal_fsync_duration_seconds_count") >= 10.0, "each is synced");
    assert!(counted.grown("etcd_disk_wal_write_duration_seconds_count") >= 10.0, "and written");
    assert!(counted.grown("etcd_disk_wal_write_bytes_total") >= 10_000.0, "with its value");
    let now = counted.now();
    let committed = now.value("etcd_server_proposals_committed_total");
    assert!(committed - counted.before.value("etcd_server_proposals_committed_total") >= 10.0);
    eventually(LIMIT, "all is applied", || {
        let now = counted.now();
        (now.value("etcd_server_proposals_applied_total") >= committed).then_some(())
    });
    assert_eq!(now.value("etcd_server_proposals_pending"), 0.0);
    let commits = "etcd_disk_backend_commit_duration_seconds_count";
    eventually(LIMIT, "a commit", || (counted.grown(commits) >= 1.0).then_some(()));
    assert!(now.value("etcd_mvcc_db_total_size_in_bytes") > 0.0, "something is stored");
    let in_use = now.value("etcd_mvcc_db_total_size_in_use_in_bytes");
    assert!(in_use > 0.0 && in_use <= now.value("etcd_mvcc_db_total_size_in_bytes"), "{in_use}");
}

#[test]
fn calls_and_their_bytes_are_counted() {
    let counted = alone();
    let client = counted.cluster.members[0].client();
    let request = pb::PutRequest {
        key: "key".into(),
        value: "v".repeat(100_000).into(),
        ..pb::PutRequest::default()
    };
    client.put("key", &"v".repeat(100_000)).expect("a put");
    let mut sent = 0;
    for _ in 0..3 {
        let range = pb::RangeRequest { key: "key".into(), ..pb::RangeRequest::default() };
        sent += client.range(range).expect("an answer").encoded_len();
    }
    let calls = "etcd_server_client_requests_total{client_api_version=\"unknown\",type=\"unary\"}";
    assert_eq!(counted.grown(calls), 4.0);
    let range = pb::RangeRequest { key: "key".into(), ..pb::RangeRequest::default() };
    let received = request.encoded_len() + 3 * range.encoded_len();
    let counter = "etcd_network_client_grpc_received_bytes_total";
    assert_eq!(counted.grown(counter), received as f64);
    let grown = counted.grown("etcd_network_client_grpc_sent_bytes_total");
    // The put's answer is a header: a few bytes.
    let answer = grown - sent as f64;
    assert!((10.0..60.0).contains(&answer), "{grown} for {sent}");
}

#[test]
fn health_checks_are_counted() {
    let counted = alone();
    let ask = |path: &str| web::ask("GET", &format!("{}{path}", counted.url()), &[]);
    for path in ["/health", "/health", "/livez", "/readyz/data_corruption"] {
        assert_eq!(ask(path).expect("an answer").status, 200, "{path}");
    }
    let check = |name: &str, kind: &str| {
        let labels = format!("name=\"{name}\",status=\"success\",type=\"{kind}\"");
        counted.grown(&format!("etcd_server_healthchecks_total{{{labels}}}"))
    };
    assert_eq!(check("serializable_read", "livez"), 1.0);
    assert_eq!(check("data_corruption", "readyz"), 1.0);
    counted.check(&[
        ("etcd_server_health_success", 2.0),
        ("etcd_server_health_failures", 0.0),
        ("etcd_server_healthcheck{name=\"serializable_read\",type=\"livez\"}", 1.0),
    ]);
    let scrapes = "promhttp_metric_handler_requests_total{code=\"200\"}";
    let before = counted.now().value(scrapes);
    assert_eq!(counted.now().value(scrapes) - before, 1.0);
    assert_eq!(counted.now().value("promhttp_metric_handler_requests_in_flight"), 1.0);
}

#[test]
fn a_member_says_who_it_is_and_what_it_is_set_to() {
    let flag = "--feature-gates=AllAlpha=true,LeaseCheckpoint=false,LeaseCheckpointPersist=false,\
                InitialCorruptCheck=false";
    let plan = Plan::loopback(1).flag("--quota-backend-bytes=123456789").flag(flag);
    let counted = Counted::start(&plan);
    let id = counted.cluster.members[0].role().expect("an answer").0;
    let now = counted.now();
    assert_eq!(now.value(&format!("etcd_server_id{{server_id=\"{id:x}\"}}")), 1.0);
    for (series, value) in [
        ("etcd_server_version{server_version=\"3.7.1\"}", 1.0),
        ("etcd_cluster_version{cluster_version=\"3.7\"}", 1.0),
        ("etcd_server_quota_backend_bytes", 123_456_789.0),
        ("etcd_server_has_leader", 1.0),
        ("etcd_server_is_leader", 1.0),
        ("etcd_server_is_learner", 0.0),
        ("etcd_server_leader_changes_seen_total", 1.0),
        ("etcd_server_feature_enabled{name=\"AllAlpha\",stage=\"ALPHA\"}", 1.0),
        ("etcd_server_feature_enabled{name=\"AllBeta\",stage=\"BETA\"}", 0.0),
        ("etcd_server_feature_enabled{name=\"LeaseCheckpoint\",stage=\"ALPHA\"}", 0.0),
        ("etcd_server_feature_enabled{name=\"CompactHashCheck\",stage=\"ALPHA\"}", 1.0),
        ("etcd_server_feature_enabled{name=\"FastLeaseKeepAlive\",stage=\"BETA\"}", 1.0),
    ] {
        assert!(now.has(series), "{series}");
        assert_eq!(now.value(series), value, "{series}");
    }
    for series in ["os_fd_used", "os_fd_limit", "process_open_fds", "process_max_fds"] {
        assert!(now.value(series) > 3.0, "{series}");
    }
    let memory = now.value("process_resident_memory_bytes");
    assert!((1e6..1e9).contains(&memory), "{memory}");
    assert!(now.value("process_cpu_seconds_total") > 0.0, "it has worked");
    let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let age = unix.expect("after 1970").as_secs_f64() - now.value("process_start_time_seconds");
    assert!((-2.0..600.0).contains(&age), "{age}");
}

#[test]
fn alarms_are_shown_as_long_as_they_stand() {
    let counted = alone();
    let client = counted.cluster.members[0].client();
    let member_id = counted.cluster.members[0].role().expect("an answer").0;
    let turn = |action: pb::alarm_request::AlarmAction| {
        let request = pb::AlarmRequest { action: action as i32, member_id, alarm: 2 };
        client.alarm(request).expect("an answer");
    };
    let series = format!(
        "etcd_debugging_server_alarms{{alarm_type=\"CORRUPT\",server_id=\"{member_id:x}\"}}"
    );
    turn(pb::alarm_request::AlarmAction::Activate);
    assert_eq!(counted.now().value(&series), 1.0);
    turn(pb::alarm_request::AlarmAction::Deactivate);
    assert_eq!(counted.now().value(&series), 0.0);
}

#[test]
fn calls_are_timed_where_that_is_asked_for() {
    let counted = Counted::start(&Plan::loopback(1).flag("--metrics=extensive"));
    let client = counted.cluster.members[0].client();
    for _ in 0..3 {
        client.put("k", "v").expect("a put");
    }
    let labels = "grpc_method=\"Put\",grpc_service=\"etcdserverpb.KV\",grpc_type=\"unary\"";
    let count = format!("grpc_server_handling_seconds_count{{{labels}}}");
    assert_eq!(counted.before.value(&count), 0.0);
    assert!(counted.before.has(&count), "it is there before the first");
    assert_eq!(counted.grown(&count), 3.0);
    let last = "grpc_method=\"Put\",grpc_service=\"etcdserverpb.KV\",grpc_type=\"unary\",le=\"10\"";
    assert_eq!(counted.grown(&format!("grpc_server_handling_seconds_bucket{{{last}}}")), 3.0);
    drop(counted);
    assert!(!alone().before.has(&count), "nobody asked for it");
}
