//! The services Lock and Election: one holder at a time, whichever members they ask.

use etcd_proto::etcdserverpb::kv_client::KvClient;
use etcd_proto::etcdserverpb::lease_client::LeaseClient;
use etcd_proto::etcdserverpb::{LeaseGrantRequest, LeaseRevokeRequest, RangeRequest};
use etcd_proto::v3electionpb::election_client::ElectionClient;
use etcd_proto::v3electionpb::{
    CampaignRequest, LeaderKey, LeaderRequest, LeaderResponse, ProclaimRequest, ResignRequest,
};
use etcd_proto::v3lockpb::lock_client::LockClient;
use etcd_proto::v3lockpb::{LockRequest, UnlockRequest};
use etcd_tests::{Cluster, Etcdctl, Plan, Signal};
use std::time::Duration;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, Streaming};

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(20);

/// How often something is asked that cannot be awaited.
const PROBE: Duration = Duration::from_millis(20);

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("in time")
}

/// Clients of every member, connected when they are first used.
fn channels(cluster: &Cluster) -> Vec<Channel> {
    let urls = cluster.client_urls().into_iter();
    urls.map(|url| Endpoint::from_shared(url).expect("a URL").connect_lazy()).collect()
}

async fn grant(channel: &Channel, id: i64) {
    let request = LeaseGrantRequest { ttl: 60, id };
    LeaseClient::new(channel.clone()).lease_grant(request).await.expect("a lease");
}

async fn revoke(channel: &Channel, id: i64) {
    let request = LeaseRevokeRequest { id };
    LeaseClient::new(channel.clone()).lease_revoke(request).await.expect("it was there");
}

fn lock(channel: &Channel, lease: i64) -> JoinHandle<Result<String, Status>> {
    let mut client = LockClient::new(channel.clone());
    tokio::spawn(async move {
        let response = client.lock(LockRequest { name: "lock".into(), lease }).await?.into_inner();
        Ok(String::from_utf8_lossy(&response.key).into_owned())
    })
}

async fn unlock(channel: &Channel, key: &str) {
    let request = UnlockRequest { key: key.to_owned().into() };
    LockClient::new(channel.clone()).unlock(request).await.expect("always");
}

/// Waits until those keys, and only those, are under a prefix; the oldest come first.
async fn wait_for_keys(channel: &Channel, prefix: &'static str, all: &[&str]) {
    let range_end = prefix.replace('/', "0").into();
    let request =
        RangeRequest { key: prefix.into(), range_end, sort_target: 2, ..Default::default() };
    let mut client = KvClient::new(channel.clone());
    in_time(async {
        loop {
            let kvs = client.range(request.clone()).await.expect("a range").into_inner().kvs;
            if kvs.iter().map(|kv| &kv.key[..]).eq(all.iter().map(|key| key.as_bytes())) {
                return;
            }
            tokio::time::sleep(PROBE).await;
        }
    })
    .await;
}

