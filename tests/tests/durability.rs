//! What was acknowledged is there, on every member, whatever was killed or cut off, from the network or from power.

use etcd_proto::etcdserverpb::CompactionRequest;
use etcd_tests::cluster::eventually;
use etcd_tests::history::Record;
use etcd_tests::process::server_is_ours;
use etcd_tests::{Client, Cluster, History, Plan, Signal, VolatileDisk, chance};
use rand::RngExt;
use std::time::Duration;

/// How many times members are killed; `ETCD_TEST_ROUNDS` says otherwise.
const ROUNDS: usize = 50;

/// How many times the power fails, unless `ETCD_TEST_ROUNDS` says otherwise.
const POWER_CUTS: usize = 15;

/// Puts that must succeed after each round before the next begins.
const PROGRESS: usize = 20;

const PREFIX: &str = "durable/";

/// Who is killed in a round.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Leader,
    Any,
    All,
}

#[test]
fn every_acknowledged_put_survives_members_that_are_killed_and_restarted() {
    let rounds = rounds(ROUNDS);
    let mut random = chance::random();
    let mut cluster = Cluster::start(&Plan::loopback(3));
    let history = History::start(&cluster.client_urls(), 4, PREFIX);
    for round in 0..rounds {
        history.wait_for_more(PROGRESS, Duration::from_secs(20));
        let victim = match round {
            _ if round % 2 == 0 => Victim::Leader,
            _ if round % 5 == 0 => Victim::All,
            _ => Victim::Any,
        };
        let signal = if random.random_bool(0.7) { Signal::KILL } else { Signal::TERM };
        let victims = match victim {
            Victim::Leader => vec![cluster.leader()],
            Victim::Any => vec![random.random_range(0..cluster.members.len())],
            Victim::All => vec![0, 1, 2],
        };
        kill(&mut cluster, &victims, signal);
        cluster.start_all();
    }
    history.wait_for_more(PROGRESS, Duration::from_secs(20));
    check(&cluster, &history.finish());
}

#[test]
fn a_member_that_was_cut_off_for_longer_than_the_log_is_kept_returns_by_snapshot() {
    let plan = Plan::namespaces().flag("--snapshot-count=100");
    let cluster = Cluster::start(&plan.flag("--snapshot-catchup-entries=20"));
    let network = cluster.network.as_ref().expect("the members have namespaces");
    let leader = cluster.leader();
    let cut_off = (leader + 1) % 3;
    network.cut(cut_off);
    let urls = [leader, (leader + 2) % 3].map(|at| cluster.members[at].client_url.clone());
    // One writer: puts that wait at the same time may share an entry of the log.
    let history = History::start(&urls, 1, PREFIX);
    if server_is_ours() {
        // Entries that are on their way to a member are kept until its connection is given up.
        let leader = cluster.members[leader].process();
        leader.wait_for_line("no answer for 5s", Duration::from_secs(20));
    }
    history.wait_for_more(500, Duration::from_secs(60));
    assert!(cluster.members[cut_off].process().find_line("applied snapshot", NOW).is_none());
    network.mend(cut_off);
    cluster.members[cut_off].process().wait_for_line("applied snapshot", Duration::from_secs(30));
    history.wait_for_more(PROGRESS, Duration::from_secs(20));
    check(&cluster, &history.finish());
}

#[test]
fn a_member_a_few_entries_behind_catches_up_from_the_log_though_the_others_were_restarted() {
    let mut cluster = Cluster::start(&Plan::loopback(3));
    let history = History::start(&cluster.client_urls(), 1, PREFIX);
    history.wait_for_more(PROGRESS, Duration::from_secs(20));
    let away = (cluster.leader() + 1) % 3;
    cluster.members[away].end(Signal::KILL);
    history.wait_for_more(PROGRESS, Duration::from_secs(20));
    let others = [(away + 1) % 3, (away + 2) % 3];
    kill(&mut cluster, &others, Signal::KILL);
    for at in others {
        cluster.members[at].start();
    }
    for at in others {
        cluster.members[at].wait_until_ready();
    }
    cluster.start_all();
    history.wait_for_more(PROGRESS, Duration::from_secs(20));
    check(&cluster, &history.finish());
    let whole = cluster.members[away].process().find_line("applied snapshot", NOW);
    assert_eq!(whole, None, "it was sent the whole state for a few entries");
}

#[test]
fn a_member_that_returned_by_snapshot_still_has_everything_after_being_killed() {
    let plan = Plan::loopback(3).flag("--snapshot-count=100");
    let mut cluster = Cluster::start(&plan.flag("--snapshot-catchup-entries=20"));
    let away = (cluster.leader() + 1) % 3;
    cluster.members[away].end(Signal::KILL);
    let history = History::start(&cluster.client_urls(), 1, PREFIX);
    history.wait_for_more(500, Duration::from_secs(60));
    cluster.members[away].start();
    cluster.members[away].process().wait_for_line("applied snapshot", Duration::from_secs(30));
    kill(&mut cluster, &[away], Signal::KILL);
    cluster.start_all();
    history.wait_for_more(PROGRESS, Duration::from_secs(20));
    kill(&mut cluster, &[0, 1, 2], Signal::KILL);
    cluster.start_all();
    check(&cluster, &history.finish());
}

