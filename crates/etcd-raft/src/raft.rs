//! The face of the consensus: propose, read, hand over, stop.

mod starting;
mod members;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use etcd_membership::{ClusterId, MemberId, Members};
use etcd_proto::raftpb::Proposal;
use etcd_storage::Log;
use futures_util::future::BoxFuture;
use openraft::RaftMetrics;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tonic::service::Routes;

use crate::absence::Absence;
use crate::failure::Failure;
use crate::leader::{Leader, LeaderWatch};
use crate::link::Connect;
use crate::log_store::LogView;
use crate::machine::{Applier, Machine, Shown};
use crate::network::{NetworkFactory, Peers};
use crate::openraft_types::{OpenRaft, TypeConfig};
use crate::peer_service::{PeerService, Shared};
use crate::proposer::Submission;
use crate::reconfiguration::Ground;
use crate::tasks::{Tasks, Thread};
use crate::waiters::Waiters;
use crate::ways::Ways;
use crate::{
    Applied, Error, Figures, LogFacts, Membership, Position, ProposeError, ReadError, StateMachine,
    Status, TransferError, retention,
};

pub use members::Progress;
use starting::{
    Started, config, first_proposal_id, found, open_log, peers, start_beside, start_on,
};

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
    /// How many members may learn at a time.
    pub max_learners: usize,
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
    ways: Ways,
    waiters: Arc<Waiters<R>>,
    peers: Peers,
    leader: LeaderWatch,
    absence: Absence,
    applied: watch::Receiver<Position>,
    members: watch::Receiver<Arc<Members>>,
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
    /// Log and state are unreadable or do not fit each other. What they hold is still there then.
    pub async fn start<M: StateMachine<Reply = R>>(
        options: Options,
        machine: M,
    ) -> Result<Raft<R>, Error> {
        let config = Arc::new(config(&options)?);
        let thread = Thread::start().map_err(|error| Error::Stopped(error.to_string()))?;
        let tasks = Tasks::new(thread.handle().clone(), Handle::current());
        let (failure, figures) = (Failure::default(), Arc::<Figures>::default());
        let peers = peers(&options, &figures, &tasks);
        let applied = Applied::load(machine.storage())?;
        let log = open_log(options.log, &applied, failure.clone(), tasks.hold()).await?;
        let waiters = Arc::new(Waiters::new(first_proposal_id(options.member)));
        let (shown, applied_position, members) = Shown::of(&applied, machine.members());
        let storage = machine.storage().clone();
        let network = NetworkFactory { peers: peers.clone(), storage: storage.clone() };
        let is_fresh = log.is_fresh() && applied.position.index == 0;
        let applier = Applier {
            machine,
            applied,
            waiters: waiters.clone(),
            shown,
            reservations: log.reservations().clone(),
            failure: failure.clone(),
            figures: figures.clone(),
            hold: tasks.hold(),
        };
        let machine = Machine::new(applier, tasks.clone());
        let starting = openraft::Raft::new(options.member.0, config, network, log.clone(), machine);
        let raft: OpenRaft<M> = start_on(&thread, starting).await?;
        found(&raft, options.bootstrap.filter(|_| is_fresh)).await?;
        let ground = Ground {
            member: options.member,
            raft: raft.clone(),
            peers: peers.clone(),
            applied: applied_position.clone(),
            members: members.clone(),
            max_learners: options.max_learners,
            election_timeout: options.election_timeout,
        };
        let Started { contact, leader, absence, ways } = start_beside(ground, &waiters, &tasks);
        tasks.spawn(retention::run(raft.clone(), log.clone(), options.catch_up_entries));
        let service = PeerService::new(Shared {
            cluster: options.cluster,
            member: options.member,
            raft: raft.clone(),
            ways: ways.clone(),
            members: members.clone(),
            storage,
            contact,
            figures: figures.clone(),
            tasks: tasks.clone(),
        });
        let handle = Inner {
            member: options.member,
            election_timeout: options.election_timeout,
            ways,
            waiters,
            peers,
            leader,
            absence,
            applied: applied_position,
            members,
            failure,
            figures,
            log: log.view(),
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
    pub fn propose(
        &self,
        command: Bytes,
        deadline: Instant,
    ) -> impl Future<Output = Result<R, ProposeError>> + Send {
        self.propose_as(command, deadline, |_| ())
    }

    /// The same for a caller that wants to know first under which [`crate::Proposal::id`] the
    /// command will be applied here.
    ///
    /// # Errors
    /// As [`Raft::propose`].
    pub async fn propose_as(
        &self,
        command: Bytes,
        deadline: Instant,
        tell: impl FnOnce(u64),
    ) -> Result<R, ProposeError> {
        let shared = &self.shared;
        let (id, mut reply) = shared.waiters.register(deadline);
        tell(id);
        // Gives up the place among the waiters when the caller goes away, too.
        let mut place = Place { waiters: &shared.waiters, id, left: false };
        let submission = Submission::Local(Proposal { id, command });
        // The waiters tell everything: the reply, that the time is over, and that the member stops.
        let answered = tokio::select! {
            biased;
            sent = shared.ways.submissions.send(submission) => match sent {
                Ok(()) => (&mut reply).await.ok(),
                Err(_) => None,
            },
            answered = &mut reply => answered.ok(),
        };
        place.left = answered.is_some();
        let answered = answered.unwrap_or(Err(ProposeError::Stopped));
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
            shared.ways.readers.send(reader).await.map_err(|_| ReadError::Stopped)?;
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
        (len(&self.shared.ways.submissions), len(&self.shared.ways.readers))
    }

    /// What this member knows right now.
    pub fn status(&self) -> Status {
        let applied = *self.shared.applied.borrow();
        let member = self.shared.member;
        let (term, leader) = self.shared.leader.term_and_leader();
        self.shared.leader.metrics.with(|metrics| {
            let node = metrics.membership_config.get_node(&member.0);
            Status {
                member,
                leader: leader.map(MemberId),
                term,
                committed: committed(metrics).max(applied.index),
                applied,
                is_learner: node.is_some_and(|node| node.is_learner),
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
        self.shared.leader.successor(self.shared.member)
    }

    /// Stops to take part. Callers that wait are told so.
    pub async fn shutdown(&self) {
        self.shared.tasks.stop();
        self.shared.waiters.clear();
        self.shared.core.shutdown().await;
        self.shared.tasks.ended().await;
        // Also those who came before nobody took submissions any more.
        self.shared.waiters.clear();
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

impl<R> Drop for Place<'_, R> {
    fn drop(&mut self) {
        if !self.left {
            self.waiters.forget(self.id);
        }
    }
}
