//! The face of the consensus: propose, read, hand over, stop.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use etcd_membership::{ClusterId, MemberId};
use etcd_proto::raftpb::Proposal;
use etcd_storage::Log;
use futures_util::future::BoxFuture;
use openraft::errors::Fatal;
use openraft::{Config, RaftMetrics, SnapshotPolicy};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tonic::service::Routes;

use crate::absence::Absence;
use crate::barrier::{Barrier, Readers};
use crate::contact::Contact;
use crate::failure::Failure;
use crate::leader::{Leader, LeaderWatch};
use crate::link::Connect;
use crate::log_store::{LogStore, LogView};
use crate::machine::Machine;
use crate::network::{NetworkFactory, Pace, Peers};
use crate::openraft_types::{OpenRaft, TypeConfig};
use crate::peer_service::{PeerService, Shared};
use crate::proposer::{Proposer, Submission, Submissions};
use crate::tasks::{Tasks, Thread};
use crate::waiters::{Abandoned, Waiters};
use crate::{
    Applied, Error, Figures, LogFacts, Membership, Position, ProposeError, ReadError, StateMachine,
    Status, TransferError, retention,
};

/// How long a follower's installation of a snapshot may take.
const INSTALL_SNAPSHOT_MS: u64 = 10 * 60 * 1000;

/// What a member needs to take part.
pub struct Options {
    /// This member.
    pub member: MemberId,
    /// Its cluster: members of another are refused.
    pub cluster: ClusterId,
    /// The server version told to other members.
    pub version: &'static str,
    /// The members of a new cluster. Ignored when the log holds anything: then it knows better.
    pub bootstrap: Option<Membership>,
    /// This member's log.
    pub log: Log,
    /// How other members are reached.
    pub connect: Connect,
    /// How often a leader asserts itself.
    pub heartbeat_interval: Duration,
    /// How long a follower waits for a leader, at least.
    pub election_timeout: Duration,
    /// Entries applied between two flushes of the state, which let the log before them go.
    pub snapshot_entries: u64,
    /// Entries kept behind a flush for members that are slower.
    pub catch_up_entries: u64,
    /// Whether a member asks around before it disturbs a leader with an election.
    pub pre_vote: bool,
}

/// A member's handle on the consensus. Cheap to clone.
pub struct Raft<R> {
    shared: Arc<Inner<R>>,
}

impl<R> Clone for Raft<R> {
    fn clone(&self) -> Raft<R> {
        Raft { shared: self.shared.clone() }
    }
}

struct Inner<R> {
    member: MemberId,
    election_timeout: Duration,
    submissions: Submissions,
    readers: Readers,
    waiters: Arc<Waiters<R>>,
    peers: Peers,
    leader: LeaderWatch,
    absence: Absence,
    applied: watch::Receiver<Position>,
    failure: Failure,
    figures: Arc<Figures>,
    log: LogView,
    tasks: Tasks,
    core: Box<dyn Core>,
    routes: Routes,
    thread: Thread,
}

/// What needs openraft itself, whatever the state machine is.
trait Core: Send + Sync {
    fn transfer_leader(&self, target: u64) -> BoxFuture<'_, bool>;
    fn shutdown(&self) -> BoxFuture<'_, ()>;
}

struct CoreOf<M: StateMachine> {
    raft: OpenRaft<M>,
    service: PeerService<M>,
}

impl<M: StateMachine> Core for CoreOf<M> {
    fn transfer_leader(&self, target: u64) -> BoxFuture<'_, bool> {
        Box::pin(async move { self.raft.trigger().transfer_leader(target).await.is_ok() })
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.service.close();
            if let Err(error) = self.raft.shutdown().await {
                tracing::warn!(%error, "raft did not stop cleanly");
            }
        })
    }
}

