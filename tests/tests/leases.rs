//! Leases keep their keys exactly as long as they must, whoever leads.

use etcd_tests::client::Consistency;
use etcd_tests::cluster::eventually;
use etcd_tests::{Client, Cluster, Etcdctl, Member, Plan, Signal};
use std::time::{Duration, Instant};

/// Within this time of its end a lease is revoked: the leader looks twice a second.
const ROUND: Duration = Duration::from_secs(2);

/// Within this time of a leader's death there is another.
const ELECTION: Duration = Duration::from_secs(4);

/// How much a lease's clock may go wrong on its way through a test.
const SLACK: Duration = Duration::from_millis(100);

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).expect("a positive number"))
}

fn clients(cluster: &Cluster) -> Vec<Client> {
    cluster.members.iter().map(Member::client).collect()
}

fn put_keys(client: &Client, lease: i64, keys: &[&str]) -> i64 {
    let put = |key: &&str| client.put_leased(key, "1", lease).expect("a put");
    keys.iter().map(put).last().expect("a key")
}

/// Whether a key is there.
#[track_caller]
fn has(client: &Client, key: &str) -> bool {
    client.get(key, Consistency::Linearizable).expect("a healthy member").is_some()
}

/// Waits until a lease is gone and returns when that was.
#[track_caller]
fn wait_for_end(client: &Client, lease: i64, limit: Duration) -> Instant {
    eventually(limit, "the end of a lease", || {
        let left = client.time_to_live(lease).ok()?.ttl;
        (left == -1 && !client.leases().ok()?.contains(&lease)).then(Instant::now)
    })
}

#[test]
fn a_lease_is_granted_renewed_asked_for_and_revoked_through_any_member() {
    let cluster = Cluster::start(&Plan::loopback(3));
    let clients = clients(&cluster);
    for (at, client) in clients.iter().enumerate() {
        let other = &clients[(at + 1) % 3];
        let lease = client.grant(0, 30).expect("a lease");
        assert!(lease > 0, "{lease}");
        let key = format!("key-{at}");
        put_keys(client, lease, &[&key]);
        for client in &clients {
            assert_eq!(client.keep_alive(lease), Ok(30));
            let told = client.time_to_live(lease).expect("an answer");
            assert!((27..30).contains(&told.ttl), "{told:?}");
            assert_eq!((told.id, told.granted_ttl), (lease, 30));
            assert_eq!(told.keys, std::slice::from_ref(&key));
        }
        other.revoke(lease).expect("it was there");
        for client in &clients {
            assert_eq!(client.keep_alive(lease), Ok(0));
            assert_eq!(client.time_to_live(lease).expect("an answer").ttl, -1);
            assert!(!has(client, &key));
        }
        let again = client.revoke(lease).expect_err("it is gone");
        assert_eq!(again.message, "etcdserver: requested lease not found");
    }
    assert_eq!(clients[0].grant(-5, -5), Ok(-5));
    assert_eq!(clients[1].time_to_live(-5).expect("an answer").granted_ttl, 2);
}

#[test]
fn a_lease_that_is_renewed_through_a_follower_lives_and_else_it_ends() {
    const TTL: i64 = 3;
    let cluster = Cluster::start(&Plan::loopback(3));
    let follower = &clients(&cluster)[(cluster.leader() + 1) % 3];
    let (kept, lost) = (follower.grant(1, TTL), follower.grant(2, TTL));
    let (kept, lost) = (kept.expect("a lease"), lost.expect("a lease"));
    let granted = Instant::now();
    put_keys(follower, kept, &["kept"]);
    let revision = put_keys(follower, lost, &["c", "a", "b"]);
    let ended = eventually(seconds(TTL) + ROUND, "the end of a lease", || {
        assert_eq!(follower.keep_alive(kept), Ok(TTL));
        (follower.time_to_live(lost).expect("an answer").ttl == -1).then(Instant::now)
    });
    assert!(ended - granted + SLACK >= seconds(TTL), "it ended too early");
    assert!(has(follower, "kept") && !has(follower, "a") && !has(follower, "c"));
    assert_eq!(cluster.wait_until_level(), revision + 1, "its keys went in one revision");
    assert_eq!(follower.put("kept", "loose"), Ok(revision + 2));
    wait_for_end(follower, kept, seconds(TTL) + ROUND);
    assert!(has(follower, "kept"), "a key that was put without the lease is not its own");
}

#[test]
fn a_lease_outlives_its_leader_and_ends_once_its_time_has_run_anew() {
    const TTL: i64 = 6;
    let mut cluster = Cluster::start(&Plan::loopback(3));
    let leader = cluster.leader();
    let follower = cluster.members[(leader + 1) % 3].client();
    let lease = follower.grant(0, TTL).expect("a lease");
    let revision = put_keys(&follower, lease, &["b", "a", "c"]);
    // Most of its time is over when the leader dies.
    eventually(seconds(TTL), "its time to run", || {
        (follower.time_to_live(lease).expect("an answer").ttl <= 1).then_some(())
    });
    cluster.members[leader].end(Signal::KILL);
    let died = Instant::now();
    let told = eventually(ELECTION, "the next leader's word", || {
        follower.time_to_live(lease).ok().filter(|told| told.ttl >= 0)
    });
    assert_eq!((told.granted_ttl, told.keys.len()), (TTL, 3));
    assert!(told.ttl + 1 >= TTL, "it has its whole time again: {told:?}");
    cluster.members[leader].start();
    cluster.members[leader].wait_until_ready();
    let ended = wait_for_end(&follower, lease, ELECTION + seconds(TTL) + ROUND);
    assert!(ended - died >= seconds(TTL), "it ended after {:?}", ended - died);
    assert_eq!(cluster.wait_until_level(), revision + 1, "once, and in one revision");
    for client in clients(&cluster) {
        assert!(!has(&client, "a") && !has(&client, "b") && !has(&client, "c"));
        assert_eq!(client.leases(), Ok(vec![]));
        assert_eq!(client.keep_alive(lease), Ok(0));
    }
    assert_eq!(follower.put("after", "1"), Ok(revision + 2));
}

