//! Members that are gone: replaced, and turned away when they come back.

use crate::newcomer;
use etcd_tests::cluster::eventually;
use etcd_tests::{Cluster, Plan, Signal};
use std::time::Duration;
use tonic::Code;

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_dead_member_is_replaced_and_turned_away_when_it_comes_back() {
    let mut cluster = Cluster::start(&Plan::loopback(3));
    let dead = (cluster.leader() + 1) % 3;
    let by = (dead + 1) % 3;
    let id = newcomer::id(&cluster, dead);
    cluster.members[dead].end(Signal::KILL);
    let client = cluster.members[by].client();
    client.put("a", "1").expect("two of three serve");
    newcomer::once_healthy(|| client.remove_member(id));
    let failure = client.remove_member(id).expect_err("it is gone");
    assert_eq!((failure.code, &*failure.message), (Code::NotFound, "etcdserver: member not found"));

    let at = newcomer::prepare(&mut cluster, "m4");
    newcomer::add(&mut cluster, by, at);
    newcomer::start(&mut cluster, at);
    let back = cluster.members[at].client().get_prefix("a").expect("a serializable read");
    assert_eq!(back.len(), 1);

    // The dead one was told by nobody that it is removed.
    cluster.members[dead].start();
    let mut process = cluster.members[dead].take_process();
    process.wait_for_line("the member has been permanently removed from the cluster", PATIENCE);
    let status = process.wait_for_exit(PATIENCE);
    // etcd ends with one status or the other, by chance.
    assert!(matches!(status.code(), Some(0 | 1)), "it ends by itself: {status}");
    client.put("a", "2").expect("nobody was disturbed");
    cluster.members.remove(dead);
    cluster.wait_until_level();
}

#[test]
fn members_remove_themselves_whether_they_lead_or_not() {
    let mut cluster = Cluster::start(&Plan::loopback(3));
    let leader = cluster.leader();
    for at in [leader, 0] {
        let id = newcomer::id(&cluster, at);
        let client = cluster.members[at].client();
        let response = newcomer::once_healthy(|| client.remove_member(id));
        assert!(response.members.iter().all(|member| member.id != id));
        let status = cluster.members[at].take_process().wait_for_exit(PATIENCE);
        assert!(status.success(), "{status}");
        cluster.members.remove(at);
        eventually(PATIENCE, "a put through another", || {
            cluster.members[0].client().put("a", "1").ok()
        });
    }
    assert_eq!(newcomer::listed(&cluster, 0).len(), 1);
}

#[test]
fn the_last_started_voters_cannot_be_removed() {
    let mut cluster = Cluster::start(&Plan::loopback(1));
    let own = newcomer::id(&cluster, 0);
    let client = cluster.members[0].client();
    let text = "etcdserver: re-configuration failed due to not enough started members";
    let failure = client.remove_member(own).expect_err("the last one");
    assert_eq!((failure.code, &*failure.message), (Code::Unknown, text));
    let at = newcomer::prepare(&mut cluster, "m2");
    newcomer::add(&mut cluster, 0, at);
    let failure = client.add_member("http://127.0.0.1:9").expect_err("one has to start first");
    assert_eq!((failure.code, &*failure.message), (Code::Unknown, text));
    let failure = client.remove_member(own).expect_err("the only started one");
    assert_eq!((failure.code, &*failure.message), (Code::Unknown, text));
}