impl<R: Send + 'static> Raft<R> {
    /// Starts to take part: with the members of `bootstrap` when the log is new, else as the log says.
    /// Entries that were known as committed are applied before this returns.
    ///
    /// # Errors
    /// Log and state are unreadable or do not fit each other. Nothing was changed then.
    pub async fn start<M: StateMachine<Reply = R>>(
        options: Options,
        machine: M,
    ) -> Result<Raft<R>, Error> {
        let config = Arc::new(config(&options)?);
        let thread = Thread::start().map_err(|error| Error::Stopped(error.to_string()))?;
        let tasks = Tasks::new(thread.handle().clone(), Handle::current());
        let (failure, figures) = (Failure::default(), Arc::<Figures>::default());
        let peers = peers(&options, &figures, &tasks);
        let log = LogStore::open(options.log, failure.clone(), tasks.hold())?;
        let applied = Applied::load(machine.storage())?;
        check_state_reaches_log(&log, &applied)?;
        let waiters = Arc::new(Waiters::new(first_proposal_id(options.member)));
        let (position, applied_position) = watch::channel(applied.position);
        let storage = machine.storage().clone();
        let network = NetworkFactory { peers: peers.clone(), storage: storage.clone() };
        let is_fresh = log.is_fresh() && applied.position.index == 0;
        let bootstrap = options.bootstrap.filter(|_| is_fresh);
        let machine = Machine::new(
            machine,
            applied,
            waiters.clone(),
            position,
            failure.clone(),
            figures.clone(),
            tasks.clone(),
        );
        let starting = openraft::Raft::new(options.member.0, config, network, log.clone(), machine);
        let raft: OpenRaft<M> = start_on(&thread, starting).await?;
        found(&raft, bootstrap).await?;
        // A follower's timer runs for one and a half election timeouts at most.
        let contact = Contact::new(options.election_timeout * 2);
        let leader = LeaderWatch::start(&raft, contact.clone(), &tasks);
        let absence = Absence::start(leader.clone(), options.election_timeout, &tasks);
        let submissions =
            Proposer::start(raft.clone(), peers.clone(), waiters.clone(), leader.clone(), &tasks);
        let applied = applied_position.clone();
        let readers =
            Barrier::start(raft.clone(), peers.clone(), leader.clone(), applied, tasks.clone());
        let view = log.view();
        tasks.spawn(retention::run(raft.clone(), log, options.catch_up_entries));
        let service = PeerService::new(Shared {
            cluster: options.cluster,
            member: options.member,
            raft: raft.clone(),
            submissions: submissions.clone(),
            storage,
            contact,
            figures: figures.clone(),
            tasks: tasks.clone(),
        });
        let handle = Inner {
            member: options.member,
            election_timeout: options.election_timeout,
            submissions,
            readers,
            waiters,
            peers,
            leader,
            absence,
            applied: applied_position,
            failure,
            figures,
            log: view,
            tasks,
            routes: service.routes(),
            core: Box::new(CoreOf { raft, service }),
            thread,
        };
        Ok(Raft { shared: Arc::new(handle) })
    }

    /// Brings `command` into the log and waits until this member has applied it.
    ///
    /// # Errors
    /// See [`ProposeError`]: only `NotAccepted` and `Dropped` mean that the command has no effect
    /// for sure.
    pub async fn propose(&self, command: Bytes, deadline: Instant) -> Result<R, ProposeError> {
        let shared = &self.shared;
        let (id, reply) = shared.waiters.register();
        // Gives up the place among the waiters when the caller goes away, too.
        let mut place = Place { waiters: &shared.waiters, id, left: false };
        let submission = Submission::Local(Proposal { id, command });
        let answered = async {
            shared.submissions.send(submission).await.map_err(|_| ProposeError::Stopped)?;
            reply.await.unwrap_or(Err(ProposeError::Stopped))
        };
        let answered = tokio::select! {
            answered = answered => answered,
            () = tokio::time::sleep_until(deadline) => Err(match place.leave() {
                Abandoned::BeforeDispatch => ProposeError::NotAccepted,
                Abandoned::AfterDispatch => ProposeError::Unknown,
            }),
            () = shared.tasks.stopping() => Err(ProposeError::Stopped),
        };
        if answered.is_err() {
            shared.figures.proposals_failed.raise();
        }
        answered
    }

    /// Waits until this member's state holds everything that was committed before the call.
    ///
    /// # Errors
    /// No leader confirmed in time, the state did not get there in time, or a leader became known
    /// while it was to be confirmed: then it is worth asking again at once.
    pub async fn read_barrier(&self, deadline: Instant) -> Result<(), ReadError> {
        let (reader, ready) = oneshot::channel();
        let shared = &self.shared;
        let confirmed = async {
            shared.readers.send(reader).await.map_err(|_| ReadError::Stopped)?;
            ready.await.unwrap_or(Err(ReadError::Stopped))
        };
        tokio::select! {
            confirmed = confirmed => confirmed,
            () = tokio::time::sleep_until(deadline) => Err(ReadError::TimedOut),
            () = shared.tasks.stopping() => Err(ReadError::Stopped),
        }
    }

    /// What was counted and timed so far.
    pub fn figures(&self) -> &Figures {
        &self.shared.figures
    }

    /// This member's log as it is; nothing once the member has stopped.
    pub fn log_facts(&self) -> Option<LogFacts> {
        self.shared.log.facts()
    }

    /// How often a leader became known: another one, or one that was lost meanwhile.
    pub fn leader_changes(&self) -> u64 {
        self.shared.leader.changes()
    }

    /// How many callers on this member wait for their command.
    pub fn proposals_pending(&self) -> usize {
        self.shared.waiters.len()
    }

    /// How many commands wait for others to go before them, and how many reads for a barrier.
    pub fn queues(&self) -> (usize, usize) {
        fn len<T>(queue: &tokio::sync::mpsc::Sender<T>) -> usize {
            queue.max_capacity() - queue.capacity()
        }
        (len(&self.shared.submissions), len(&self.shared.readers))
    }

    /// What this member knows right now.
    pub fn status(&self) -> Status {
        let applied = *self.shared.applied.borrow();
        let member = self.shared.member;
        let (term, leader) = self.shared.leader.term_and_leader();
        self.shared.leader.metrics.with(|metrics| {
            let mut learners = metrics.membership_config.membership().learner_ids();
            Status {
                member,
                leader: leader.map(MemberId),
                term,
                committed: committed(metrics).max(applied.index),
                applied,
                is_learner: learners.any(|id| id == member.0),
            }
        })
    }

    /// The leader, if this member knows one: a follower has heard it, a leader was confirmed by a
    /// quorum, within two election timeouts.
    pub fn leader(&self) -> Option<MemberId> {
        self.shared.leader.alive().map(MemberId)
    }

    /// Whether this member knew a leader at some moment since then.
    pub fn had_leader_since(&self, moment: Instant) -> bool {
        self.shared.leader.was_alive_since(moment)
    }

    /// How long a follower waits for a leader, at least.
    pub fn election_timeout(&self) -> Duration {
        self.shared.election_timeout
    }

    /// When this member last became the leader.
    pub fn elected(&self) -> Option<Instant> {
        self.shared.leader.elected()
    }

    /// Whether the connections that leadership needs held all the time since then: a leader's to a
    /// quorum of all members, another's to the leader. `false` without a leader.
    pub fn is_connected_since(&self, moment: Instant) -> bool {
        let shared = &self.shared;
        let own = shared.member.0;
        match shared.leader.alive() {
            None => false,
            Some(leader) if leader != own => shared.leader.is_unbroken_since(leader, moment),
            Some(_) => {
                let members: Vec<u64> = shared
                    .leader
                    .metrics
                    .with(|metrics| metrics.membership_config.nodes().map(|(id, _)| *id).collect());
                let is_connected =
                    |id: &&u64| **id == own || shared.peers.is_active_since(**id, moment);
                members.iter().filter(is_connected).count() > members.len() / 2
            }
        }
    }

    /// How many entries are known as committed and not applied to this member's state.
    pub fn backlog(&self) -> u64 {
        let applied = self.shared.applied.borrow().index;
        self.shared.leader.metrics.with(committed).saturating_sub(applied)
    }

    /// Waits until this member's state holds every entry that it knows as committed now.
    ///
    /// # Errors
    /// The state did not get there in time.
    pub async fn caught_up(&self, deadline: Instant) -> Result<(), ReadError> {
        self.applied(self.shared.leader.metrics.with(committed), deadline).await
    }

    /// Waits until this member's state holds the entry at `index`.
    ///
    /// # Errors
    /// The state did not get there in time.
    pub async fn applied(&self, index: u64, deadline: Instant) -> Result<(), ReadError> {
        let mut applied = self.shared.applied.clone();
        tokio::select! {
            // It ends only with the member.
            reached = applied.wait_for(|applied| applied.index >= index) => {
                reached.map(drop).map_err(|_| ReadError::Stopped)
            }
            () = tokio::time::sleep_until(deadline) => Err(ReadError::TimedOut),
            () = self.shared.tasks.stopping() => Err(ReadError::Stopped),
        }
    }

    /// Waits until no caller on this member waits for the reply to a command.
    pub async fn settled(&self) {
        self.shared.waiters.emptied().await;
    }

    /// Resolves once this member has known no leader for long: at three samples in a row, one in
    /// each election timeout (as etcd watches over streams that need a leader). One task samples
    /// for all who wait. It never resolves once the member stops.
    pub fn leader_lost(&self) -> impl Future<Output = ()> + Send + use<R> {
        self.shared.absence.felt()
    }

    /// Hands leadership to `target` and waits until this member knows it as the leader.
    pub async fn transfer_leader(
        &self,
        target: MemberId,
        deadline: Instant,
    ) -> Result<(), TransferError> {
        let mut metrics = self.shared.leader.metrics.clone();
        if self.shared.leader.current() != Leader::This {
            return Err(TransferError::NotLeader);
        }
        if !metrics.with(|metrics| metrics.membership_config.voter_ids().any(|id| id == target.0)) {
            return Err(TransferError::BadTarget);
        }
        if target == self.shared.member {
            return Ok(());
        }
        if !self.shared.core.transfer_leader(target.0).await {
            return Err(TransferError::Stopped);
        }
        let leads =
            metrics.wait_for(|metrics| (metrics.current_leader == Some(target.0)).then_some(()));
        match tokio::time::timeout_at(deadline, leads).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(TransferError::Stopped),
            Err(_) => Err(TransferError::TimedOut),
        }
    }

    /// The voter that is best prepared to lead after this member: the one whose log reaches
    /// furthest. `None` when this member does not lead, or leads alone.
    pub fn successor(&self) -> Option<MemberId> {
        self.shared.leader.metrics.with(|metrics| {
            let replication = metrics.replication.as_ref()?;
            let voters = metrics.membership_config.voter_ids();
            let others = voters.filter(|id| *id != self.shared.member.0);
            let reached = others.map(|id| (replication.get(&id).copied().flatten(), id));
            reached.max().map(|(_, id)| MemberId(id))
        })
    }

    /// Stops to take part. Callers that wait are told so.
    pub async fn shutdown(&self) {
        self.shared.tasks.stop();
        self.shared.waiters.clear();
        self.shared.core.shutdown().await;
        self.shared.tasks.ended().await;
    }

    /// Resolves with the reason when the consensus cannot go on: the process must end then.
    pub async fn failed(&self) -> Error {
        let shared = &self.shared;
        // The metrics with the reason change with every entry; these only end.
        shared.leader.servers.clone().ended().await;
        let failed = shared.leader.metrics.with(|metrics| metrics.running_state.clone().err());
        let reason = failed.map_or_else(|| "its task ended".to_owned(), |f| f.to_string());
        Error::Stopped(shared.failure.first().unwrap_or(reason))
    }

    /// The gRPC service for the peer listeners.
    pub fn peer_routes(&self) -> Routes {
        self.shared.routes.clone()
    }

    /// The thread of the consensus. The peer listeners are best served there: a message then needs
    /// no other thread between the network and the log.
    pub fn thread(&self) -> &Handle {
        self.shared.thread.handle()
    }
}

