//! `--force-new-cluster`: the last member goes on alone.

use crate::newcomer;
use etcd_tests::{Cluster, History, Plan, Signal, process};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);
const PREFIX: &str = "solitude/";

#[test]
fn the_last_member_of_three_becomes_a_cluster_of_one_with_all_its_data() {
    let mut cluster = Cluster::start(&Plan::loopback(3));
    let history = History::start(&cluster.client_urls(), 4, PREFIX);
    history.wait_for_more(200, PATIENCE);
    let record = history.finish();
    cluster.wait_until_level();
    let before = cluster.members[0].client().status().expect("a status").header;
    for member in &mut cluster.members {
        member.end(Signal::KILL);
    }
    cluster.members.truncate(1);
    cluster.members[0].arguments.push("--force-new-cluster".to_owned());
    cluster.start_all();

    let client = cluster.members[0].client();
    let after = client.put("a", "1").map(|_| client.status().expect("a status").header);
    let (before, after) = (before.expect("a header"), after.expect("one serves").expect("one"));
    assert_eq!((before.member_id, before.cluster_id), (after.member_id, after.cluster_id));
    assert_eq!(newcomer::listed(&cluster, 0), [("m1".to_owned(), false)]);
    // What etcd's log does not tell as committed is gone there, though it was acknowledged.
    if process::server_is_ours() {
        record.check("m1", &client.get_prefix(PREFIX).expect("a serializable read"));
    }

    // It grows again, with the flag or without.
    cluster.members[0].end(Signal::KILL);
    cluster.members[0].arguments.pop();
    cluster.start_all();
    let at = newcomer::prepare(&mut cluster, "new");
    newcomer::add(&mut cluster, 0, at);
    newcomer::start(&mut cluster, at);
    cluster.wait_until_level();
    let there = |at: usize| cluster.members[at].client().get_prefix(PREFIX).expect("a read");
    assert_eq!(there(at), there(0));
}
