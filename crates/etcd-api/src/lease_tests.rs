//! The service Lease on one member.

use std::time::Duration;

use etcd_proto::etcdserverpb::{
    LeaseGrantRequest, LeaseKeepAliveRequest, LeaseKeepAliveResponse, LeaseLeasesRequest,
    LeaseRevokeRequest, LeaseTimeToLiveRequest, PutRequest,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status, Streaming};

use crate::harness::{CLUSTER, Harness, MEMBER, Start, get, leases as options, put};
use crate::lease_leader::Word;
use crate::{Api, LeaseOptions, Leases, Limits};

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(20);

async fn grant(harness: &Harness, id: i64, ttl: i64) -> Result<(i64, i64), Status> {
    let response = harness.lease().lease_grant(LeaseGrantRequest { ttl, id }).await?.into_inner();
    let header = response.header.expect("a header");
    assert_eq!((header.cluster_id, header.member_id), (CLUSTER.0, MEMBER.0));
    assert_eq!((header.revision, response.error.as_str()), (harness.views.mvcc.revision(), ""));
    Ok((response.id, response.ttl))
}

async fn put_leased(harness: &Harness, key: &'static str, lease: i64) {
    let request = PutRequest { lease, ..put(key, "1") };
    harness.kv().put(request).await.expect("a put");
}

/// What is left, what was granted, and the keys.
async fn time_to_live(harness: &Harness, id: i64) -> (i64, i64, Vec<bytes::Bytes>) {
    let request = LeaseTimeToLiveRequest { id, keys: true };
    let response = harness.lease().lease_time_to_live(request).await.expect("an answer");
    let response = response.into_inner();
    assert_eq!(response.id, id);
    assert_eq!(response.header.expect("a header").revision, harness.views.mvcc.revision());
    (response.ttl, response.granted_ttl, response.keys)
}

fn refused<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.expect_err("a refusal");
    (status.code(), status.message().to_owned())
}

/// A stream of renewals.
struct KeepAlive {
    requests: mpsc::Sender<LeaseKeepAliveRequest>,
    responses: Streaming<LeaseKeepAliveResponse>,
}

impl KeepAlive {
    async fn open(harness: &Harness) -> KeepAlive {
        let (requests, stream) = mpsc::channel(4);
        let responses = harness.lease().lease_keep_alive(ReceiverStream::new(stream)).await;
        KeepAlive { requests, responses: responses.expect("a stream").into_inner() }
    }

    async fn ask(&self, id: i64) {
        self.requests.send(LeaseKeepAliveRequest { id }).await.expect("the stream is open");
    }

    async fn answer(&mut self) -> Result<Option<LeaseKeepAliveResponse>, Status> {
        let answer = tokio::time::timeout(LIMIT, self.responses.message()).await;
        answer.expect("an answer in time")
    }

