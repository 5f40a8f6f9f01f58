//! What clients are told while there is no leader, or no quorum behind it: code and text.

use etcd_proto::etcdserverpb as pb;
use etcd_tests::cluster::eventually;
use etcd_tests::process::server_is_ours;
use etcd_tests::{Cluster, Network, Plan, Signal};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use pb::kv_client::KvClient;
use pb::lease_client::LeaseClient;
use pb::maintenance_client::MaintenanceClient;
use pb::watch_client::WatchClient;
use std::fmt;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tonic::{Request, Status};

/// A member notices that its leader is gone within this time.
const NOTICED: Duration = Duration::from_secs(10);
/// A server gives up by itself after seven seconds: between these two.
const GIVEN_UP: std::ops::Range<Duration> = Duration::from_millis(6500)..Duration::from_secs(10);
/// What needs no waiting is answered within this time.
const AT_ONCE: Duration = Duration::from_secs(2);
/// A new leader is there within this time.
const ELECTED: Duration = Duration::from_secs(6);

const OK: &str = "ok";
const NO_LEADER: &str = "Unavailable: etcdserver: no leader";
const LEADER_CHANGED: &str = "Unavailable: etcdserver: leader changed";
const STOPPED: &str = "Unavailable: etcdserver: server stopped";
const TIMED_OUT: &str = "Unavailable: etcdserver: request timed out";
const LEADER_FAILED: &str =
    "Unavailable: etcdserver: request timed out, possibly due to previous leader failure";
const CONNECTION_LOST: &str =
    "Unavailable: etcdserver: request timed out, possibly due to connection lost";
const DEADLINE: &str = "DeadlineExceeded: context deadline exceeded";
const DROPPED: &str = "Unknown: raft proposal dropped";

/// A client without a clock of its own, and without a library's words in place of the server's.
type Connection = Client<HttpConnector, tonic::body::Body>;

fn connection() -> Connection {
    Client::builder(TokioExecutor::new()).http2_only(true).build_http()
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A request for the key that all these tests use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Put,
    Get,
    SerializableGet,
}

/// What is sent along with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Along {
    Nothing,
    /// `hasleader`.
    LeaderRequired,
}

impl Along {
    fn with<T>(self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if self == Along::LeaderRequired {
            request.metadata_mut().insert("hasleader", "true".parse().expect("ASCII"));
        }
        request
    }
}

/// What a client is told, and after how long.
struct Answer {
    ask: Ask,
    text: String,
    took: Duration,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {:?} after {:?}", self.ask, self.text, self.took)
    }
}

impl Answer {
    #[track_caller]
    fn is(&self, text: &str, took: std::ops::Range<Duration>) {
        assert!(
            self.text == text && took.contains(&self.took),
            "{self:?}, not {text:?} in {took:?}"
        );
    }

    #[track_caller]
    fn is_at_once(&self, text: &str) {
        self.is(text, Duration::ZERO..AT_ONCE);
    }
}

fn told<T>(result: Result<T, Status>) -> String {
    match result {
        Ok(_) => OK.to_owned(),
        Err(status) => format!("{:?}: {}", status.code(), status.message()),
    }
}

async fn ask(url: &str, connection: Connection, ask: Ask, along: Along) -> Answer {
    let origin = url.parse().expect("a URL");
    let mut client = KvClient::with_origin(connection, origin);
    let begun = Instant::now();
    let key = bytes::Bytes::from_static(b"key");
    let get =
        |serializable| pb::RangeRequest { key: key.clone(), serializable, ..Default::default() };
    let text = match ask {
        Ask::Put => {
            let put = pb::PutRequest { key, value: "new".into(), ..Default::default() };
            told(client.put(along.with(put)).await)
        }
        Ask::Get => told(client.range(along.with(get(false))).await),
        Ask::SerializableGet => told(client.range(along.with(get(true))).await),
    };
    Answer { ask, text, took: begun.elapsed() }
}

/// Asks for all three at the same time: a put, a read, a serializable read.
async fn ask_all(url: &str, along: Along) -> [Answer; 3] {
    let connection = connection();
    let one = |what| ask(url, connection.clone(), what, along);
    tokio::join!(one(Ask::Put), one(Ask::Get), one(Ask::SerializableGet)).into()
}