#[test]
fn every_acknowledged_put_survives_power_that_fails_under_a_single_member() {
    cut_power_again_and_again(1);
}

#[test]
fn every_acknowledged_put_survives_power_that_fails_under_one_or_all_of_three_members() {
    cut_power_again_and_again(3);
}

/// It is away for longer than the log is kept, and loses its power again at any moment after its
/// return: before, while and after it takes over a whole state.
#[test]
fn every_acknowledged_put_survives_power_that_fails_under_a_member_that_returns_by_snapshot() {
    let mut random = chance::random();
    let plan = Plan::loopback(3).flag("--snapshot-count=100");
    let (mut cluster, disks) = with_volatile_disks(&plan.flag("--snapshot-catchup-entries=20"));
    let history = History::start(&cluster.client_urls(), 4, PREFIX);
    let mut snapshots = 0;
    for _ in 0..rounds(POWER_CUTS) {
        let away = (cluster.leader() + 1) % 3;
        lose_power(&mut cluster, &disks, &[away], &history);
        history.wait_for_more(300, Duration::from_secs(60));
        cluster.members[away].start();
        history.wait_for_more(random.random_range(1..400), Duration::from_secs(60));
        let process = cluster.members[away].process();
        snapshots += usize::from(process.find_line("applied snapshot", NOW).is_some());
        lose_power(&mut cluster, &disks, &[away], &history);
        cluster.start_all();
    }
    assert!(snapshots > 0, "nobody returned by snapshot");
    history.wait_for_more(PROGRESS, Duration::from_secs(20));
    check(&cluster, &history.finish());
}

/// A running cluster, each member with a disk of its own.
fn with_volatile_disks(plan: &Plan) -> (Cluster, Vec<VolatileDisk>) {
    let mut cluster = Cluster::prepare(plan);
    let home = cluster.home.path().to_owned();
    let disks =
        cluster.members.iter_mut().map(|member| VolatileDisk::under(member, &home)).collect();
    cluster.start_all();
    (cluster, disks)
}

/// Ends members by cutting their power, and gives it back to their disks.
fn lose_power(cluster: &mut Cluster, disks: &[VolatileDisk], victims: &[usize], history: &History) {
    // Of what is synced in this very moment the system itself may say that it was.
    history.doubt(|| {
        victims.iter().for_each(|&at| disks[at].cut_power());
        kill(cluster, victims, Signal::KILL);
    });
    victims.iter().for_each(|&at| disks[at].restore_power());
}

/// What was only written and not synced is lost each time. The members put down their state very
/// often, and much of what they have written is removed again.
fn cut_power_again_and_again(size: usize) {
    let mut random = chance::random();
    let (mut cluster, disks) =
        with_volatile_disks(&Plan::loopback(size).flag("--snapshot-count=200"));
    let history = History::start(&cluster.client_urls(), 4, PREFIX);
    for round in 0..rounds(POWER_CUTS) {
        history.wait_for_more(PROGRESS, Duration::from_secs(20));
        let client = cluster.members[random.random_range(0..size)].client();
        overwrite(&client, random.random_range(10..400));
        let victims: Vec<usize> = match round % 3 {
            0 => (0..size).collect(),
            _ => vec![random.random_range(0..size)],
        };
        lose_power(&mut cluster, &disks, &victims, &history);
        cluster.start_all();
    }
    history.wait_for_more(PROGRESS, Duration::from_secs(20));
    check(&cluster, &history.finish());
}

/// Puts a few large values over and over and has all but the newest removed. Whether it is done does
/// not matter: a member may be without a leader for a moment.
fn overwrite(client: &Client, times: usize) {
    let value = "x".repeat(32 << 10);
    for time in 0..times {
        let put = client.put(&format!("overwritten/{}", time % 10), &value);
        if time % 50 == 49
            && let Ok(revision) = put
        {
            let _ = client.compact(CompactionRequest { revision, physical: false });
        }
    }
}

fn rounds(usual: usize) -> usize {
    match std::env::var("ETCD_TEST_ROUNDS") {
        Ok(text) => text.parse().expect("ETCD_TEST_ROUNDS is a number"),
        Err(_) => usual,
    }
}

/// No waiting: only what was logged already.
const NOW: Duration = Duration::ZERO;

/// Ends members with a signal; all of them get it before one is waited for.
fn kill(cluster: &mut Cluster, victims: &[usize], signal: Signal) {
    for &at in victims {
        cluster.members[at].process().signal(signal);
    }
    for &at in victims {
        let mut process = cluster.members[at].take_process();
        process.wait_for_exit(Duration::from_secs(20));
    }
}

/// Holds every member's own data against the record, and the members against each other.
fn check(cluster: &Cluster, record: &Record) {
    assert!(record.acknowledged > 0);
    let revision = cluster.wait_until_level();
    let clients: Vec<Client> = cluster.members.iter().map(etcd_tests::Member::client).collect();
    let mut hashes = Vec::new();
    for (member, client) in cluster.members.iter().zip(&clients) {
        let there = client.get_prefix(PREFIX).expect("a serializable read needs no one else");
        record.check(&member.name, &there);
        let hash = eventually(Duration::from_secs(5), "a hash", || client.hash_kv(revision).ok());
        hashes.push((hash.hash, hash.compact_revision));
    }
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "the members differ: {hashes:?}");
}