    async fn renew(&mut self, id: i64) -> i64 {
        self.ask(id).await;
        let response = self.answer().await.expect("an answer").expect("an open stream");
        assert_eq!(response.id, id);
        assert_eq!(response.header.expect("a header").member_id, MEMBER.0);
        response.ttl
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_chooses_an_id_and_raises_the_time_to_the_least() {
    let harness = Harness::alone().await;
    assert_eq!(grant(&harness, 7, 10).await.expect("a lease"), (7, 10));
    assert_eq!(grant(&harness, -7, -5).await.expect("a lease"), (-7, 2));
    let (first, ttl) = grant(&harness, 0, 0).await.expect("a lease");
    let (second, _) = grant(&harness, 0, 1).await.expect("a lease");
    assert!(first > 0 && ttl == 2, "{first} {ttl}");
    assert_eq!(second, first + 1);
    assert_eq!(first >> 48, (MEMBER.0 & 0x7fff) as i64);
    let refusal = refused(grant(&harness, 7, 10).await);
    assert_eq!(refusal, (Code::FailedPrecondition, "etcdserver: lease already exists".to_owned()));
    let refusal = refused(grant(&harness, 7, 9_000_000_001).await);
    assert_eq!(refusal, (Code::OutOfRange, "etcdserver: too large lease TTL".to_owned()));
    assert_eq!(grant(&harness, 9, 9_000_000_000).await.expect("a lease"), (9, 9_000_000_000));
    let listed = harness.lease().lease_leases(LeaseLeasesRequest {}).await.expect("a list");
    let ids: Vec<i64> = listed.into_inner().leases.into_iter().map(|lease| lease.id).collect();
    assert_eq!(ids.len(), 5);
    assert_eq!(ids[4], 9, "the one that lives longest");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_lease_is_gone_with_its_keys() {
    let harness = Harness::alone().await;
    grant(&harness, 7, 60).await.expect("a lease");
    put_leased(&harness, "b", 7).await;
    put_leased(&harness, "a", 7).await;
    let (left, granted, keys) = time_to_live(&harness, 7).await;
    assert!((58..60).contains(&left), "{left}");
    assert_eq!((granted, keys), (60, vec!["a".into(), "b".into()]));
    let revoked = harness.lease().lease_revoke(LeaseRevokeRequest { id: 7 }).await;
    assert_eq!(revoked.expect("revoked").into_inner().header.expect("a header").revision, 4);
    assert_eq!(harness.kv().range(get("a")).await.expect("a range").into_inner().count, 0);
    assert_eq!(time_to_live(&harness, 7).await, (-1, 0, vec![]));
    let again = harness.lease().lease_revoke(LeaseRevokeRequest { id: 7 }).await;
    let text = "etcdserver: requested lease not found".to_owned();
    assert_eq!(refused(again), (Code::NotFound, text.clone()));
    let orphan = harness.kv().put(PutRequest { lease: 7, ..put("a", "1") }).await;
    assert_eq!(refused(orphan), (Code::NotFound, text));
}

#[tokio::test(flavor = "multi_thread")]
async fn renewals_are_answered_in_order_and_end_with_the_requests() {
    let harness = Harness::alone().await;
    grant(&harness, 7, 60).await.expect("a lease");
    grant(&harness, 8, 70).await.expect("a lease");
    let mut stream = KeepAlive::open(&harness).await;
    for id in [8, 1, 7, 8] {
        stream.ask(id).await;
    }
    for expected in [(8, 70), (1, 0), (7, 60), (8, 70)] {
        let response = stream.answer().await.expect("an answer").expect("an open stream");
        assert_eq!((response.id, response.ttl), expected);
    }
    let KeepAlive { requests, mut responses } = stream;
    drop(requests);
    assert_eq!(responses.message().await.expect("no error"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_expires_with_its_keys_unless_it_is_renewed() {
    let harness = Harness::alone().await;
    harness.run_expiry();
    grant(&harness, 7, 2).await.expect("a lease");
    grant(&harness, 8, 2).await.expect("a lease");
    for (key, lease) in [("lost-1", 7), ("lost-2", 7), ("kept", 8)] {
        put_leased(&harness, key, lease).await;
    }
    let mut stream = KeepAlive::open(&harness).await;
    let gone = async {
        while harness.views.lessor.contains(7) {
            assert_eq!(stream.renew(8).await, 2);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let begun = std::time::Instant::now();
    tokio::time::timeout(LIMIT, gone).await.expect("it expires");
    assert!(begun.elapsed() > Duration::from_millis(1500), "not before its time");
    assert_eq!(harness.kv().range(get("lost-1")).await.expect("a range").into_inner().count, 0);
    let kept = harness.kv().range(get("kept")).await.expect("a range").into_inner();
    assert_eq!((kept.count, kept.header.expect("a header").revision), (1, 5));
    assert_eq!(stream.renew(7).await, 0, "too late");
    assert_eq!(stream.renew(8).await, 2, "the stream goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn renewing_an_expired_lease_waits_until_it_is_revoked() {
    let harness = Harness::alone().await;
    // Nobody revokes anything here.
    grant(&harness, 7, 2).await.expect("a lease");
    put_leased(&harness, "a", 7).await;
    let mut stream = KeepAlive::open(&harness).await;
    assert_eq!(stream.renew(7).await, 2);
    let expired = async {
        while time_to_live(&harness, 7).await.0 > 0 || {
            // Rounded towards zero, less than a second is none.
            harness.views.lessor.due(1, LIMIT).ids.is_empty()
        } {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, expired).await.expect("it expires");
    stream.ask(7).await;
    let early = tokio::time::timeout(Duration::from_millis(200), stream.responses.message()).await;
    assert!(early.is_err(), "it waits: {early:?}");
    harness.lease().lease_revoke(LeaseRevokeRequest { id: 7 }).await.expect("revoked");
    let response = stream.answer().await.expect("an answer").expect("an open stream");
    assert_eq!(response.ttl, 0);
    // The answer is for a revision at which the keys were there.
    assert_eq!(response.header.expect("a header").revision, 2);
    assert_eq!(harness.views.mvcc.revision(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mass_of_leases_that_end_at_once_is_revoked_in_rounds() {
    let harness = Harness::alone().await;
    let granted = (1..=1200).map(|id| grant(&harness, id, 2));
    for granted in futures_util::future::join_all(granted).await {
        granted.expect("a lease");
    }
    let lessor = &harness.views.lessor;
    // Rounded towards zero, even what has expired has none left for a second.
    let has_time = |id: &i64| lessor.time_to_live(*id).expect("it is there").left_seconds >= 0;
    let expired = async {
        while lessor.ids().iter().any(has_time) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, expired).await.expect("they expire");
    let mut rounds = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..4 {
        let due = harness.api.expired_leases().await.ids;
        rounds.push(due.len());
        seen.extend(due);
    }
    // Each of them once, as long as its revocation may be under way.
    assert_eq!((rounds, seen.len()), (vec![500, 500, 200, 0], 1200));
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_that_are_renewed_together_are_those_of_which_all_is_known() {
    let harness = Harness::alone().await;
    for (id, ttl) in [(7, 60), (8, 70), (9, 2)] {
        grant(&harness, id, ttl).await.expect("a lease");
    }
    let expired = async {
        while harness.views.lessor.due(1, LIMIT).ids.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, expired).await.expect("it expires");
    assert!(time_to_live(&harness, 8).await.0 < 69);
    // One is there no more and one was never; whoever asks for these waits, and alone.
    let renewed = |api: &Api| match api.renew_leases_here(&[8, 9, 10, 7, 8]) {
        Word::Known(ttls) => Some(ttls),
        Word::Gone | Word::NotPrimary => None,
    };
    assert_eq!(renewed(&harness.api), Some(vec![70, 0, 0, 60, 70]));
    assert_eq!(time_to_live(&harness, 8).await.0, 69, "just below 70");

    // Here a renewal first waits for what is committed, or takes a note back.
    for (checkpoint, fast_keep_alive) in [(true, true), (false, false)] {
        let options = LeaseOptions { checkpoint, fast_keep_alive, ..options() };
        let api = Api { leases: Leases::new(MEMBER, options), ..harness.api.clone() };
        assert_eq!(renewed(&api), Some(vec![0; 5]));
    }

    let harness = Harness::start(Start::Leaderless, Limits::default()).await;
    assert_eq!(renewed(&harness.api), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_leader_nobody_knows_of_leases() {
    let limits = Limits { request_timeout: Duration::from_millis(300), ..Limits::default() };
    let harness = Harness::start(Start::Leaderless, limits).await;
    let mut stream = KeepAlive::open(&harness).await;
    stream.ask(7).await;
    let no_leader = (Code::Unavailable, "etcdserver: no leader".to_owned());
    assert_eq!(refused(stream.answer().await), no_leader);
    assert_eq!(stream.answer().await.expect("the end"), None);
    let request = LeaseTimeToLiveRequest { id: 7, keys: false };
    assert_eq!(refused(harness.lease().lease_time_to_live(request).await), no_leader);
    let listed = harness.lease().lease_leases(LeaseLeasesRequest {}).await.expect("a list");
    assert_eq!(listed.into_inner().leases, []);
    let late = (Code::DeadlineExceeded, "context deadline exceeded".to_owned());
    assert_eq!(refused(grant(&harness, 7, 10).await), late);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_needs_a_leader_ends_without_one() {
    let harness = Harness::start(Start::Leaderless, Limits::default()).await;
    let (_requests, stream) = mpsc::channel(1);
    let mut request = Request::new(ReceiverStream::<LeaseKeepAliveRequest>::new(stream));
    request.metadata_mut().insert("hasleader", "true".parse().expect("ASCII"));
    let refusal = refused(harness.lease().lease_keep_alive(request).await);
    assert_eq!(refusal, (Code::Unavailable, "etcdserver: no leader".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_when_the_member_stops() {
    let harness = Harness::alone().await;
    let mut stream = KeepAlive::open(&harness).await;
    assert_eq!(stream.renew(7).await, 0);
    harness.stopping.stop();
    let stopped = (Code::Unavailable, "etcdserver: server stopped".to_owned());
    assert_eq!(refused(stream.answer().await), stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_lease_has_its_whole_time_for_the_next_leader_too() {
    let harness = Harness::alone().await;
    grant(&harness, 7, 1000).await.expect("a lease");
    let options = LeaseOptions { checkpoint: true, fast_keep_alive: false, ..options() };
    let api = Api { leases: Leases::new(MEMBER, options), ..harness.api.clone() };
    let lessor = &harness.views.lessor;
    api.checkpoint_leases(vec![(7, 400), (8, 1)]).await.expect("noted");
    assert_eq!(lessor.remaining_at_checkpoint(7), 400);
    let left = time_to_live(&harness, 7).await.0;
    assert!(left > 900, "what is left here is not touched: {left}");
    assert_eq!(api.renew_lease(7).await, Ok(1000));
    assert_eq!(lessor.remaining_at_checkpoint(7), 0);
    assert_eq!(api.renew_lease(8).await, Ok(0));
}
