//! Members that move to other peer URLs.

use crate::newcomer;
use etcd_tests::{Cluster, Plan, Signal, ports};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_member_moves_to_another_peer_url_and_nobody_else_restarts() {
    let mut cluster = Cluster::start(&Plan::loopback(3));
    // The leader has to find the one that moves, whoever leads.
    for at in 0..3 {
        let id = newcomer::id(&cluster, at);
        let url = format!("http://127.0.0.1:{}", ports::free());
        let client = cluster.members[at].client();
        let taken = cluster.members[(at + 1) % 3].peer_url.clone();
        let failure = client.update_member(id, &taken).expect_err("it is another's");
        assert_eq!(failure.message, "etcdserver: Peer URLs already exists");
        let response = client.update_member(id, &url).expect("a change");
        let member = response.members.iter().find(|member| member.id == id);
        assert_eq!(member.expect("it is there").peer_urls, [url.as_str()]);
        let member = &mut cluster.members[at];
        member.end(Signal::KILL);
        member.peer_url.clone_from(&url);
        member.set_flag("--listen-peer-urls", &url);
        newcomer::start(&mut cluster, at);
        let value = at.to_string();
        cluster.members[at].client().put("a", &value).expect("all three serve");
        cluster.wait_until_level();
        // Without one of the others it is needed.
        let other = (at + 1) % 3;
        cluster.members[other].end(Signal::KILL);
        etcd_tests::cluster::eventually(PATIENCE, "a put with the one that moved", || {
            cluster.members[at].client().put("b", &value).ok()
        });
        newcomer::start(&mut cluster, other);
    }
}