/// Waits until a member knows that it has no leader.
#[track_caller]
fn wait_until_leaderless(cluster: &Cluster, at: usize) {
    let client = cluster.members[at].client();
    eventually(NOTICED, "the member knows that there is no leader", || {
        client.status().ok().filter(|status| status.leader == 0)
    });
}

/// What a member answers that has known for long that there is no leader.
#[track_caller]
fn check_leaderless(url: &str) {
    runtime().block_on(async {
        let (patient, required) =
            tokio::join!(ask_all(url, Along::Nothing), ask_all(url, Along::LeaderRequired));
        patient[0].is(DEADLINE, GIVEN_UP);
        patient[1].is(TIMED_OUT, GIVEN_UP);
        patient[2].is_at_once(OK);
        for answer in required {
            answer.is_at_once(NO_LEADER);
        }
    });
}

#[test]
fn a_leader_without_its_followers_takes_puts_until_it_notices_and_none_after() {
    let mut cluster = Cluster::start(&Plan::loopback(3));
    let leader = cluster.leader();
    let url = cluster.members[leader].client_url.clone();
    // The connections to both followers stand.
    cluster.members[leader].client().put("key", "old").expect("a healthy cluster");
    for follower in [(leader + 1) % 3, (leader + 2) % 3] {
        cluster.members[follower].end(Signal::KILL);
    }
    let [put, get, serializable] = runtime().block_on(ask_all(&url, Along::Nothing));
    put.is(TIMED_OUT, GIVEN_UP);
    get.is(TIMED_OUT, GIVEN_UP);
    serializable.is_at_once(OK);
    wait_until_leaderless(&cluster, leader);
    check_leaderless(&url);
}

#[test]
fn a_follower_that_is_left_alone_says_what_is_missing() {
    let mut cluster = Cluster::start(&Plan::loopback(3));
    let leader = cluster.leader();
    let follower = (leader + 1) % 3;
    let url = cluster.members[follower].client_url.clone();
    cluster.members[(leader + 2) % 3].end(Signal::KILL);
    cluster.members[leader].end(Signal::KILL);
    let [put, get, serializable] = runtime().block_on(ask_all(&url, Along::Nothing));
    put.is(TIMED_OUT, GIVEN_UP);
    get.is(TIMED_OUT, GIVEN_UP);
    serializable.is_at_once(OK);
    wait_until_leaderless(&cluster, follower);
    check_leaderless(&url);
}

#[test]
fn a_leader_cut_off_from_its_quorum_says_what_is_missing_and_follows_again() {
    let cluster = Cluster::start(&Plan::namespaces());
    let network = cluster.network.as_ref().expect("the members have namespaces");
    let leader = cluster.leader();
    network.cut(leader);
    let (namespace, url) = (network.name(leader).to_owned(), "http://127.0.0.1:2379");
    // The cut does not keep this thread from asking.
    let beside = std::thread::spawn(move || {
        Network::enter(&namespace);
        let [put, get, serializable] = runtime().block_on(ask_all(url, Along::Nothing));
        put.is(TIMED_OUT, GIVEN_UP);
        get.is(TIMED_OUT, GIVEN_UP);
        serializable.is_at_once(OK);
        check_leaderless(url);
    });
    beside.join().expect("as etcd answers");
    network.mend(leader);
    let url = &cluster.members[leader].client_url;
    eventually(NOTICED, "the old leader follows again", || {
        let answers = runtime().block_on(ask_all(url, Along::LeaderRequired));
        answers.iter().all(|answer| answer.text == OK).then_some(())
    });
}

/// Two followers are asked at once when their leader is gone: reads learn of the next leader.
#[track_caller]
fn check_followers(urls: &[String; 2]) -> [String; 2] {
    let answers = runtime().block_on(async {
        tokio::join!(ask_all(&urls[0], Along::Nothing), ask_all(&urls[1], Along::Nothing))
    });
    [answers.0, answers.1].map(|[put, get, serializable]| {
        get.is(LEADER_CHANGED, Duration::ZERO..ELECTED);
        serializable.is_at_once(OK);
        put.text
    })
}

