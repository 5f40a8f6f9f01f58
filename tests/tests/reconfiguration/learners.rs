//! Learners: added, in sync, promoted.

use crate::newcomer;
use etcd_tests::client::Consistency;
use etcd_tests::cluster::eventually;
use etcd_tests::{Cluster, History, Plan, Signal, web};
use std::time::Duration;
use tonic::Code;

const PATIENCE: Duration = Duration::from_secs(30);
const PREFIX: &str = "learners/";
const NOT_READY: &str =
    "etcdserver: can only promote a learner member which is in sync with leader";
const NOT_SUPPORTED: &str = "etcdserver: rpc not supported for learner";

#[test]
fn a_learner_is_promoted_once_it_is_in_sync_whatever_happens_to_it_before() {
    let mut cluster = Cluster::start(&Plan::loopback(3));
    let history = History::start(&cluster.client_urls(), 4, PREFIX);
    history.wait_for_more(200, PATIENCE);
    let leader = cluster.leader();
    let follower = (leader + 1) % 3;
    let at = newcomer::prepare(&mut cluster, "m4");
    let id = newcomer::add_learner(&mut cluster, follower, at);
    for by in [leader, follower] {
        let failure = cluster.members[by].client().promote_member(id).expect_err("not started");
        assert_eq!((failure.code, &*failure.message), (Code::FailedPrecondition, NOT_READY));
    }
    let second = cluster.members[leader].client().add_learner("http://127.0.0.1:9");
    let failure = second.expect_err("one learns already");
    assert_eq!(failure.message, "etcdserver: too many learner members in cluster");

    cluster.members[at].start();
    cluster.members[at].wait_until_ready();
    cluster.members[at].end(Signal::KILL);
    history.wait_for_more(200, PATIENCE);
    newcomer::start(&mut cluster, at);
    check_learner(&cluster, at);

    let client = cluster.members[follower].client();
    let response = eventually(PATIENCE, "a learner in sync", || match client.promote_member(id) {
        Ok(response) => Some(response),
        Err(failure) => {
            assert_eq!((failure.code, &*failure.message), (Code::FailedPrecondition, NOT_READY));
            None
        }
    });
    assert!(response.members.iter().all(|member| !member.is_learner));
    let failure = client.promote_member(id).expect_err("it is none any more");
    assert_eq!(failure.message, "etcdserver: can only promote a learner member");
    // It serves and decides like any other.
    let served = cluster.members[at].client();
    eventually(PATIENCE, "a put through the new voter", || served.put("a", "1").ok());
    let record = history.finish();
    cluster.wait_until_level();
    for member in &cluster.members {
        let there = member.client().get_prefix(PREFIX).expect("a serializable read");
        record.check(&member.name, &there);
    }
}

/// It says who it is and what it has, and nothing else.
fn check_learner(cluster: &Cluster, at: usize) {
    let client = cluster.members[at].client();
    let status = eventually(PATIENCE, "a learner", || {
        client.status().ok().filter(|status| status.is_learner)
    });
    assert!(status.leader != 0);
    client.get("a", Consistency::Serializable).expect("its own state");
    for (path, status) in [("/health", 200), ("/livez", 200), ("/readyz", 503)] {
        let url = format!("{}{path}", cluster.members[at].client_url);
        let answer = web::ask("GET", &url, &[]).expect("an answer");
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert_eq!(answer.body.contains("[-]non_learner"), status == 503, "{path}: {answer:?}");
    }
    let refusals = [
        client.get("a", Consistency::Linearizable).map(drop),
        client.put("a", "1").map(drop),
        client.members().map(drop),
        client.add_learner("http://127.0.0.1:9").map(drop),
    ];
    for refused in refusals {
        let failure = refused.expect_err("it is a learner");
        assert_eq!((failure.code, &*failure.message), (Code::FailedPrecondition, NOT_SUPPORTED));
    }
}

#[test]
fn a_learner_has_no_part_in_decisions() {
    let mut cluster = Cluster::start(&Plan::loopback(1));
    let at = newcomer::prepare(&mut cluster, "m2");
    let id = newcomer::add_learner(&mut cluster, 0, at);
    newcomer::start(&mut cluster, at);
    let client = cluster.members[0].client();
    cluster.members[at].end(Signal::KILL);
    client.put("a", "1").expect("a learner is not needed");
    client.remove_member(id).expect("it goes without a question");
    // Started again, it is told.
    cluster.members[at].start();
    let status = cluster.members[at].take_process().wait_for_exit(PATIENCE);
    // etcd ends with one status or the other, by chance.
    assert!(matches!(status.code(), Some(0 | 1)), "it ends by itself: {status}");
}
