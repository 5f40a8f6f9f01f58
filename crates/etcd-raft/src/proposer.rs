//! Commands on their way to the leader: those that wait together travel together.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use etcd_proto::raftpb::{self, Message, MessageType, Proposal, ProposalBatch};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use openraft::errors::{ClientWriteError, ForwardReason, RaftError};
use prost::Message as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::leader::{Leader, LeaderWatch};
use crate::link::LinkError;
use crate::network::{Peers, Purpose};
use crate::openraft_types::{Commands, OpenRaft};
use crate::tasks::Tasks;
use crate::waiters::Waiters;
use crate::{ProposeError, StateMachine};

/// Commands that share one log entry.
const BATCH_COMMANDS: usize = 512;
/// Bytes of commands that share one log entry, unless a single command is larger.
const BATCH_BYTES: usize = 512 << 10;
/// Batches under way: one being written while the next is being applied.
const BATCHES_IN_FLIGHT: usize = 2;
/// Submissions that wait to be batched before submitters have to wait themselves.
const QUEUE: usize = 16 << 10;
/// How long commands that were refused wait before they are tried again, when nothing is heard of a
/// new leader earlier.
const RETRY_AFTER: Duration = Duration::from_millis(20);

/// Something to be proposed.
pub(crate) enum Submission {
    /// A command of a caller on this member.
    Local(Proposal),
    /// A batch that another member forwards, because it takes this one for the leader.
    Forwarded {
        /// The other member's commands.
        proposals: Vec<Proposal>,
        /// Told whether they were taken over; they are in no log if not.
        taken: oneshot::Sender<Taken>,
    },
}

/// What a leader says of a forwarded batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Appended, and applied unless leadership was lost meanwhile.
    Appended,
    /// Refused: not leader, or not sure to be.
    Refused,
}

/// The way into a member's [`Proposer`].
pub(crate) type Submissions = mpsc::Sender<Submission>;

/// Gathers waiting commands into batches and brings them into the leader's log.
pub(crate) struct Proposer<M: StateMachine> {
    raft: OpenRaft<M>,
    peers: Peers,
    waiters: Arc<Waiters<M::Reply>>,
    leader: LeaderWatch,
    submissions: mpsc::Receiver<Submission>,
    /// Commands of this member, in the order of their arrival.
    local: VecDeque<Proposal>,
    forwarded: VecDeque<(Vec<Proposal>, oneshot::Sender<Taken>)>,
    in_flight: FuturesUnordered<Pin<Box<dyn Future<Output = Finished> + Send>>>,
    retry_at: Option<Instant>,
}

/// A batch that is no longer under way.
struct Finished {
    local: Vec<Proposal>,
    forwarded: Vec<oneshot::Sender<Taken>>,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// In the log. The callers are answered by the state machine.
    Appended,
    /// In no log.
    Refused,
    /// In no log, since the leader is handing over: etcd tries no other.
    Dropped,
    /// Perhaps in a log: never tried again, or a command could take effect twice.
    Unknown,
}

impl<M: StateMachine> Proposer<M> {
    pub(crate) fn start(
        raft: OpenRaft<M>,
        peers: Peers,
        waiters: Arc<Waiters<M::Reply>>,
        leader: LeaderWatch,
        tasks: &Tasks,
    ) -> Submissions {
        let (sender, submissions) = mpsc::channel(QUEUE);
        let proposer = Proposer {
            raft,
            peers,
            waiters,
            leader,
            submissions,
            local: VecDeque::new(),
            forwarded: VecDeque::new(),
            in_flight: FuturesUnordered::new(),
            retry_at: None,
        };
        tasks.spawn(proposer.run());
        sender
    }

    async fn run(mut self) {
        let mut received = Vec::with_capacity(BATCH_COMMANDS);
        loop {
            let leader = self.dispatch();
            let waiting = self.local.len() + self.forwarded.len();
            let retry_at = self.retry_at;
            tokio::select! {
                count = self.submissions.recv_many(&mut received, BATCH_COMMANDS),
                    if waiting < BATCH_COMMANDS * 2 => {
                    if count == 0 {
                        return;
                    }
                    for submission in received.drain(..) {
                        self.accept(submission);
                    }
                }
                Some(finished) = self.in_flight.next(), if !self.in_flight.is_empty() => {
                    self.finish(finished);
                }
                changed = self.leader.changed_from(&leader) => {
                    if changed.is_err() {
                        return;
                    }
                    self.retry_at = None;
                }
                () = sleep_until(retry_at), if retry_at.is_some() => self.retry_at = None,
            }
        }
    }

    fn accept(&mut self, submission: Submission) {
        match submission {
            Submission::Local(proposal) => self.local.push_back(proposal),
            Submission::Forwarded { proposals, taken } => {
                self.forwarded.push_back((proposals, taken));
            }
        }
    }