#[test]
fn a_lease_that_is_renewed_all_the_time_lives_while_leaders_die() {
    const TTL: i64 = 4;
    let mut cluster = Cluster::start(&Plan::loopback(3));
    let lease = cluster.members[0].client().grant(0, TTL).expect("a lease");
    put_keys(&cluster.members[0].client(), lease, &["mine"]);
    for _ in 0..3 {
        let leader = cluster.leader();
        let followers = [(leader + 1) % 3, (leader + 2) % 3];
        let clients = followers.map(|at| cluster.members[at].client());
        cluster.members[leader].end(Signal::KILL);
        let died = Instant::now();
        // Longer than it would live by the clock of the one that died.
        let mut renewed = 0;
        while died.elapsed() < seconds(TTL) + ROUND {
            for client in &clients {
                // There is nobody to renew it during the election.
                if let Ok(ttl) = client.keep_alive(lease) {
                    assert_eq!(ttl, TTL, "it is gone {:?} after the leader", died.elapsed());
                    renewed += 1;
                }
            }
        }
        assert!(renewed > 10, "renewed {renewed} times");
        assert!(has(&clients[0], "mine"));
        cluster.members[leader].start();
        cluster.members[leader].wait_until_ready();
    }
}

#[test]
fn leases_and_their_keys_are_there_after_all_members_were_killed() {
    const TTL: i64 = 5;
    let mut cluster = Cluster::start(&Plan::loopback(3));
    let client = cluster.members[0].client();
    let lease = client.grant(0, TTL).expect("a lease");
    let long = client.grant(0, 1000).expect("a lease");
    let revision = put_keys(&client, lease, &["a", "b"]);
    client.put("a", "loose").expect("a put");
    for member in &mut cluster.members {
        member.end(Signal::KILL);
    }
    cluster.start_all();
    let back = Instant::now();
    let client = cluster.members[0].client();
    let told = eventually(ELECTION, "the new leader's word", || client.time_to_live(lease).ok());
    assert_eq!((told.granted_ttl, told.keys), (TTL, vec!["b".into()]));
    let ended = wait_for_end(&client, lease, ELECTION + seconds(TTL) + ROUND);
    // The leader may have been there before the last member served.
    assert!(ended - back + ELECTION >= seconds(TTL));
    assert!(has(&client, "a") && !has(&client, "b"));
    assert_eq!(cluster.wait_until_level(), revision + 2);
    assert_eq!(client.leases(), Ok(vec![long]));
}

#[test]
fn many_leases_that_end_at_once_go_in_their_turn_and_hold_no_put_up() {
    const LEASES: usize = 1500;
    const TTL: i64 = 4;
    let cluster = Cluster::start(&Plan::loopback(1));
    let client = cluster.members[0].client();
    let begun = Instant::now();
    for number in 0..LEASES {
        let lease = client.grant(0, TTL).expect("a lease");
        client.put_leased(&format!("many/{number}"), "1", lease).expect("a put");
    }
    assert!(begun.elapsed() < seconds(TTL) * 10, "granting takes too long to tell anything");
    let mut slowest = Duration::ZERO;
    let limit = seconds(TTL) + ROUND * 10;
    eventually(limit, "the end of all leases", || {
        let asked = Instant::now();
        client.put("other", "1").expect("a put");
        slowest = slowest.max(asked.elapsed());
        client.leases().expect("a list").is_empty().then_some(())
    });
    assert_eq!(client.get_prefix("many/").expect("a list").len(), 0);
    assert!(slowest < Duration::from_millis(500), "a put took {slowest:?}");
}

#[test]
fn etcdctl_deals_with_leases() {
    let cluster = Cluster::start(&Plan::loopback(3));
    let etcdctl = Etcdctl::newest().with_endpoints(&cluster.advertised_urls());
    let granted = etcdctl.succeed(&["lease", "grant", "60"]);
    let id = granted.split(' ').nth(1).expect("lease ID granted").to_owned();
    assert_eq!(granted, format!("lease {id} granted with TTL(60s)\n"));
    etcdctl.succeed(&["put", "a", "1", "--lease", &id]);
    assert_eq!(etcdctl.succeed(&["lease", "list"]), format!("found 1 leases\n{id}\n"));
    let renewed = etcdctl.succeed(&["lease", "keep-alive", "--once", &id]);
    assert_eq!(renewed, format!("lease {id} keepalived with TTL(60)\n"));
    let told = etcdctl.succeed(&["lease", "timetolive", "--keys", &id]);
    let (head, tail) = told.split_once("remaining(").expect("what is left");
    assert_eq!(head, format!("lease {id} granted with TTL(60s), "));
    assert!(tail.ends_with("s), attached keys([a])\n"), "{told}");
    assert_eq!(etcdctl.succeed(&["lease", "revoke", &id]), format!("lease {id} revoked\n"));
    assert_eq!(etcdctl.succeed(&["get", "a"]), "");
    let told = etcdctl.succeed(&["lease", "timetolive", &id]);
    assert_eq!(told, format!("lease {id} already expired\n"));
    let ended = etcdctl.succeed(&["lease", "keep-alive", &id]);
    assert_eq!(ended, format!("lease {id} expired or revoked.\n"));
}
