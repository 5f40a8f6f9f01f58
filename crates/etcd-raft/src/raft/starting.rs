//! What a start is made of.

use std::sync::Arc;
use std::time::Duration;

use etcd_membership::MemberId;
use etcd_storage::Log;
use openraft::errors::Fatal;
use openraft::{Config, SnapshotPolicy};

use crate::absence::Absence;
use crate::barrier::Barrier;
use crate::contact::Contact;
use crate::divergence::leave_to_state;
use crate::failure::Failure;
use crate::leader::LeaderWatch;
use crate::log_store::LogStore;
use crate::network::{Pace, Peers};
use crate::openraft_types::{OpenRaft, TypeConfig};
use crate::proposer::Proposer;
use crate::reconfiguration::{Ground, Reconfiguration};
use crate::tasks::{Hold, Tasks, Thread};
use crate::waiters::Waiters;
use crate::ways::Ways;
use crate::{Applied, Error, Figures, Membership, Options, StateMachine};

/// How long a follower's installation of a snapshot may take.
const INSTALL_SNAPSHOT_MS: u64 = 10 * 60 * 1000;

/// What works beside openraft.
pub(super) struct Started {
    pub(super) contact: Contact,
    pub(super) leader: LeaderWatch,
    pub(super) absence: Absence,
    pub(super) ways: Ways,
}

pub(super) fn start_beside<M: StateMachine>(
    ground: Ground<M>,
    waiters: &Arc<Waiters<M::Reply>>,
    tasks: &Tasks,
) -> Started {
    // A follower's timer runs for one and a half election timeouts at most.
    let contact = Contact::new(ground.election_timeout * 2);
    let leader = LeaderWatch::start(&ground.raft, contact.clone(), tasks);
    let absence = Absence::start(leader.clone(), ground.election_timeout, tasks);
    let (raft, peers) = (|| ground.raft.clone(), || ground.peers.clone());
    let submissions = Proposer::start(raft(), peers(), waiters.clone(), leader.clone(), tasks);
    let kept = waiters.clone();
    tasks.spawn(async move { kept.keep_deadlines().await });
    let applied = ground.applied.clone();
    let (leading, waiting) = (leader.clone(), waiters.clone());
    let readers = Barrier::start(raft(), peers(), leading, applied, waiting, tasks.clone());
    let changes = Reconfiguration::start(ground, leader.clone(), tasks);
    Started { contact, leader, absence, ways: Ways { submissions, readers, changes } }
}

/// The way to the other members.
pub(super) fn peers(options: &Options, figures: &Arc<Figures>, tasks: &Tasks) -> Peers {
    let pace = Pace {
        heartbeat_interval: options.heartbeat_interval,
        election_timeout: options.election_timeout,
    };
    Peers::new(
        options.cluster,
        options.member,
        options.version,
        options.connect.clone(),
        pace,
        figures.clone(),
        tasks.clone(),
    )
}

/// Starts openraft on its thread: all its tasks run where the first of them is spawned.
pub(super) async fn start_on<M: StateMachine>(
    thread: &Thread,
    starting: impl Future<Output = Result<OpenRaft<M>, Fatal<TypeConfig>>> + Send + 'static,
) -> Result<OpenRaft<M>, Error> {
    let started = thread.handle().spawn(starting).await;
    let started = started.map_err(|error| Error::Stopped(error.to_string()))?;
    started.map_err(|error| Error::Stopped(error.to_string()))
}

/// Begins a new cluster, if there is one to begin.
pub(super) async fn found<M: StateMachine>(
    raft: &OpenRaft<M>,
    bootstrap: Option<Membership>,
) -> Result<(), Error> {
    let Some(membership) = bootstrap else { return Ok(()) };
    let initialized = raft.initialize(membership.nodes()).await;
    initialized.map_err(|error| Error::Stopped(error.to_string()))
}

/// Proposal ids of two members, or of two lives of one, must not meet in the log's tail.
pub(super) fn first_proposal_id(member: MemberId) -> u64 {
    member.0.rotate_left(32) ^ rand::random::<u64>()
}

/// The log, which goes on where the state ends or before.
pub(super) async fn open_log(
    log: Log,
    applied: &Applied,
    failure: Failure,
    hold: Hold,
) -> Result<LogStore, Error> {
    leave_to_state(&log, applied.position).await?;
    let log = LogStore::open(log, failure, hold)?;
    check_state_reaches_log(&log, applied)?;
    Ok(log)
}

/// The log may have let go only of what the state holds.
fn check_state_reaches_log(log: &LogStore, applied: &Applied) -> Result<(), Error> {
    let purged = log.purged();
    if purged.index > applied.position.index {
        return Err(Error::Damaged(format!(
            "the state reaches entry {}, but the raft log starts only after entry {}: the state \
             was lost or replaced; restore this member from its peers or from a snapshot",
            applied.position.index, purged.index
        )));
    }
    Ok(())
}

pub(super) fn config(options: &Options) -> Result<Config, Error> {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let election = milliseconds(options.election_timeout);
    let config = Config {
        cluster_name: options.cluster.to_string(),
        heartbeat_interval: milliseconds(options.heartbeat_interval),
        // A follower waits for the maximum plus a random part of this range: one to one and a half
        // election timeouts, where etcd waits for one to two.
        election_timeout_min: election / 2,
        election_timeout_max: election,
        install_snapshot_timeout: INSTALL_SNAPSHOT_MS,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(options.snapshot_entries),
        // What is purged and when is decided in `retention`; a member gets a snapshot only when the
        // entries that it needs are gone.
        max_in_snapshot_log_to_keep: u64::MAX,
        replication_lag_threshold: u64::MAX,
        enable_pre_vote: Some(options.pre_vote),
        // A restarted leader must be elected again: its state may not have reached the log's end.
        enable_leader_restore: Some(false),
        ..Config::default()
    };
    config.validate().map_err(|error| Error::Stopped(error.to_string()))
}