#[test]
fn followers_of_a_killed_leader_tell_readers_that_it_changed() {
    let mut cluster = Cluster::start(&Plan::loopback(3));
    let leader = cluster.leader();
    let urls = [1, 2].map(|step| cluster.members[(leader + step) % 3].client_url.clone());
    cluster.members[leader].end(Signal::KILL);
    for put in check_followers(&urls) {
        // etcd loses a put that was on its way to the old leader. One that did not leave the
        // member may as well reach the new one.
        assert!([OK, TIMED_OUT, LEADER_FAILED, CONNECTION_LOST].contains(&&*put), "{put}");
    }
}

#[test]
fn followers_of_a_paused_leader_neither_lose_track_nor_put_twice() {
    let cluster = Cluster::start(&Plan::loopback(3));
    let leader = cluster.leader();
    let followers = [1, 2].map(|step| (leader + step) % 3);
    let urls = followers.map(|at| cluster.members[at].client_url.clone());
    for at in followers {
        // Its connection to the leader stands, and carries what comes next.
        cluster.members[at].client().put("key", "old").expect("a healthy cluster");
    }
    cluster.members[leader].process().signal(Signal::STOP);
    let puts = check_followers(&urls);
    let next = followers.iter().position(|&at| cluster.members[at].role().is_ok_and(|(_, is)| is));
    let next = next.expect("one of the two leads now");
    // The connection of the other one to the new leader stood all the time.
    assert_eq!(puts[1 - next], TIMED_OUT);
    // An election takes two seconds at most, unless the votes were split.
    assert!([LEADER_FAILED, TIMED_OUT].contains(&&*puts[next]), "{puts:?}");

    cluster.members[leader].process().signal(Signal::CONT);
    let url = &cluster.members[leader].client_url;
    // Two puts before, and two that timed out: each took effect once or never.
    let mut attempts = 4;
    eventually(NOTICED, "the old leader follows", || {
        attempts += 1;
        let [put, get, _] = runtime().block_on(ask_all(url, Along::Nothing));
        (put.text == OK && get.text == OK).then_some(())
    });
    cluster.wait_until_level();
    for member in &cluster.members {
        let there = member.client().get_prefix("key").expect("a serializable read");
        assert!((3..=attempts).contains(&there[0].version), "{there:?} after {attempts} puts");
    }
}

#[test]
fn streams_that_require_a_leader_end_without_one_and_others_stay() {
    let mut cluster = Cluster::start(&Plan::loopback(3));
    let leader = cluster.leader();
    let follower = (leader + 1) % 3;
    let url: http::Uri = cluster.members[follower].client_url.parse().expect("a URL");
    runtime().block_on(async {
        let mut leases = LeaseClient::with_origin(connection(), url.clone());
        let granted = leases.lease_grant(pb::LeaseGrantRequest { ttl: 3600, id: 0 }).await;
        let id = granted.expect("a healthy cluster").into_inner().id;
        let mut watches = WatchClient::with_origin(connection(), url.clone());
        let create = pb::WatchCreateRequest { key: "key".into(), ..Default::default() };
        let create = pb::watch_request::RequestUnion::CreateRequest(create);
        let create = pb::WatchRequest { request_union: Some(create) };
        let open = |message| {
            tokio_stream::StreamExt::chain(tokio_stream::once(message), tokio_stream::pending())
        };

        let watch = watches.watch(Along::LeaderRequired.with(open(create.clone()))).await;
        let mut watch = watch.expect("there is a leader").into_inner();
        watch.message().await.expect("it is created").expect("it is created");
        let other = watches.watch(Along::Nothing.with(open(create.clone()))).await;
        let mut other = other.expect("there is a leader").into_inner();
        other.message().await.expect("it is created").expect("it is created");
        let keep = pb::LeaseKeepAliveRequest { id };
        let forever =
            tokio_stream::StreamExt::chain(tokio_stream::once(keep), tokio_stream::pending());
        let kept = leases.lease_keep_alive(Along::LeaderRequired.with(forever)).await;
        let mut kept = kept.expect("there is a leader").into_inner();
        kept.message().await.expect("it is kept").expect("it is kept");

        for lost in [leader, (leader + 2) % 3] {
            cluster.members[lost].end(Signal::KILL);
        }
        let begun = Instant::now();
        let (watch, kept) = tokio::join!(watch.message(), kept.message());
        let took = begun.elapsed();
        assert_eq!((told(watch).as_str(), told(kept).as_str()), (NO_LEADER, NO_LEADER));
        assert!((Duration::from_millis(2500)..NOTICED).contains(&took), "after {took:?}");
        let still = tokio::time::timeout(AT_ONCE, other.message()).await;
        assert!(still.is_err(), "a stream that requires no leader stays open: {still:?}");

        let refused = watches.watch(Along::LeaderRequired.with(open(create.clone()))).await;
        assert_eq!(told(refused), NO_LEADER);
    });
}

