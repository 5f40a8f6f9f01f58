//! What other members send, handed to openraft and to this member's queues.

use std::pin::Pin;
use std::sync::Arc;

use etcd_membership::{ClusterId, MemberId, Members};
use etcd_proto::raftpb::peer_server::{Peer, PeerServer};
use etcd_proto::raftpb::{Message, MessageBatch, MessageType, ProposalBatch, SnapshotChunk};
use etcd_storage::Storage;
use futures_util::stream::FuturesUnordered;
use futures_util::{Stream, StreamExt};
use openraft::raft::StreamAppendError;
use openraft::storage::Snapshot;
use parking_lot::RwLock;
use prost::Message as _;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};

use crate::barrier::read_index;
use crate::contact::Contact;
use crate::link::{MAX_MESSAGE_BYTES, header, removed};
use crate::openraft_types::{
    AppendEntriesRequest, LogId, OpenRaft, RaftState, SnapshotMeta, StreamAppendResult, Vote,
};
use crate::proposer::{Submission, Taken};
use crate::tasks::Tasks;
use crate::ways::Ways;
use crate::{Figures, PeerFigures, StateMachine, codec, reconfiguration, snapshot};

/// Messages of one stream that are worked on at the same time.
const MESSAGES_IN_FLIGHT: usize = 256;
/// Answers that travel in one gRPC message.
const ANSWERS_PER_BATCH: usize = 256;
/// Batches of answers not yet taken by the connection.
const BATCHES_IN_FLIGHT: usize = 4;

/// The peer port's gRPC service.
pub(crate) struct PeerService<M: StateMachine> {
    /// Emptied when the member stops: connections may outlive it.
    shared: Arc<RwLock<Option<Arc<Shared<M>>>>>,
}

impl<M: StateMachine> PeerService<M> {
    pub(crate) fn new(shared: Shared<M>) -> PeerService<M> {
        PeerService { shared: Arc::new(RwLock::new(Some(Arc::new(shared)))) }
    }

    /// The service as it is served, with the limits of peer traffic.
    pub(crate) fn routes(&self) -> Routes {
        let server = PeerServer::new(self.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        Routes::new(server)
    }

    /// Lets go of everything: streams are refused from now on.
    pub(crate) fn close(&self) {
        self.shared.write().take();
    }

    fn shared(&self) -> Result<Arc<Shared<M>>, Status> {
        let shared = self.shared.read().clone();
        shared.ok_or_else(|| Status::unavailable("the member is stopping"))
    }
}

impl<M: StateMachine> Clone for PeerService<M> {
    fn clone(&self) -> PeerService<M> {
        PeerService { shared: self.shared.clone() }
    }
}

/// What the streams of all members need.
pub(crate) struct Shared<M: StateMachine> {
    pub(crate) cluster: ClusterId,
    pub(crate) member: MemberId,
    pub(crate) raft: OpenRaft<M>,
    pub(crate) ways: Ways,
    /// The members as they are applied here.
    pub(crate) members: watch::Receiver<Arc<Members>>,
    pub(crate) storage: Storage,
    pub(crate) contact: Contact,
    pub(crate) figures: Arc<Figures>,
    pub(crate) tasks: Tasks,
}

impl<M: StateMachine> Shared<M> {
    /// Admits only streams of this cluster that are meant for this member.
    fn admit<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let text = |name| {
            let value = request.metadata().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let (from, version) = (text(header::FROM), text(header::VERSION));
        let cluster = text(header::CLUSTER);
        if cluster != self.cluster.to_string() {
            tracing::warn!(
                remote_peer_id = %from,
                remote_peer_cluster_id = %cluster,
                local_member_cluster_id = %self.cluster,
                remote_peer_server_version = %version,
                "request cluster ID mismatch"
            );
            return Err(Status::failed_precondition("cluster ID mismatch"));
        }
        let to = text(header::TO);
        if to != self.member.to_string() {
            tracing::warn!(
                remote_peer_id = %from, wanted = %to, local_member_id = %self.member,
                "request meant for another member"
            );
            let message = format!("member ID mismatch: this is {}, not {to}", self.member);
            return Err(Status::failed_precondition(message));
        }
        self.admit_member(sender(request))
    }

    /// Admits nobody who was removed.
    fn admit_member(&self, member: MemberId) -> Result<(), Status> {
        if self.members.borrow().is_removed(member) { Err(removed()) } else { Ok(()) }
    }

