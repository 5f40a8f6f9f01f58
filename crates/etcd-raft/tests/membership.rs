//! Members that come, go and move, in one process with real connections, logs and states.

mod register;

use std::time::Duration;

use bytes::Bytes;
use etcd_membership::{Change, Error, Member as Newcomer, MemberId};
use etcd_raft::{ChangeError, make_alone};
use etcd_storage::{Log, LogOptions, Storage, StorageOptions};
use register::{Cluster, Member, leader, soon};
use tokio::time::Instant;

fn command(number: usize) -> Bytes {
    Bytes::from(format!("command {number}"))
}

async fn founded_by_one(members: usize) -> Cluster {
    let mut cluster = Cluster::of(members).await;
    cluster.founders = 1;
    cluster
}

/// A member that is to join.
fn newcomer(cluster: &Cluster, number: usize) -> Newcomer {
    Newcomer::unstarted(MemberId(number as u64 + 1), vec![cluster.url(number)])
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let limit = soon();
    while !holds() {
        assert!(Instant::now() < limit, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until this many decide, as the leader knows it.
async fn decided_by(member: &Member, voters: usize) {
    // Whoever could lead after this one has a vote.
    let others = |member: &Member| member.raft.voters().len();
    eventually("votes", || others(member) == voters).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_of_one_grows_while_it_works_and_shrinks_to_the_last_that_came() {
    let cluster = founded_by_one(3).await;
    let mut members = vec![cluster.start(0).await];
    let mut expected = Vec::new();
    for number in 0..3 {
        if number > 0 {
            let change = Change::Add(newcomer(&cluster, number));
            members[0].raft.change_members(change, soon()).await.expect("added");
            members.push(cluster.start(number).await);
            decided_by(&members[0], number + 1).await;
        }
        for member in &members {
            let next = command(expected.len());
            member.raft.propose(next.clone(), soon()).await.expect("applied");
            expected.push(next);
        }
    }
    for _ in 0..2 {
        let asked = members.last().expect("one stays").raft.clone();
        let first = members.remove(0);
        asked.change_members(Change::Remove(first.id), soon()).await.expect("removed");
        tokio::time::timeout(Duration::from_secs(10), first.raft.removed()).await.expect("told");
        first.stop().await;
        let next = command(expected.len());
        asked.propose(next.clone(), soon()).await.expect("applied by those that stay");
        expected.push(next);
    }
    members[0].catch_up().await;
    assert_eq!(members[0].commands(), expected);
    assert_eq!(members[0].raft.members().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_was_added_and_never_started_costs_nothing() {
    let cluster = founded_by_one(2).await;
    let first = cluster.start(0).await;
    let newcomer = Change::Add(newcomer(&cluster, 1));
    first.raft.change_members(newcomer, soon()).await.expect("added");
    first.raft.propose(command(1), soon()).await.expect("applied by the first alone");
    assert_eq!(first.raft.members().len(), 2);
    let gone = Change::Remove(MemberId(2));
    first.raft.change_members(gone, soon()).await.expect("removed");
    assert!(first.raft.members().is_removed(MemberId(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_speaks_against_a_change_is_told_whoever_is_asked() {
    let cluster = Cluster::of(2).await;
    let members = cluster.start_all().await;
    leader(&members).await;
    let taken = newcomer(&cluster, 0).peer_urls;
    let thief = Newcomer::unstarted(MemberId(9), taken);
    let learner = |id, url: &str| {
        let unstarted = Newcomer::unstarted(MemberId(id), vec![url.to_owned()]);
        Newcomer { is_learner: true, ..unstarted }
    };
    let first = Change::Add(learner(7, "http://127.0.0.1:1"));
    members[0].raft.change_members(first, soon()).await.expect("one may learn");
    for member in &members {
        for (change, error) in [
            (Change::Add(newcomer(&cluster, 1)), Error::IdExists),
            (Change::Add(thief.clone()), Error::PeerUrlExists),
            (Change::Add(learner(8, "http://127.0.0.1:2")), Error::TooManyLearners),
            (Change::Remove(MemberId(9)), Error::IdNotFound),
            (Change::Promote(MemberId(1)), Error::NotLearner),
        ] {
            let refused = member.raft.change_members(change, soon()).await;
            assert_eq!(refused, Err(ChangeError::Refused(error)));
        }
    }
    members[1].raft.change_members(Change::Remove(MemberId(7)), soon()).await.expect("removed");
    let back =
        members[0].raft.change_members(Change::Add(learner(7, "http://127.0.0.1:1")), soon()).await;
    assert_eq!(back, Err(ChangeError::Refused(Error::IdRemoved)));
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_at_the_same_time_are_all_made() {
    let cluster = Cluster::of(3).await;
    let members = cluster.start_all().await;
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..12_u64 {
        let raft = members[usize::try_from(number % 3).expect("small")].raft.clone();
        asked.spawn(async move {
            let url = format!("http://127.0.0.1:{}", 1 + number);
            let member = Newcomer::unstarted(MemberId(100 + number), vec![url]);
            raft.change_members(Change::Add(member), soon()).await
        });
    }
    while let Some(changed) = asked.join_next().await {
        changed.expect("no panic").expect("made");
    }
    for member in &members {
        member.catch_up().await;
        assert_eq!(member.raft.members().len(), 15);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_no_member_changes() {
    let cluster = Cluster::of(3).await;
    let member = cluster.start(0).await;
    let deadline = Instant::now() + Duration::from_millis(300);
    let changed = member.raft.change_members(Change::Remove(MemberId(3)), deadline).await;
    assert_eq!(changed, Err(ChangeError::TimedOut));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_of_three_goes_on_alone_with_all_that_its_log_holds() {
    let cluster = Cluster::of(3).await;
    let members = cluster.start_all().await;
    let expected: Vec<_> = (0..20).map(command).collect();
    for command in &expected {
        members[0].raft.propose(command.clone(), soon()).await.expect("applied");
    }
    for member in members {
        member.stop().await;
    }
    let path = cluster.path(0);
    for _ in 0..2 {
        let log = Log::open(&path.join("log"), &LogOptions::default()).expect("a log");
        let storage = Storage::open(&path.join("state"), StorageOptions::default());
        make_alone(&log, &storage.expect("a state"), MemberId(1)).await.expect("alone");
        drop(log);
        let alone = cluster.start(0).await;
        alone.catch_up().await;
        assert_eq!(alone.commands(), expected);
        assert_eq!(alone.raft.members().len(), 1);
        alone.stop().await;
    }
}
