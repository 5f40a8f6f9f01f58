//! Members that may not join, and are told why.

use crate::newcomer;
use etcd_tests::{Cluster, Plan, ports, process};
use std::fs;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// Starts a member that is refused, and checks that it ends and says why.
#[track_caller]
fn check_refused(cluster: &mut Cluster, at: usize, why: &str) {
    cluster.members[at].start();
    let mut process = cluster.members[at].take_process();
    process.wait_for_line(why, PATIENCE);
    let status = process.wait_for_exit(PATIENCE);
    assert!(!status.success(), "{status}");
}

#[test]
fn who_is_told_of_another_cluster_than_there_is_does_not_join_it() {
    let mut cluster = Cluster::start(&Plan::loopback(1));
    let at = newcomer::prepare(&mut cluster, "m2");
    let (first, second) =
        (cluster.members[0].peer_url.clone(), cluster.members[at].peer_url.clone());

    newcomer::configure(&mut cluster, at, &format!("m1={first},m2={second}"));
    check_refused(&mut cluster, at, "member count is unequal");

    let nobody = format!("http://127.0.0.1:{}", ports::free());
    newcomer::configure(&mut cluster, at, &format!("m1={nobody},m2={second}"));
    let why = "could not retrieve cluster information from the given URLs";
    check_refused(&mut cluster, at, why);

    newcomer::configure(&mut cluster, at, &format!("m1={first},m3={second}"));
    check_refused(&mut cluster, at, "couldn't find local name");

    newcomer::add(&mut cluster, 0, at);
    let right = cluster.members[at].arguments.clone();
    let elsewhere = format!("http://127.0.0.1:{}", ports::free());
    cluster.members[at].peer_url.clone_from(&elsewhere);
    newcomer::configure(&mut cluster, at, &format!("m1={first},m2={elsewhere}"));
    check_refused(&mut cluster, at, "no match found for existing member");

    // None of this has left anything behind.
    cluster.members[at].peer_url = second;
    cluster.members[at].arguments = right;
    newcomer::start(&mut cluster, at);
    cluster.members[at].client().put("a", "1").expect("it serves");
}

/// A member that forgot what it promised must not take part again under the same id. etcd lets it in,
/// and it dies once the leader sends what it should have.
#[test]
fn who_lost_its_data_does_not_come_back_under_its_id() {
    if !process::server_is_ours() {
        return;
    }
    let mut cluster = Cluster::start(&Plan::loopback(1));
    let at = newcomer::prepare(&mut cluster, "m2");
    newcomer::add(&mut cluster, 0, at);
    newcomer::start(&mut cluster, at);
    cluster.members[at].end(etcd_tests::Signal::KILL);
    fs::remove_dir_all(&cluster.members[at].data_dir).expect("its data");
    check_refused(&mut cluster, at, "has already been bootstrapped");
}
