//! Who does not belong to the cluster is turned away, in words, while the cluster serves on.

use etcd_tests::cluster::peer_tls_flags;
use etcd_tests::{Certificates, Cluster, History, Member, Place, Plan, Signal, ports};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// A refusal is logged within this time.
const REFUSAL: Duration = Duration::from_secs(15);

/// A stranger that has not begun to serve this long after its refusal does not.
const UNREADY: Duration = Duration::from_secs(4);

/// A cluster with TLS among peers, of which one follower is stopped: its place is free.
struct Running {
    cluster: Cluster,
    /// Those that run.
    members: [usize; 2],
    /// The one whose place is free.
    free: usize,
    history: History,
}

impl Running {
    fn start() -> Running {
        let mut cluster = Cluster::start(&Plan::loopback(3).tls());
        let leader = cluster.leader();
        let free = (leader + 1) % 3;
        let members = [leader, (leader + 2) % 3];
        cluster.members[free].end(Signal::TERM);
        let urls = members.map(|at| cluster.members[at].client_url.clone());
        let history = History::start(&urls, 2, "during/");
        history.wait_for_more(10, Duration::from_secs(10));
        Running { cluster, members, free, history }
    }

    /// A member with the free place's name and addresses, without its data.
    fn stranger(&self) -> Member {
        let model = &self.cluster.members[self.free];
        let mut stranger = Member::new("stranger", self.cluster.home.path(), Place::Here);
        stranger.client_url.clone_from(&model.client_url);
        stranger.peer_url.clone_from(&model.peer_url);
        stranger.arguments.clone_from(&model.arguments);
        let data_dir = stranger.data_dir.display().to_string();
        stranger.set_flag("--data-dir", &data_dir);
        stranger
    }

    /// Waits until each member that runs has told of a refusal.
    fn wait_for_refusals(&self, line: &str) {
        for at in self.members {
            self.cluster.members[at].process().wait_for_line(line, REFUSAL);
        }
    }

    /// The running members know the three they knew, and every put since the start succeeded.
    fn check_undisturbed(self, stranger: &Member) {
        assert!(stranger.stays_unready(UNREADY), "a stranger serves clients");
        self.history.wait_for_more(50, Duration::from_secs(10));
        for at in self.members {
            let list = self.cluster.members[at].client().members().expect("a member answers");
            let mut names: Vec<_> = list.members.into_iter().map(|m| m.name).collect();
            names.sort();
            assert_eq!(names, ["m1", "m2", "m3"]);
        }
        let record = self.history.finish();
        assert!(record.failures.is_empty(), "puts failed: {:?}", record.failures);
    }
}

#[test]
fn a_member_with_another_token_is_refused_on_both_sides() {
    let running = Running::start();
    let mut stranger = running.stranger();
    stranger.set_flag("--initial-cluster-token", "another-cluster");
    stranger.start();
    stranger.process().wait_for_line("cluster id mismatch", REFUSAL);
    running.wait_for_refusals("cluster id mismatch");
    running.check_undisturbed(&stranger);
}

#[test]
fn a_member_with_another_initial_cluster_is_refused_on_both_sides() {
    let running = Running::start();
    let mut stranger = running.stranger();
    let peer_url = format!("https://127.0.0.1:{}", ports::free());
    let cluster = format!("{},m4={peer_url}", running.cluster.initial_cluster());
    for (flag, value) in [
        ("--name", "m4"),
        ("--listen-peer-urls", &peer_url),
        ("--initial-advertise-peer-urls", &peer_url),
        ("--initial-cluster", &cluster),
    ] {
        stranger.set_flag(flag, value);
    }
    stranger.start();
    stranger.process().wait_for_line("cluster id mismatch", REFUSAL);
    running.wait_for_refusals("cluster id mismatch");
    running.check_undisturbed(&stranger);
}

#[test]
fn a_peer_without_a_certificate_of_the_authority_is_refused_on_both_sides() {
    let running = Running::start();
    let folder = running.cluster.home.path().join("other-authority");
    let others = Certificates::new(&folder, &[IpAddr::from(Ipv4Addr::LOCALHOST)]);
    let mut stranger = running.stranger();
    for flag in peer_tls_flags(&others) {
        let (flag, value) = flag.split_once('=').expect("a flag and its value");
        stranger.set_flag(flag, value);
    }
    // It trusts the cluster; the cluster need not trust it.
    let ca = running.cluster.certificates.as_ref().expect("the cluster has TLS").ca.clone();
    stranger.set_flag("--peer-trusted-ca-file", &ca.to_string_lossy());
    stranger.start();
    running.wait_for_refusals("rejected connection on peer endpoint");
    stranger.process().wait_for_line("certificate", REFUSAL);
    running.check_undisturbed(&stranger);
}

#[test]
fn a_member_that_lost_its_data_is_not_taken_for_a_new_one() {
    let running = Running::start();
    let mut stranger = running.stranger();
    stranger.start();
    let mut process = stranger.take_process();
    let status = process.wait_for_exit(REFUSAL);
    process.wait_for_line("has already been bootstrapped", REFUSAL);
    assert_eq!(status.code(), Some(1));
    let record = running.history.finish();
    assert!(record.failures.is_empty(), "puts failed: {:?}", record.failures);
}
