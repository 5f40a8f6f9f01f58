//! The leader dies and the cluster goes on.

use etcd_tests::cluster::eventually;
use etcd_tests::{Client, Cluster, Failure, History, Plan, Signal};
use std::time::{Duration, Instant};
use tonic::Code;

/// A put through another member succeeds within this time of the leader's death.
const LIMIT: Duration = Duration::from_secs(3);

/// One attempt; a put that was on its way to the dead leader is not answered.
const ATTEMPT: Duration = Duration::from_millis(300);

const ROUNDS: usize = 4;

/// What etcd answers while a leader is lost, and nothing else.
const ETCD_FAILURES: &[(Code, &str)] = &[
    (Code::Unavailable, "etcdserver: no leader"),
    (Code::Unavailable, "etcdserver: leader changed"),
    (Code::Unavailable, "etcdserver: server stopped"),
    (Code::Unavailable, "etcdserver: request timed out"),
    (Code::Unavailable, "etcdserver: request timed out, possibly due to previous leader failure"),
    (Code::Unavailable, "etcdserver: request timed out, possibly due to connection lost"),
    (Code::DeadlineExceeded, "context deadline exceeded"),
    (Code::Cancelled, "etcdserver: request canceled"),
    (Code::Unknown, "raft proposal dropped"),
];

fn is_etcds(failure: &Failure) -> bool {
    let known = |(code, text): &(Code, &str)| failure.code == *code && failure.message == *text;
    ETCD_FAILURES.iter().any(known)
}

/// Puts through `client` until one succeeds, and returns when that was; every failure must be one
/// of etcd's, or this test's own patience.
fn first_success(client: &Client, begun: Instant) -> Duration {
    eventually(LIMIT, "a put through another member", || {
        match client.put("after", "the leader's death") {
            Ok(_) => Some(begun.elapsed()),
            Err(failure) => {
                let own = failure.message.starts_with("no answer within");
                assert!(own || is_etcds(&failure), "etcd does not answer so: {failure}");
                None
            }
        }
    })
}

#[test]
fn a_put_through_another_member_succeeds_soon_after_the_leader_was_killed() {
    let mut cluster = Cluster::start(&Plan::loopback(3));
    for _ in 0..ROUNDS {
        let leader = cluster.leader();
        let others = [(leader + 1) % 3, (leader + 2) % 3];
        let clients = others.map(|at| cluster.members[at].client().with_deadline(ATTEMPT));
        for client in &clients {
            client.put("before", "the leader's death").expect("a healthy cluster");
        }
        cluster.members[leader].end(Signal::KILL);
        let begun = Instant::now();
        for client in &clients {
            let took = first_success(client, begun);
            assert!(took < LIMIT, "the first put succeeded only after {took:?}");
        }
        cluster.members[leader].start();
        cluster.members[leader].wait_until_ready();
    }
}

#[test]
fn clients_of_the_other_members_see_only_etcds_failures_while_leaders_die() {
    let mut cluster = Cluster::start(&Plan::loopback(3));
    for _ in 0..2 {
        let leader = cluster.leader();
        let others = [(leader + 1) % 3, (leader + 2) % 3];
        let urls = others.map(|at| cluster.members[at].client_url.clone());
        let history = History::patient(&urls, 6, "failover/");
        history.wait_for_more(20, Duration::from_secs(10));
        cluster.members[leader].end(Signal::KILL);
        history.wait_for_more(20, Duration::from_secs(20));
        let record = history.finish();
        for (failure, after) in &record.failures {
            assert!(is_etcds(failure), "etcd does not answer so: {failure} ({after:?})");
        }
        cluster.start_all();
        let revision = cluster.wait_until_level();
        assert!(revision > 1);
        for member in &cluster.members {
            let there = member.client().get_prefix("failover/").expect("a serializable read");
            record.check(&member.name, &there);
        }
        let clean = cluster.members[leader].client();
        clean.delete_prefix("failover/").expect("a healthy cluster");
    }
}

#[test]
fn a_leader_that_is_told_to_stop_hands_over_without_a_gap() {
    let mut cluster = Cluster::start(&Plan::loopback(3));
    let leader = cluster.leader();
    let others = [(leader + 1) % 3, (leader + 2) % 3];
    let clients = others.map(|at| cluster.members[at].client().with_deadline(ATTEMPT));
    cluster.members[leader].process().signal(Signal::TERM);
    let begun = Instant::now();
    let took = clients.map(|client| first_success(&client, begun));
    let mut process = cluster.members[leader].take_process();
    process.wait_for_exit(Duration::from_secs(10));
    let slowest = took.into_iter().max().expect("two clients");
    // An election by timeout would take a second at least.
    assert!(slowest < Duration::from_millis(900), "the next put took {slowest:?}");
}
