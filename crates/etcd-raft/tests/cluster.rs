//! Three members in one process, with real connections, logs and states.

mod installs;
mod register;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use etcd_membership::ClusterId;
use etcd_raft::{ProposeError, ReadError, TransferError};
use installs::Installs;
use register::{Cluster, Member, leader, soon};
use tokio::time::Instant;

fn command(number: usize) -> Bytes {
    Bytes::from(format!("command {number}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_proposed_anywhere_is_applied_everywhere_in_one_order() {
    let cluster = Cluster::of(3).await;
    let members = cluster.start_all().await;
    let mut replies = Vec::new();
    for number in 0..30 {
        let member = &members[number % 3];
        replies.push(member.raft.propose(command(number), soon()).await.expect("applied"));
    }
    assert_eq!(replies, (0..30).collect::<Vec<_>>());
    for member in &members {
        member.catch_up().await;
        assert_eq!(member.commands(), (0..30).map(command).collect::<Vec<_>>());
    }
    for member in members {
        member.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_at_once_each_get_the_reply_to_their_own_command() {
    let cluster = Cluster::of(3).await;
    let members = cluster.start_all().await;
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..2000 {
        let raft = members[number % 3].raft.clone();
        callers.spawn(async move { (number, raft.propose(command(number), soon()).await) });
    }
    let mut placed = vec![None; 2000];
    while let Some(done) = callers.join_next().await {
        let (number, reply) = done.expect("no panic");
        placed[usize::try_from(reply.expect("applied")).expect("a place")] = Some(command(number));
    }
    let expected: Vec<_> = placed.into_iter().map(|c| c.expect("each place once")).collect();
    for member in &members {
        member.catch_up().await;
        assert_eq!(member.commands(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_the_restart_of_every_member() {
    let cluster = Cluster::of(3).await;
    let mut expected = Vec::new();
    for round in 0..3 {
        let members = cluster.start_all().await;
        for number in 0..10 {
            let command = command(round * 100 + number);
            members[number % 3].raft.propose(command.clone(), soon()).await.expect("applied");
            expected.push(command);
        }
        for member in members {
            member.stop().await;
        }
    }
    let members = cluster.start_all().await;
    for member in &members {
        member.catch_up().await;
        assert_eq!(member.commands(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_goes_on_when_the_leader_stops() {
    let cluster = Cluster::of(3).await;
    let mut members = cluster.start_all().await;
    let place = leader(&members).await;
    members[place].raft.propose(command(1), soon()).await.expect("applied");
    let stopped = members.remove(place);
    let number = usize::try_from(stopped.id.0 - 1).expect("a place");
    stopped.stop().await;
    // What is sent to the one that stops may be lost with it: nobody knows then.
    leader(&members).await;
    members[0].raft.propose(command(2), soon()).await.expect("applied by the others");
    let back = cluster.start(number).await;
    back.catch_up().await;
    assert_eq!(back.commands(), vec![command(1), command(2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_behind_the_kept_log_comes_back_by_a_snapshot() {
    let mut cluster = Cluster::of(3).await;
    cluster.snapshot_entries = 10;
    cluster.catch_up_entries = 2;
    let mut members = cluster.start_all().await;
    let place = (leader(&members).await + 1) % 3;
    let away = members.remove(place);
    let number = usize::try_from(away.id.0 - 1).expect("a place");
    away.stop().await;
    let mut expected = Vec::new();
    for number in 0..200 {
        // One entry each: nothing else is waiting.
        members[0].raft.propose(command(number), soon()).await.expect("applied");
        expected.push(command(number));
    }
    let back = cluster.start(number).await;
    back.catch_up().await;
    assert_eq!(back.commands(), expected);
    back.raft.propose(command(200), soon()).await.expect("applied");
    expected.push(command(200));
    // And it keeps what it was given.
    back.stop().await;
    let back = cluster.start(number).await;
    back.catch_up().await;
    assert_eq!(back.commands(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_takes_long_to_install_is_not_followed_by_another() {
    let mut cluster = Cluster::of(3).await;
    cluster.snapshot_entries = 10;
    cluster.catch_up_entries = 2;
    // Another leader would not know what this one keeps.
    cluster.election_timeout = Duration::from_secs(3);
    let installs = Installs::default();
    let noted = installs.clone();
    cluster.on_install = Arc::new(move || noted.note());
    let mut members = cluster.start_all().await;
    let away = members.remove((leader(&members).await + 1) % 3);
    let number = usize::try_from(away.id.0 - 1).expect("a place");
    away.stop().await;
    let leader = &members[leader(&members).await];
    let mut expected = Vec::new();
    fill_log_until(leader, &mut expected, 100).await;
    let held_up = installs.hold_up();
    let back = cluster.start(number).await;
    let limit = soon();
    while installs.begun() == 0 {
        assert!(Instant::now() < limit, "no snapshot came");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Of these the leader would keep two.
    for _ in 0..100 {
        propose_next(leader, &mut expected).await;
    }
    drop(held_up);
    back.catch_up().await;
    assert_eq!(back.commands(), expected);
    assert_eq!(installs.begun(), 1);
    // Once it has caught up nothing is kept for it any more.
    let last = expected.len() as u64;
    fill_log_until(leader, &mut expected, last).await;
}

/// Proposes until the leader has let go of all entries before this one.
async fn fill_log_until(leader: &Member, expected: &mut Vec<Bytes>, first: u64) {
    let limit = soon();
    while leader.raft.log_facts().expect("a log").first <= first {
        assert!(Instant::now() < limit, "the log is not let go: {:?}", leader.raft.log_facts());
        propose_next(leader, expected).await;
    }
}

async fn propose_next(member: &Member, expected: &mut Vec<Bytes>) {
    let next = command(expected.len());
    member.raft.propose(next.clone(), soon()).await.expect("applied");
    expected.push(next);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_nothing_is_accepted_and_nothing_is_confirmed() {
    let cluster = Cluster::of(3).await;
    let member = cluster.start(0).await;
    let deadline = Instant::now() + Duration::from_millis(300);
    let proposed = member.raft.propose(command(1), deadline).await;
    assert_eq!(proposed, Err(ProposeError::NotAccepted));
    let read = member.raft.read_barrier(Instant::now() + Duration::from_millis(300)).await;
    assert_eq!(read, Err(ReadError::TimedOut));
    assert_eq!(member.raft.status().leader, None);
    // What was given up is not applied later.
    let other = cluster.start(1).await;
    other.raft.propose(command(2), soon()).await.expect("two of three suffice");
    assert_eq!(other.commands(), vec![command(2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_can_be_handed_over() {
    let cluster = Cluster::of(3).await;
    let members = cluster.start_all().await;
    let old = leader(&members).await;
    members[old].raft.propose(command(1), soon()).await.expect("applied");
    let target = members[old].raft.successor().expect("two others follow");
    members[old].raft.transfer_leader(target, soon()).await.expect("handed over");
    let new = leader(&members).await;
    assert_eq!(members[new].id, target);
    let again = members[old].raft.transfer_leader(target, soon()).await;
    assert_eq!(again, Err(TransferError::NotLeader));
    members[old].raft.propose(command(2), soon()).await.expect("applied");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_another_cluster_is_refused() {
    let cluster = Cluster::of(3).await;
    let one = cluster.start(0).await;
    let two = cluster.start(1).await;
    let place = cluster.path(2);
    let stranger = cluster.start_in(2, &place, ClusterId(8)).await;
    one.raft.propose(command(1), soon()).await.expect("two of three suffice");
    let deadline = Instant::now() + Duration::from_secs(2);
    assert!(stranger.raft.read_barrier(deadline).await.is_err());
    assert_eq!(stranger.commands(), Vec::<Bytes>::new());
    two.raft.propose(command(2), soon()).await.expect("undisturbed");
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_are_told_when_a_leader_becomes_known_and_not_when_one_is_lost() {
    let cluster = Cluster::of(2).await;
    let mut members = cluster.start_all().await;
    let place = leader(&members).await;
    let follower = members.remove(1 - place);
    let lost = members.remove(0);
    lost.stop().await;
    // Without a second member there is no next leader yet.
    let read = follower.raft.read_barrier(soon());
    let mut read = std::pin::pin!(read);
    let limit = soon();
    while follower.raft.leader().is_some() {
        let early = tokio::time::timeout(Duration::from_millis(10), &mut read).await;
        assert!(early.is_err() && Instant::now() < limit, "the loss is no answer: {early:?}");
    }
    let back = cluster.start(place).await;
    assert_eq!(read.await, Err(ReadError::LeaderChanged));
    follower.catch_up().await;
    back.catch_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_handing_over_takes_no_command() {
    let cluster = Cluster::of(2).await;
    let members = cluster.start_all().await;
    // The new leader may be there before the command comes: then it takes it.
    for round in 0..50 {
        let place = leader(&members).await;
        let (old, target) = (&members[place].raft, members[1 - place].id);
        let moving = old.transfer_leader(target, soon());
        let (moved, proposed) = tokio::join!(moving, old.propose(command(round), soon()));
        if proposed == Err(ProposeError::Dropped) {
            return;
        }
        assert!(moved.is_ok() && proposed.is_ok(), "{moved:?}, {proposed:?}");
    }
    panic!("no command came while leadership moved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_lost_its_leader_says_so_after_three_samples() {
    let cluster = Cluster::of(2).await;
    let mut members = cluster.start_all().await;
    let place = leader(&members).await;
    let follower = members.remove(1 - place);
    let felt = follower.raft.leader_lost();
    let lost = members.remove(0);
    let stopped = Instant::now();
    lost.stop().await;
    tokio::time::timeout(Duration::from_secs(10), felt).await.expect("the leader is gone");
    assert_eq!(follower.raft.leader(), None);
    // Two more samples than the one that missed it first.
    assert!(stopped.elapsed() >= Duration::from_millis(1000), "after {:?}", stopped.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_stops_ends_every_wait() {
    let cluster = Cluster::of(3).await;
    let member = cluster.start(0).await;
    let raft = member.raft.clone();
    let proposing = tokio::spawn({
        let raft = raft.clone();
        async move { raft.propose(command(1), soon()).await }
    });
    let reading = tokio::spawn({
        let raft = raft.clone();
        async move { raft.read_barrier(soon()).await }
    });
    // It begins when its task does.
    while tokio::time::timeout(Duration::from_millis(50), raft.settled()).await.is_ok() {}
    member.stop().await;
    assert_eq!(proposing.await.expect("no panic"), Err(ProposeError::Stopped));
    assert_eq!(reading.await.expect("no panic"), Err(ReadError::Stopped));
    raft.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_leaves_nothing_behind() {
    let cluster = Cluster::of(3).await;
    let member = cluster.start(0).await;
    let given_up =
        tokio::time::timeout(Duration::from_millis(50), member.raft.propose(command(1), soon()));
    assert!(given_up.await.is_err(), "there is no quorum");
    member.raft.settled().await;
    // Nor is it proposed later.
    let other = cluster.start(1).await;
    other.raft.propose(command(2), soon()).await.expect("two of three suffice");
    assert_eq!(other.commands(), vec![command(2)]);
}

/// A moment since which the leader is connected to a quorum: heartbeats begin soon after the
/// election.
async fn connected(raft: &etcd_raft::Raft<u64>) -> Instant {
    let limit = soon();
    loop {
        let begun = Instant::now();
        tokio::time::sleep(Duration::from_millis(10)).await;
        if raft.is_connected_since(begun) {
            return begun;
        }
        assert!(begun < limit, "no quorum is connected");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_knows_whether_its_quorum_is_connected_all_the_time() {
    let cluster = Cluster::of(3).await;
    let mut members = cluster.start_all().await;
    let place = leader(&members).await;
    let old = members.remove(place);
    old.raft.propose(command(1), soon()).await.expect("applied");
    let elected = old.raft.elected().expect("it leads");
    assert!(elected < Instant::now());
    assert!(old.raft.had_leader_since(elected));
    let begun = connected(&old.raft).await;
    assert!(begun > elected);
    members.remove(0).stop().await;
    // One of two followers is quorum enough.
    let begun = connected(&old.raft).await;
    members.remove(0).stop().await;
    while old.raft.is_connected_since(begun) {
        assert!(old.raft.leader().is_some(), "the connection is lost before leadership is");
        tokio::task::yield_now().await;
    }
}