/// The way to the other members.
fn peers(options: &Options, figures: &Arc<Figures>, tasks: &Tasks) -> Peers {
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
async fn start_on<M: StateMachine>(
    thread: &Thread,
    starting: impl Future<Output = Result<OpenRaft<M>, Fatal<TypeConfig>>> + Send + 'static,
) -> Result<OpenRaft<M>, Error> {
    let started = thread.handle().spawn(starting).await;
    let started = started.map_err(|error| Error::Stopped(error.to_string()))?;
    started.map_err(|error| Error::Stopped(error.to_string()))
}

/// Begins a new cluster, if there is one to begin.
async fn found<M: StateMachine>(
    raft: &OpenRaft<M>,
    bootstrap: Option<Membership>,
) -> Result<(), Error> {
    let Some(membership) = bootstrap else { return Ok(()) };
    let initialized = raft.initialize(membership.nodes()).await;
    initialized.map_err(|error| Error::Stopped(error.to_string()))
}

/// The last index known to be committed.
fn committed(metrics: &RaftMetrics<TypeConfig>) -> u64 {
    Position::of(metrics.cluster_committed.max(metrics.local_committed)).index
}

/// A caller's place among the waiters.
struct Place<'w, R> {
    waiters: &'w Waiters<R>,
    id: u64,
    left: bool,
}

impl<R> Place<'_, R> {
    fn leave(&mut self) -> Abandoned {
        self.left = true;
        self.waiters.abandon(self.id)
    }
}

impl<R> Drop for Place<'_, R> {
    fn drop(&mut self) {
        if !self.left {
            self.leave();
        }
    }
}

/// Proposal ids of two members, or of two lives of one, must not meet in the log's tail.
fn first_proposal_id(member: MemberId) -> u64 {
    member.0.rotate_left(32) ^ rand::random::<u64>()
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

fn config(options: &Options) -> Result<Config, Error> {
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
