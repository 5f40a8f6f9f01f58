//! A compaction that takes many lives of its members.

use etcd_proto::etcdserverpb as pb;
use etcd_proto::mvccpb::KeyValue;
use etcd_tests::cluster::eventually;
use etcd_tests::{Client, Cluster, Plan};
use pb::request_op::Request;
use std::time::Duration;
use tonic::Code;

use crate::{check_equal, kill_all};

const KEYS: usize = 100;
/// Each is one transaction over all keys, and so one revision: what is compacted of them is so much
/// that no life is long enough at the pace below.
const REVISIONS: i64 = 40;
const COMPACTED: i64 = 30;
const SLOW: [(&str, &str); 2] =
    [("--compaction-batch-limit", "10"), ("--compaction-sleep-interval", "250ms")];
const FAST: [(&str, &str); 2] =
    [("--compaction-batch-limit", "1000"), ("--compaction-sleep-interval", "1ms")];
/// How often everybody is killed in the middle.
const LIVES: usize = 3;

/// What is logged at the end of a compaction: etcd says "finished scheduled compaction".
const DONE: [&str; 2] = ["compaction finished", "finished scheduled compaction"];

#[test]
fn a_compaction_that_is_killed_again_and_again_is_finished_in_the_end() {
    let plan = SLOW
        .iter()
        .fold(Plan::loopback(3), |plan, (flag, value)| plan.flag(&format!("{flag}={value}")));
    let mut cluster = Cluster::start(&plan);
    let client = cluster.members[0].client();
    for number in 2..=REVISIONS {
        write(&client, number);
    }
    let before = keys_at(&client, COMPACTED).expect("nothing is compacted yet");
    assert_eq!(before.len(), KEYS);
    client
        .compact(pb::CompactionRequest { revision: COMPACTED, physical: false })
        .expect("a quorum is there");
    for _ in 0..LIVES {
        for member in &cluster.members {
            let client = member.client();
            eventually(Duration::from_secs(10), "the compaction on every member", || {
                is_compacted(&client).then_some(())
            });
            let lines = member.process().lines();
            let is_done = lines.iter().any(|line| DONE.iter().any(|done| line.contains(done)));
            assert!(!is_done, "{} was too fast to be killed in the middle", member.name);
        }
        kill_all(&mut cluster);
        cluster.start_all();
    }
    kill_all(&mut cluster);
    for member in &mut cluster.members {
        FAST.iter().for_each(|(flag, value)| member.set_flag(flag, value));
    }
    cluster.start_all();
    for member in &cluster.members {
        eventually(Duration::from_secs(30), "the end of the compaction", || {
            DONE.iter().find_map(|done| member.process().find_line(done, Duration::from_millis(10)))
        });
        let client = member.client();
        assert_eq!(keys_at(&client, COMPACTED), Ok(before.clone()), "{}", member.name);
        assert!(is_compacted(&client));
    }
    check_equal(&cluster);
    // It goes on as if nothing had happened.
    write(&cluster.members[1].client(), REVISIONS + 1);
    check_equal(&cluster);
}

/// Writes every key in one transaction.
fn write(client: &Client, number: i64) {
    let put = |key: usize| pb::RequestOp {
        request: Some(Request::RequestPut(pb::PutRequest {
            key: format!("k{key:03}").into(),
            value: format!("{number}").into(),
            ..Default::default()
        })),
    };
    let txn = pb::TxnRequest { success: (0..KEYS).map(put).collect(), ..Default::default() };
    let response = client.txn(txn).expect("a quorum is there");
    assert_eq!(response.header.unwrap_or_default().revision, number);
}

/// All keys as they were, from what the member itself has.
fn keys_at(client: &Client, revision: i64) -> Result<Vec<KeyValue>, etcd_tests::Failure> {
    let range = pb::RangeRequest {
        key: "k".into(),
        range_end: "l".into(),
        revision,
        serializable: true,
        ..Default::default()
    };
    client.range(range).map(|response| response.kvs)
}

/// Whether the revision before the compacted one is gone for clients.
fn is_compacted(client: &Client) -> bool {
    matches!(keys_at(client, COMPACTED - 1), Err(failure) if failure.code == Code::OutOfRange)
}
