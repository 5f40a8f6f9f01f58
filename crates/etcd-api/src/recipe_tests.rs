//! The services Lock and Election on one member.

use std::time::Duration;

use bytes::Bytes;
use etcd_proto::etcdserverpb::{LeaseGrantRequest, LeaseRevokeRequest, RangeRequest};
use etcd_proto::v3electionpb::election_client::ElectionClient;
use etcd_proto::v3electionpb::{
    CampaignRequest, LeaderKey, LeaderRequest, LeaderResponse, ProclaimRequest, ResignRequest,
};
use etcd_proto::v3lockpb::lock_client::LockClient;
use etcd_proto::v3lockpb::{LockRequest, LockResponse, UnlockRequest};
use tokio::task::JoinHandle;
use tonic::{Code, Status, Streaming};

use crate::harness::{Harness, get};

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(20);

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("in time")
}

async fn grant(harness: &Harness, id: i64) {
    harness.lease().lease_grant(LeaseGrantRequest { ttl: 60, id }).await.expect("a lease");
}

async fn revoke(harness: &Harness, id: i64) {
    harness.lease().lease_revoke(LeaseRevokeRequest { id }).await.expect("it was there");
}

fn lock(harness: &Harness, lease: i64) -> JoinHandle<Result<LockResponse, Status>> {
    let mut client = LockClient::new(harness.router.clone());
    let request = LockRequest { name: "lock".into(), lease };
    tokio::spawn(async move { Ok(client.lock(request).await?.into_inner()) })
}

async fn locked(harness: &Harness, lease: i64) -> (Bytes, i64) {
    let response = in_time(lock(harness, lease)).await.expect("no panic").expect("the lock");
    (response.key, response.header.expect("a header").revision)
}

async fn unlock(harness: &Harness, key: &Bytes) -> i64 {
    let mut client = LockClient::new(harness.router.clone());
    let response = client.unlock(UnlockRequest { key: key.clone() }).await.expect("always");
    response.into_inner().header.expect("a header").revision
}

/// The keys under a prefix and their values, oldest first.
async fn keys(harness: &Harness, prefix: &'static str, end: &'static str) -> Vec<String> {
    let (key, range_end) = (prefix.into(), end.into());
    let all = RangeRequest { key, range_end, sort_target: 2, ..RangeRequest::default() };
    let found = harness.kv().range(all).await.expect("a range").into_inner().kvs;
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    found.iter().map(|kv| format!("{}={}", text(&kv.key), text(&kv.value))).collect()
}

