//! A cluster of one grows to three and five under load, and shrinks again.

use crate::newcomer;
use etcd_tests::cluster::eventually;
use etcd_tests::{Cluster, History, Plan, Signal, process};
use std::time::Duration;

/// Within this time the cluster serves again, whatever happened.
const PATIENCE: Duration = Duration::from_secs(30);

/// Writers to some members, each round of them under a prefix of its own.
struct Load {
    history: History,
    prefix: &'static str,
}

impl Load {
    fn start(urls: &[String], prefix: &'static str) -> Load {
        Load { history: History::start(urls, 4, prefix), prefix }
    }

    fn goes_on(&self) {
        self.history.wait_for_more(20, PATIENCE);
    }

    /// Every member that serves has what was acknowledged.
    fn check(self, cluster: &Cluster) {
        let record = self.history.finish();
        cluster.wait_until_level();
        for member in &cluster.members {
            let there = member.client().get_prefix(self.prefix).expect("a serializable read");
            record.check(&member.name, &there);
        }
    }
}

#[test]
fn a_cluster_grows_to_five_and_loses_its_leader_and_no_write() {
    // Who joins needs a snapshot, since the log holds little.
    let plan = Plan::loopback(1).flag("--snapshot-count=50").flag("--snapshot-catchup-entries=10");
    let mut cluster = Cluster::start(&plan);
    let load = Load::start(&cluster.client_urls(), "growth/");
    for name in ["m2", "m3", "m4", "m5"] {
        let at = newcomer::prepare(&mut cluster, name);
        newcomer::add(&mut cluster, 0, at);
        newcomer::start(&mut cluster, at);
        load.goes_on();
    }
    let names = ["m1", "m2", "m3", "m4", "m5"].map(|name| (name.to_owned(), false));
    assert_eq!(newcomer::listed(&cluster, 4), names);
    load.check(&cluster);

    // The leader is told to go, by another member.
    let leader = cluster.leader();
    let (id, by) = (newcomer::id(&cluster, leader), (leader + 1) % 5);
    let load = Load::start(&[cluster.members[by].client_url.clone()], "departure/");
    load.goes_on();
    let client = cluster.members[by].client();
    newcomer::once_healthy(|| client.remove_member(id));
    let mut process = cluster.members[leader].take_process();
    let status = process.wait_for_exit(PATIENCE);
    assert!(status.success(), "a member that is removed ends as if told to: {status}");
    let gone = cluster.members.remove(leader);
    load.goes_on();
    assert!(newcomer::listed(&cluster, 0).iter().all(|(name, _)| *name != gone.name));
    load.check(&cluster);

    // All of them restart, from what they hold.
    for member in &mut cluster.members {
        member.end(Signal::KILL);
    }
    cluster.start_all();
    let load = Load::start(&cluster.client_urls(), "return/");
    load.goes_on();
    load.check(&cluster);
}

#[test]
fn a_cluster_with_tls_grows_to_three_and_loses_its_leader() {
    let mut cluster = Cluster::start(&Plan::loopback(1).tls());
    cluster.members[0].client().put("a", "0").expect("one serves");
    for name in ["m2", "m3"] {
        let at = newcomer::prepare(&mut cluster, name);
        newcomer::add(&mut cluster, 0, at);
        newcomer::start(&mut cluster, at);
        cluster.members[at].client().put("a", name).expect("it serves");
    }
    let leader = cluster.leader();
    cluster.members[leader].end(Signal::KILL);
    let client = cluster.members[(leader + 1) % 3].client();
    eventually(PATIENCE, "a put without the first leader", || client.put("a", "1").ok());
}

#[test]
fn a_cluster_of_two_becomes_one_of_one_again() {
    let mut cluster = Cluster::start(&Plan::loopback(1));
    let at = newcomer::prepare(&mut cluster, "m2");
    newcomer::add(&mut cluster, 0, at);
    newcomer::start(&mut cluster, at);
    cluster.members[1].client().put("a", "1").expect("two serve");
    let first = newcomer::id(&cluster, 0);
    // Whichever leads: the founder goes.
    let client = cluster.members[1].client();
    newcomer::once_healthy(|| client.remove_member(first));
    let status = cluster.members[0].take_process().wait_for_exit(PATIENCE);
    assert!(status.success(), "{status}");
    cluster.members.remove(0);
    eventually(PATIENCE, "a put", || client.put("a", "2").ok());
    assert_eq!(newcomer::listed(&cluster, 0), [("m2".to_owned(), false)]);
    cluster.members[0].end(Signal::KILL);
    cluster.start_all();
    cluster.members[0].client().put("a", "3").expect("one serves again");
}

/// With etcd the one that there is serves no longer then, and cannot take the second back; here it
/// goes on until the second has caught up, and after that both decide.
#[test]
fn a_second_voter_that_never_starts_can_be_taken_back() {
    if !process::server_is_ours() {
        return;
    }
    let mut cluster = Cluster::start(&Plan::loopback(1));
    let at = newcomer::prepare(&mut cluster, "m2");
    let id = newcomer::add(&mut cluster, 0, at);
    let client = cluster.members[0].client();
    client.put("a", "1").expect("the first goes on");
    let response = client.remove_member(id).expect("it is taken back");
    assert_eq!(response.members.len(), 1);
    client.put("a", "2").expect("the first goes on");
}