#[test]
fn requests_under_way_are_answered_when_a_member_stops() {
    let mut cluster = Cluster::start(&Plan::loopback(3));
    let leader = cluster.leader();
    let follower = (leader + 1) % 3;
    let url = cluster.members[follower].client_url.clone();
    for lost in [leader, (leader + 2) % 3] {
        cluster.members[lost].end(Signal::KILL);
    }
    wait_until_leaderless(&cluster, follower);
    runtime().block_on(async {
        let connection = connection();
        let one = |what, along| {
            let (url, connection) = (url.clone(), connection.clone());
            tokio::spawn(async move { ask(&url, connection, what, along).await })
        };
        // The connection is there before the others use it.
        one(Ask::SerializableGet, Along::Nothing).await.expect("no panic").is_at_once(OK);
        let (put, get) = (one(Ask::Put, Along::Nothing), one(Ask::Get, Along::Nothing));
        // This one is answered after the two before it have arrived.
        one(Ask::SerializableGet, Along::Nothing).await.expect("no panic").is_at_once(OK);
        cluster.members[follower].process().signal(Signal::TERM);
        let (put, get) = tokio::join!(put, get);
        let (put, get) = (put.expect("no panic"), get.expect("no panic"));
        if server_is_ours() {
            put.is_at_once(STOPPED);
            get.is_at_once(STOPPED);
        } else {
            // etcd waits for them as long as they may take: they run out of time, or it does.
            assert!(put.text != OK && get.text != OK, "{put:?}, {get:?}");
        }
    });
    cluster.members[follower].take_process().wait_for_exit(NOTICED);
}

#[test]
fn a_leader_that_hands_over_to_a_member_that_does_not_answer_drops_puts() {
    let cluster = Cluster::start(&Plan::loopback(3));
    let leader = cluster.leader();
    let target = (leader + 1) % 3;
    let (target_id, _) = cluster.members[target].role().expect("an id");
    let (leader_id, _) = cluster.members[leader].role().expect("an id");
    let url = cluster.members[leader].client_url.clone();
    cluster.members[target].process().signal(Signal::STOP);
    runtime().block_on(async {
        let origin = url.parse().expect("a URL");
        let mut maintenance = MaintenanceClient::with_origin(connection(), origin);
        let mut asking = maintenance.clone();
        let moving = maintenance.move_leader(pb::MoveLeaderRequest { target_id });
        let putting = async {
            let connection = connection();
            let begun = Instant::now();
            loop {
                let put = ask(&url, connection.clone(), Ask::Put, Along::Nothing).await;
                if put.text == DROPPED {
                    return;
                }
                // It has not begun yet; or another member was faster, and takes puts.
                assert_eq!(put.text, OK);
                let status = asking.status(pb::StatusRequest {}).await.expect("its status");
                if status.get_ref().leader != leader_id {
                    return;
                }
                assert!(begun.elapsed() < NOTICED, "it never began");
            }
        };
        tokio::select! {
            moved = moving => panic!("the target does not answer: {}", told(moved)),
            () = putting => {}
        }
    });
    cluster.members[target].process().signal(Signal::CONT);
}