/// Waits until those keys, and only those, are under a prefix.
async fn wait_for_keys(harness: &Harness, prefix: &'static str, end: &'static str, all: &[&str]) {
    in_time(async {
        while keys(harness, prefix, end).await != all {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_goes_from_one_to_the_next_in_the_order_of_their_coming() {
    let harness = Harness::alone().await;
    for id in [0x1a, -0x2b, 3] {
        grant(&harness, id).await;
    }
    let (first, revision) = locked(&harness, 0x1a).await;
    assert_eq!((&first[..], revision), (&b"lock/1a"[..], 2));
    assert_eq!(locked(&harness, 0x1a).await, (first.clone(), 2), "it has it already");
    let second = lock(&harness, -0x2b);
    wait_for_keys(&harness, "lock/", "lock0", &["lock/1a=", "lock/-2b="]).await;
    let third = lock(&harness, 3);
    wait_for_keys(&harness, "lock/", "lock0", &["lock/1a=", "lock/-2b=", "lock/3="]).await;
    assert_eq!(unlock(&harness, &first).await, 5);
    let second = in_time(second).await.expect("no panic").expect("the lock");
    assert_eq!(second.key, "lock/-2b");
    assert_eq!(second.header.expect("a header").revision, 5);
    assert!(!third.is_finished());
    // Its holder's lease ends.
    revoke(&harness, -0x2b).await;
    assert_eq!(in_time(third).await.expect("no panic").expect("the lock").key, "lock/3");
    assert_eq!(unlock(&harness, &first).await, 6, "whoever has it, unlocking is but a delete");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_without_a_lease_gets_one_of_a_minute() {
    let harness = Harness::alone().await;
    let (key, _) = locked(&harness, 0).await;
    let ids = harness.views.lessor.ids();
    assert_eq!(ids.len(), 1);
    assert_eq!(key, format!("lock/{:x}", ids[0]));
    let time = harness.views.lessor.time_to_live(ids[0]).expect("it lives");
    assert_eq!(time.granted_seconds, 60);
    assert_eq!(harness.views.lessor.keys(ids[0]), [key]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_nobody_waits_for_any_more_is_not_waited_for() {
    let harness = Harness::alone().await;
    for id in [1, 2, 3] {
        grant(&harness, id).await;
    }
    let (first, _) = locked(&harness, 1).await;
    let second = lock(&harness, 2);
    wait_for_keys(&harness, "lock/", "lock0", &["lock/1=", "lock/2="]).await;
    let third = lock(&harness, 3);
    wait_for_keys(&harness, "lock/", "lock0", &["lock/1=", "lock/2=", "lock/3="]).await;
    second.abort();
    wait_for_keys(&harness, "lock/", "lock0", &["lock/1=", "lock/3="]).await;
    unlock(&harness, &first).await;
    assert_eq!(in_time(third).await.expect("no panic").expect("the lock").key, "lock/3");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_lock_and_loses_the_lease_is_told() {
    let harness = Harness::alone().await;
    grant(&harness, 1).await;
    grant(&harness, 2).await;
    let (first, _) = locked(&harness, 1).await;
    let second = lock(&harness, 2);
    wait_for_keys(&harness, "lock/", "lock0", &["lock/1=", "lock/2="]).await;
    revoke(&harness, 2).await;
    unlock(&harness, &first).await;
    let status = in_time(second).await.expect("no panic").expect_err("no lease, no lock");
    assert_eq!((status.code(), status.message()), (Code::Unknown, "mutex: session is expired"));
    let status = lock(&harness, 2).await.expect("no panic").expect_err("no lease, no lock");
    let text = "etcdserver: requested lease not found";
    assert_eq!((status.code(), status.message()), (Code::Unknown, text));
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_are_told_when_the_member_stops() {
    let harness = Harness::alone().await;
    grant(&harness, 1).await;
    grant(&harness, 2).await;
    locked(&harness, 1).await;
    let second = lock(&harness, 2);
    wait_for_keys(&harness, "lock/", "lock0", &["lock/1=", "lock/2="]).await;
    harness.stopping.stop();
    let status = in_time(second).await.expect("no panic").expect_err("the end");
    assert_eq!(status.message(), "etcdserver: server stopped");
}

fn election(harness: &Harness) -> ElectionClient<crate::Services> {
    ElectionClient::new(harness.router.clone())
}

fn campaign(
    harness: &Harness,
    lease: i64,
    value: &'static str,
) -> JoinHandle<Result<(LeaderKey, i64), Status>> {
    let mut client = election(harness);
    let request = CampaignRequest { name: "vote".into(), lease, value: value.into() };
    tokio::spawn(async move {
        let response = client.campaign(request).await?.into_inner();
        let revision = response.header.expect("a header").revision;
        Ok((response.leader.expect("a leader"), revision))
    })
}

async fn elected(harness: &Harness, lease: i64, value: &'static str) -> (LeaderKey, i64) {
    in_time(campaign(harness, lease, value)).await.expect("no panic").expect("it leads")
}

async fn proclaim(
    harness: &Harness,
    leader: Option<LeaderKey>,
    value: &'static str,
) -> Result<i64, Status> {
    let request = ProclaimRequest { leader, value: value.into() };
    let response = election(harness).proclaim(request).await?.into_inner();
    Ok(response.header.expect("a header").revision)
}

async fn resign(harness: &Harness, leader: Option<LeaderKey>) -> Result<i64, Status> {
    let response = election(harness).resign(ResignRequest { leader }).await?.into_inner();
    Ok(response.header.expect("a header").revision)
}

async fn leader(harness: &Harness) -> Result<(Bytes, Bytes), Status> {
    let response = election(harness).leader(LeaderRequest { name: "vote".into() }).await?;
    let kv = response.into_inner().kv.expect("a key-value");
    Ok((kv.key, kv.value))
}

async fn observe(harness: &Harness) -> Streaming<LeaderResponse> {
    let request = LeaderRequest { name: "vote".into() };
    election(harness).observe(request).await.expect("a stream").into_inner()
}

/// The next leader's key and value, and the revision that it is told with.
async fn observed(stream: &mut Streaming<LeaderResponse>) -> (String, String, i64) {
    let response = in_time(stream.message()).await.expect("no error").expect("an open stream");
    let kv = response.kv.expect("a key-value");
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    (text(&kv.key), text(&kv.value), response.header.expect("a header").revision)
}

fn said(key: &str, value: &str, revision: i64) -> (String, String, i64) {
    (key.to_owned(), value.to_owned(), revision)
}

fn refused<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.expect_err("a refusal");
    (status.code(), status.message().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_is_elected_says_things_and_resigns() {
    let harness = Harness::alone().await;
    grant(&harness, 0x1a).await;
    let nobody = refused(leader(&harness).await);
    assert_eq!(nobody, (Code::Unknown, "election: no leader".to_owned()));
    let (first, revision) = elected(&harness, 0x1a, "one").await;
    let expected = LeaderKey { name: "vote".into(), key: "vote/1a".into(), rev: 2, lease: 0x1a };
    assert_eq!((first.clone(), revision), (expected.clone(), 2));
    assert_eq!(leader(&harness).await.expect("a leader"), ("vote/1a".into(), "one".into()));
    // Once more, with the same words and with others.
    assert_eq!(elected(&harness, 0x1a, "one").await, (expected.clone(), 2));
    assert_eq!(elected(&harness, 0x1a, "two").await, (expected, 2), "told before it says that");
    assert_eq!(leader(&harness).await.expect("a leader").1, "two");
    assert_eq!(proclaim(&harness, Some(first.clone()), "three").await.expect("it leads"), 4);
    assert_eq!(harness.views.lessor.keys(0x1a), ["vote/1a"], "the key still goes with the lease");
    let other = LeaderKey { rev: 1, ..first.clone() };
    let not_leader = (Code::Unknown, "election: not leader".to_owned());
    assert_eq!(refused(proclaim(&harness, Some(other.clone()), "four").await), not_leader);
    assert_eq!(resign(&harness, Some(other)).await.expect("no error"), 4);
    assert_eq!(resign(&harness, Some(first.clone())).await.expect("no error"), 5);
    assert_eq!(refused(proclaim(&harness, Some(first), "five").await), not_leader);
    let missing = (Code::Unknown, "\"leader\" field must be provided".to_owned());
    assert_eq!(refused(proclaim(&harness, None, "six").await), missing);
    assert_eq!(refused(resign(&harness, None).await), missing);
}

#[tokio::test(flavor = "multi_thread")]
async fn candidates_lead_in_the_order_of_their_coming_and_resign_when_they_go_away() {
    let harness = Harness::alone().await;
    for id in [1, 2, 3] {
        grant(&harness, id).await;
    }
    let (first, _) = elected(&harness, 1, "one").await;
    let second = campaign(&harness, 2, "two");
    wait_for_keys(&harness, "vote/", "vote0", &["vote/1=one", "vote/2=two"]).await;
    let third = campaign(&harness, 3, "three");
    let all = ["vote/1=one", "vote/2=two", "vote/3=three"];
    wait_for_keys(&harness, "vote/", "vote0", &all).await;
    second.abort();
    wait_for_keys(&harness, "vote/", "vote0", &["vote/1=one", "vote/3=three"]).await;
    assert!(!third.is_finished());
    resign(&harness, Some(first)).await.expect("no error");
    let (third, revision) = in_time(third).await.expect("no panic").expect("it leads");
    assert_eq!((third.rev, revision), (4, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_observes_hears_of_every_leader_and_all_that_it_says() {
    let harness = Harness::alone().await;
    grant(&harness, 1).await;
    grant(&harness, 2).await;
    let mut early = observe(&harness).await;
    let (first, _) = elected(&harness, 1, "one").await;
    assert_eq!(observed(&mut early).await, said("vote/1", "one", 2));
    harness.put("other", "x").await;
    let mut late = observe(&harness).await;
    assert_eq!(observed(&mut late).await, said("vote/1", "one", 3));
    assert_eq!(proclaim(&harness, Some(first.clone()), "more").await.expect("it leads"), 4);
    let second = campaign(&harness, 2, "two");
    wait_for_keys(&harness, "vote/", "vote0", &["vote/1=more", "vote/2=two"]).await;
    for stream in [&mut early, &mut late] {
        assert_eq!(observed(stream).await, said("vote/1", "more", 4));
    }
    revoke(&harness, 1).await;
    in_time(second).await.expect("no panic").expect("it leads");
    for stream in [&mut early, &mut late] {
        assert_eq!(observed(stream).await, said("vote/2", "two", 6));
    }
    let count = harness.kv().range(get("other")).await.expect("a range").into_inner().count;
    assert_eq!(count, 1);
    harness.stopping.stop();
    let stopped = in_time(late.message()).await.expect_err("the end");
    assert_eq!(stopped.message(), "etcdserver: server stopped");
}