    /// Starts batches while there are commands, a leader, and room. Answers the leader it found.
    fn dispatch(&mut self) -> Leader {
        let leader = self.leader.current();
        while self.in_flight.len() < BATCHES_IN_FLIGHT
            && self.retry_at.is_none()
            && !(self.local.is_empty() && self.forwarded.is_empty())
        {
            if leader != Leader::This {
                // Only a leader takes what others forward: a batch never travels twice.
                for (_, taken) in self.forwarded.drain(..) {
                    let _ = taken.send(Taken::Refused);
                }
            }
            match &leader {
                Leader::Unknown => {
                    self.forget_abandoned();
                    // Nothing tells when a quorum is heard again.
                    self.retry_at = Some(Instant::now() + RETRY_AFTER);
                }
                Leader::This => self.append(),
                Leader::Other { member, urls } => self.forward(&leader, *member, urls),
            }
        }
        leader
    }

    fn append(&mut self) {
        let (local, mut batch) = self.take_local();
        let mut bytes = batch.iter().map(|proposal| proposal.command.len()).sum::<usize>();
        let mut forwarded = Vec::new();
        while bytes < BATCH_BYTES && batch.len() < BATCH_COMMANDS {
            let Some((proposals, taken)) = self.forwarded.pop_front() else { break };
            bytes += proposals.iter().map(|proposal| proposal.command.len()).sum::<usize>();
            batch.extend(proposals);
            forwarded.push(taken);
        }
        if batch.is_empty() {
            return;
        }
        let commands = encode(batch);
        let raft = self.raft.clone();
        self.in_flight.push(Box::pin(async move {
            let outcome = match raft.client_write(Commands(commands)).await {
                Ok(_) => Outcome::Appended,
                // Refused before it was appended: openraft says so only then.
                Err(RaftError::APIError(ClientWriteError::ForwardToLeader(refusal))) => {
                    match refusal.reason {
                        ForwardReason::LeadershipTransfer => Outcome::Dropped,
                        _ => Outcome::Refused,
                    }
                }
                Err(_) => Outcome::Unknown,
            };
            Finished { local, forwarded, outcome }
        }));
    }

    fn forward(&mut self, leader: &Leader, member: u64, urls: &[String]) {
        let (local, batch) = self.take_local();
        if batch.is_empty() {
            return;
        }
        let link = self.peers.link(member, urls, Purpose::Propose);
        let entry = raftpb::Entry { data: encode(batch), ..raftpb::Entry::default() };
        let message = Message {
            r#type: MessageType::MsgProp.into(),
            entries: vec![entry],
            ..Message::default()
        };
        let answer = link.call(message);
        let mut watch = self.leader.clone();
        let leader = leader.clone();
        self.in_flight.push(Box::pin(async move {
            let outcome = tokio::select! {
                answer = answer => match answer {
                    Ok(answer) if answer.reject => Outcome::Refused,
                    Ok(_) => Outcome::Appended,
                    Err(LinkError::NotSent(_)) => Outcome::Refused,
                    Err(LinkError::Lost(_)) => {
                        watch.broke(member);
                        Outcome::Unknown
                    }
                },
                // A leader that is no more may never answer, and must not keep its successor waiting.
                _ = watch.changed_from(&leader) => Outcome::Unknown,
            };
            Finished { local, forwarded: Vec::new(), outcome }
        }));
    }

    /// Takes a batch's worth of this member's commands: once to keep for another try, once to send
    /// (the commands' bytes are shared).
    fn take_local(&mut self) -> (Vec<Proposal>, Vec<Proposal>) {
        let mut bytes = 0;
        let mut count = 0;
        for proposal in self.local.iter().take(BATCH_COMMANDS) {
            bytes += proposal.command.len();
            if bytes > BATCH_BYTES && count > 0 {
                break;
            }
            count += 1;
        }
        let mut local: Vec<Proposal> = self.local.drain(..count).collect();
        self.waiters.dispatch(&mut local, |proposal| proposal.id);
        let batch = local.clone();
        (local, batch)
    }

    fn finish(&mut self, finished: Finished) {
        let taken = match finished.outcome {
            Outcome::Appended => Some(Taken::Appended),
            Outcome::Refused | Outcome::Dropped => Some(Taken::Refused),
            Outcome::Unknown => None,
        };
        for sender in finished.forwarded {
            // Without an answer the other member learns from its own log what became of them.
            taken.map(|taken| sender.send(taken));
        }
        if finished.outcome == Outcome::Dropped {
            let ids = finished.local.iter().map(|proposal| proposal.id);
            for caller in self.waiters.take(ids).into_iter().flatten() {
                // A caller that gave up needs no answer.
                let _ = caller.send(Err(ProposeError::Dropped));
            }
        } else if finished.outcome == Outcome::Refused {
            self.waiters.refused(finished.local.iter().map(|proposal| proposal.id));
            for proposal in finished.local.into_iter().rev() {
                self.local.push_front(proposal);
            }
            self.retry_at = Some(Instant::now() + RETRY_AFTER);
        }
    }

    /// Lets go of commands whose callers have given up while there was no leader.
    fn forget_abandoned(&mut self) {
        let waiters = &self.waiters;
        self.local.retain(|proposal| waiters.is_waiting(proposal.id));
    }
}

fn encode(proposals: Vec<Proposal>) -> Bytes {
    Bytes::from(ProposalBatch { proposals }.encode_to_vec())
}

async fn sleep_until(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}