    async fn answer(&self, message: Message) -> Result<Message, Status> {
        let sequence = message.sequence;
        let from = message.from;
        let kind = MessageType::try_from(message.r#type).unwrap_or(MessageType::MsgHup);
        let answer = match kind {
            MessageType::MsgApp => self.append(message).await?,
            MessageType::MsgHeartbeat => self.heartbeat(message).await?,
            MessageType::MsgVote => {
                let answer = self.raft.vote(codec::vote_request_from_wire(&message)).await;
                codec::vote_response_to_wire(MessageType::MsgVoteResp, &answer.map_err(stopped)?)
            }
            MessageType::MsgPreVote => {
                let answer = self.raft.pre_vote(codec::vote_request_from_wire(&message)).await;
                codec::vote_response_to_wire(MessageType::MsgPreVoteResp, &answer.map_err(stopped)?)
            }
            MessageType::MsgTimeoutNow => self.transfer(&message).await?,
            MessageType::MsgReadIndex => self.read_index().await,
            MessageType::MsgProp => self.propose(message).await?,
            MessageType::MsgMemberChange => {
                reconfiguration::answer(&self.ways.changes, &message).await?
            }
            MessageType::MsgGreeting => {
                Message { r#type: MessageType::MsgGreeting.into(), ..Message::default() }
            }
            _ => return Err(Status::unimplemented(format!("message type {kind:?}"))),
        };
        Ok(Message { sequence, to: from, from: self.member.0, ..answer })
    }

    async fn append(&self, message: Message) -> Result<Message, Status> {
        let request = append_request(message)?;
        let result = self.append_request(request).await?;
        Ok(codec::append_result_to_wire(MessageType::MsgAppResp, &result))
    }

    /// Openraft answers when everything that it appended before is on the disk. A heartbeat, and with
    /// it every read barrier, only asks whether this member follows the leader, which no disk decides.
    async fn heartbeat(&self, message: Message) -> Result<Message, Status> {
        let request = append_request(message)?;
        let (vote, previous) = (request.vote, request.prev_log_id);
        let follows = async {
            let (tell, told) = oneshot::channel();
            let look = move |state: &RaftState| {
                // Whoever lacks entries that it had tells more than this.
                let follows = *state.vote_ref() == vote && has(state, previous);
                // The disk may have been faster.
                let _ = tell.send(follows);
            };
            self.raft.external_request(look).await.ok()?;
            told.await.ok()
        };
        let result = tokio::select! {
            // Asked in this order, openraft has dealt with the heartbeat before it lets anybody look.
            biased;
            result = self.append_request(request) => result?,
            Some(true) = follows => {
                self.hear(&vote);
                Ok(previous)
            }
        };
        Ok(codec::append_result_to_wire(MessageType::MsgHeartbeatResp, &result))
    }

    async fn append_request(
        &self,
        request: AppendEntriesRequest,
    ) -> Result<StreamAppendResult, Status> {
        let (vote, previous) = (request.vote, request.prev_log_id);
        let last = request.entries.last().map(|entry| entry.log_id).or(previous);
        let answer = self.raft.append_entries(request).await.map_err(stopped)?;
        let result = answer.into_stream_result(previous, last);
        // Only a leader of an earlier term is no leader; one whose entries do not fit yet is.
        if !matches!(result, Err(StreamAppendError::HigherVote(_))) {
            self.hear(&vote);
        }
        Ok(result)
    }

    /// Notes that the leader of this vote gave a sign of life.
    fn hear(&self, vote: &Vote) {
        self.contact.heard(vote.leader_id.voted_for, vote.leader_id.term);
    }

    async fn transfer(&self, message: &Message) -> Result<Message, Status> {
        let request = codec::transfer_from_wire(message);
        let answer = self.raft.handle_transfer_leader(request).await.map_err(stopped)?;
        let kind = MessageType::MsgTimeoutNow.into();
        Ok(Message { r#type: kind, reject: answer.is_err(), ..Message::default() })
    }

    async fn read_index(&self) -> Message {
        let kind = MessageType::MsgReadIndexResp.into();
        match read_index(&self.raft).await {
            Some(index) => Message { r#type: kind, index, ..Message::default() },
            None => Message { r#type: kind, reject: true, ..Message::default() },
        }
    }

    async fn propose(&self, message: Message) -> Result<Message, Status> {
        let mut proposals = Vec::new();
        for entry in message.entries {
            let batch = ProposalBatch::decode(entry.data)
                .map_err(|error| Status::invalid_argument(error.to_string()))?;
            proposals.extend(batch.proposals);
        }
        let (taken, answer) = oneshot::channel();
        let submission = Submission::Forwarded { proposals, taken };
        let queued = self.ways.submissions.send(submission).await;
        queued.map_err(|_| Status::unavailable("the member is stopping"))?;
        let kind = MessageType::MsgPropResp.into();
        match answer.await {
            Ok(Taken::Refused) => Ok(Message { r#type: kind, reject: true, ..Message::default() }),
            // Also when it is unknown what became of them: only what is in no log may be sent again.
            Ok(Taken::Appended) | Err(_) => Ok(Message { r#type: kind, ..Message::default() }),
        }
    }

    /// Works on one stream's messages side by side and answers each when it is done.
    async fn serve(
        self: Arc<Self>,
        from: MemberId,
        mut messages: Streaming<MessageBatch>,
        answers: mpsc::Sender<Result<MessageBatch, Status>>,
    ) {
        let peer = self.figures.peer(from);
        peer.connected();
        self.converse(from, &peer, &mut messages, answers).await;
        peer.disconnected();
    }

    async fn converse(
        &self,
        from: MemberId,
        peer: &PeerFigures,
        messages: &mut Streaming<MessageBatch>,
        answers: mpsc::Sender<Result<MessageBatch, Status>>,
    ) {
        let mut working = FuturesUnordered::new();
        let mut open = true;
        let mut ready: Vec<Message> = Vec::new();
        while open || !working.is_empty() {
            tokio::select! {
                // Futures are started in the order of arrival, which keeps appends in order.
                batch = messages.message(), if open && working.len() < MESSAGES_IN_FLIGHT => {
                    match batch {
                        Ok(Some(batch)) => {
                            if let Err(refusal) = self.admit_member(from) {
                                // Whoever was removed shall know, if it still listens.
                                let _ = answers.send(Err(refusal)).await;
                                return;
                            }
                            peer.received_bytes.add(batch.encoded_len() as u64);
                            working.extend(batch.messages.into_iter().map(|m| self.answer(m)));
                        }
                        Ok(None) => open = false,
                        Err(_) => {
                            peer.receive_failures.raise();
                            open = false;
                        }
                    }
                }
                Some(answer) = working.next(), if !working.is_empty() => match answer {
                    Ok(answer) => {
                        ready.push(answer);
                        while ready.len() < ANSWERS_PER_BATCH
                            && let Some(Some(Ok(more))) =
                                futures_util::FutureExt::now_or_never(working.next())
                        {
                            ready.push(more);
                        }
                        let batch = MessageBatch { messages: std::mem::take(&mut ready) };
                        peer.sent_bytes.add(batch.encoded_len() as u64);
                        if answers.send(Ok(batch)).await.is_err() {
                            return;
                        }
                    }
                    Err(status) => {
                        let _ = answers.send(Err(status)).await;
                        return;
                    }
                },
                () = answers.closed() => return,
            }
        }
    }
}

/// Who opens a stream.
fn sender<T>(request: &Request<T>) -> MemberId {
    let from = request.metadata().get(header::FROM).and_then(|from| from.to_str().ok());
    MemberId(from.and_then(|from| u64::from_str_radix(from, 16).ok()).unwrap_or_default())
}

fn append_request(message: Message) -> Result<AppendEntriesRequest, Status> {
    codec::append_from_wire(message).map_err(|error| Status::invalid_argument(error.to_string()))
}

/// Whether an entry is in the log, or was before it was purged.
fn has(state: &RaftState, entry: Option<LogId>) -> bool {
    let log = &state.log_ids;
    entry.is_none_or(|entry| log.get(entry.index) == Some(entry) || log.purged() >= Some(&entry))
}

fn stopped(error: impl std::fmt::Display) -> Status {
    Status::unavailable(error.to_string())
}

#[tonic::async_trait]
impl<M: StateMachine> Peer for PeerService<M> {
    type MessagesStream = Pin<Box<dyn Stream<Item = Result<MessageBatch, Status>> + Send>>;

    async fn messages(
        &self,
        request: Request<Streaming<MessageBatch>>,
    ) -> Result<Response<Self::MessagesStream>, Status> {
        let shared = self.shared()?;
        shared.admit(&request)?;
        let (answers, stream) = mpsc::channel(BATCHES_IN_FLIGHT);
        let from = sender(&request);
        let tasks = shared.tasks.clone();
        tasks.spawn(shared.serve(from, request.into_inner(), answers));
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn snapshot(
        &self,
        request: Request<Streaming<SnapshotChunk>>,
    ) -> Result<Response<Message>, Status> {
        let shared = self.shared()?;
        shared.admit(&request)?;
        let peer = shared.figures.peer(sender(&request));
        let receiving = snapshot::receive(&shared.storage, &shared.figures, request.into_inner());
        let (header, applied, files) = peer.snapshots_received.count(receiving).await?;
        let meta = SnapshotMeta {
            last_log_id: applied.position.log_id(),
            last_membership: applied.membership.to_stored(),
        };
        let snapshot = Snapshot { meta, snapshot: files };
        let vote = codec::vote(&header);
        let installed = shared.raft.install_full_snapshot(vote, snapshot).await;
        let response = installed.map_err(stopped)?;
        if response.vote == vote {
            shared.contact.heard(vote.leader_id.voted_for, vote.leader_id.term);
        }
        Ok(Response::new(codec::snapshot_response_to_wire(&response.vote)))
    }
}