#[track_caller]
fn check_refused<T: std::fmt::Debug>(result: Result<T, Status>, text: &str) {
    let status = result.expect_err("a refusal");
    assert_eq!((status.code(), status.message()), (Code::Unknown, text));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_held_by_one_at_a_time_and_goes_on_in_order() {
    let mut cluster = Cluster::start(&Plan::loopback(3));
    let leader = tokio::task::block_in_place(|| cluster.leader());
    let all = channels(&cluster);
    let (one, two) = (&all[(leader + 1) % 3], &all[(leader + 2) % 3]);
    for id in [1, -2, 3, 4] {
        grant(one, id).await;
    }
    assert_eq!(in_time(lock(one, 1)).await.expect("no panic").expect("the lock"), "lock/1");
    let second = lock(two, -2);
    wait_for_keys(one, "lock/", &["lock/1", "lock/-2"]).await;
    let third = lock(one, 3);
    wait_for_keys(one, "lock/", &["lock/1", "lock/-2", "lock/3"]).await;
    let fourth = lock(two, 4);
    wait_for_keys(one, "lock/", &["lock/1", "lock/-2", "lock/3", "lock/4"]).await;
    // One goes away, and the cluster's leader dies: the others still come in order.
    third.abort();
    wait_for_keys(one, "lock/", &["lock/1", "lock/-2", "lock/4"]).await;
    // Whoever waits has looked for the one before it, and only listens now.
    for _ in 0..20 {
        wait_for_keys(two, "lock/", &["lock/1", "lock/-2", "lock/4"]).await;
    }
    tokio::task::block_in_place(|| {
        cluster.members[leader].end(Signal::KILL);
        cluster.leader();
    });
    assert!(!second.is_finished() && !fourth.is_finished());
    unlock(two, "lock/1").await;
    assert_eq!(in_time(second).await.expect("no panic").expect("the lock"), "lock/-2");
    assert!(!fourth.is_finished());
    revoke(one, -2).await;
    assert_eq!(in_time(fourth).await.expect("no panic").expect("the lock"), "lock/4");
    let refused = in_time(lock(one, 99)).await.expect("no panic");
    check_refused(refused, "etcdserver: requested lease not found");
}

async fn campaign(channel: &Channel, lease: i64, value: &'static str) -> LeaderKey {
    let mut client = ElectionClient::new(channel.clone());
    let request = CampaignRequest { name: "vote".into(), lease, value: value.into() };
    let response = in_time(client.campaign(request)).await.expect("it leads");
    response.into_inner().leader.expect("a leader")
}

async fn observed(stream: &mut Streaming<LeaderResponse>) -> (String, String) {
    let response = in_time(stream.message()).await.expect("no error").expect("an open stream");
    let kv = response.kv.expect("a key-value");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&kv.key), text(&kv.value))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_election_has_one_leader_whom_everybody_hears() {
    let cluster = Cluster::start(&Plan::loopback(3));
    let all = channels(&cluster);
    grant(&all[0], 1).await;
    grant(&all[0], 2).await;
    let mut client = ElectionClient::new(all[1].clone());
    let name = || LeaderRequest { name: "vote".into() };
    check_refused(client.leader(name()).await, "election: no leader");
    // A server may say nothing at all before there is a leader.
    let mut listener = client.clone();
    let stream = tokio::spawn(async move { listener.observe(name()).await });
    let first = campaign(&all[0], 1, "one").await;
    let stream = in_time(stream).await.expect("no panic").expect("a stream");
    let mut stream = stream.into_inner();
    assert_eq!((&first.key[..], first.lease), (&b"vote/1"[..], 1));
    assert_eq!(observed(&mut stream).await, ("vote/1".to_owned(), "one".to_owned()));
    let other = all[2].clone();
    let second = tokio::spawn(async move { campaign(&other, 2, "two").await });
    wait_for_keys(&all[1], "vote/", &["vote/1", "vote/2"]).await;
    let leader = Some(first.clone());
    let say = ProclaimRequest { leader: leader.clone(), value: "more".into() };
    client.proclaim(say.clone()).await.expect("it leads");
    assert_eq!(observed(&mut stream).await, ("vote/1".to_owned(), "more".to_owned()));
    assert!(!second.is_finished());
    client.resign(ResignRequest { leader }).await.expect("it leads");
    assert_eq!(in_time(second).await.expect("no panic").key, "vote/2");
    assert_eq!(observed(&mut stream).await, ("vote/2".to_owned(), "two".to_owned()));
    check_refused(client.proclaim(say).await, "election: not leader");
    let nobody = ProclaimRequest { leader: None, value: "x".into() };
    check_refused(client.proclaim(nobody).await, "\"leader\" field must be provided");
    let kv = client.leader(name()).await.expect("a leader").into_inner().kv.expect("a key-value");
    assert_eq!((&kv.key[..], &kv.value[..]), (&b"vote/2"[..], &b"two"[..]));
}

#[test]
fn etcdctl_holds_a_lock_for_a_command() {
    let cluster = Cluster::start(&Plan::loopback(3));
    let etcdctl = Etcdctl::newest().with_endpoints(&cluster.advertised_urls());
    let shown = etcdctl.succeed(&["lock", "mine", "printenv", "ETCD_LOCK_KEY"]);
    let lease = shown.trim_end().strip_prefix("mine/").expect("the key of the lock");
    assert!(i64::from_str_radix(lease, 16).is_ok_and(|lease| lease > 0), "{shown}");
    assert_eq!(etcdctl.succeed(&["get", "mine/", "--prefix"]), "", "it was unlocked");
}
