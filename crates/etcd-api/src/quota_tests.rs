//! A storage that has outgrown its quota, as clients and the other members hear of it.

use std::time::Duration;

use etcd_apply::Refusal;
use etcd_proto::etcdserverpb::{AlarmMember, AlarmType, InternalRaftRequest};
use prost::Message as _;
use tokio::time::{Instant, timeout};
use tonic::{Code, Request};

use crate::Error;
use crate::caller::Caller;
use crate::encoded_command::EncodedCommand;
use crate::harness::{Harness, MEMBER, get, put};

const NO_SPACE: AlarmMember = AlarmMember { member_id: MEMBER.0, alarm: AlarmType::Nospace as i32 };

fn alarms(harness: &Harness) -> Vec<AlarmMember> {
    harness.views.cluster().alarms.iter().collect()
}

#[tokio::test]
async fn a_put_without_room_is_refused_and_raises_the_alarm_once() {
    let harness = Harness::alone().await;
    harness.views.quota.limit_to(1);
    let (kv, before) = (harness.kv(), harness.views.applied().index);
    let puts = (0..8).map(|_| {
        let mut kv = kv.clone();
        async move { kv.put(put("a", "1")).await.expect_err("refused") }
    });
    for status in futures_util::future::join_all(puts).await {
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.message(), "etcdserver: mvcc: database space exceeded");
    }
    assert_eq!(alarms(&harness), [NO_SPACE]);
    assert_eq!(harness.views.applied().index, before + 1, "and nothing else is in the log");
}

#[tokio::test]
async fn a_put_that_finds_no_room_when_applied_is_answered_after_the_alarm() {
    let harness = Harness::alone().await;
    harness.views.quota.limit_to(1);
    let (caller, ()) = Caller::split(Request::new(()));
    // It passed when there was room.
    let command = EncodedCommand::put(&put("a", "1"));
    let answer = harness.api.propose_for(&caller, command, harness.api.own_deadline()).await;
    assert_eq!(answer, Err(Error::NoSpace));
    assert_eq!(alarms(&harness), [NO_SPACE]);
    let range = harness.kv().range(get("a")).await.expect("a range").into_inner();
    assert_eq!(range.count, 1, "it is done all the same");
}

#[tokio::test]
async fn another_members_put_raises_the_alarm_too() {
    let harness = Harness::alone().await;
    harness.run_alarms();
    harness.views.quota.limit_to(1);
    // As if another member had proposed it: nobody here waits.
    let command = InternalRaftRequest { put: Some(put("a", "1")), ..Default::default() };
    let deadline = Instant::now() + Duration::from_secs(60);
    let reply = harness.raft.propose(command.encode_to_vec().into(), deadline).await;
    assert_eq!(reply.expect("applied"), Err(Refusal::NoSpace));
    let raised = timeout(Duration::from_secs(60), async {
        while !harness.views.cluster().alarms.has(AlarmType::Nospace) {
            harness.raft.read_barrier(deadline).await.expect("it leads");
        }
    });
    raised.await.expect("in time");
    assert_eq!(alarms(&harness), [NO_SPACE]);
}
