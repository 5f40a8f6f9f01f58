//! Openraft's calls to other members, carried by links.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use etcd_figures::Lap;
use etcd_membership::{ClusterId, MemberId};
use etcd_proto::raftpb::{Message, MessageType};
use etcd_storage::Storage;
use futures_util::{Stream, StreamExt};
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    VoteRequest, VoteResponse,
};
use openraft::raft::{StreamAppendError, TransferLeaderError, TransferLeaderResponse};
use openraft::{RaftNetworkFactory, RaftNetworkV2};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::codec;
use crate::link::{Connect, Link, LinkError, Route};
use crate::openraft_types::{Node, Snapshot, StreamAppendResult, TypeConfig, Vote};
use crate::snapshot;
use crate::tasks::{Hold, Tasks};
use crate::{Figures, PeerFigures};

/// Append messages to one member that may be under way.
const APPENDS_IN_FLIGHT: usize = 64;

/// What a stream is for. Each purpose has a connection of its own, so that a large append or a
/// snapshot never delays a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    /// Entries.
    Append,
    /// Heartbeats, votes, read indexes: small and urgent.
    Control,
    /// Proposals on their way to the leader.
    Propose,
}

/// How fast members expect to hear from each other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) heartbeat_interval: Duration,
    pub(crate) election_timeout: Duration,
}

/// The links to all other members.
#[derive(Clone)]
pub(crate) struct Peers {
    shared: Arc<Shared>,
}

struct Shared {
    cluster: ClusterId,
    member: MemberId,
    version: &'static str,
    connect: Connect,
    /// A control message unanswered for this long means that the connection is dead.
    control_silence: Duration,
    /// The same for messages that wait for the other member's disk.
    append_silence: Duration,
    /// A heartbeat that is sent this long after the one before is late.
    late_heartbeat: Duration,
    figures: Arc<Figures>,
    tasks: Tasks,
    links: Mutex<HashMap<(u64, Purpose), Opened>>,
}

/// A link, and the URLs that it was opened for.
struct Opened {
    urls: Vec<String>,
    link: Link,
}

impl Peers {
    pub(crate) fn new(
        cluster: ClusterId,
        member: MemberId,
        version: &'static str,
        connect: Connect,
        pace: Pace,
        figures: Arc<Figures>,
        tasks: Tasks,
    ) -> Peers {
        let Pace { heartbeat_interval, election_timeout } = pace;
        let shared = Shared {
            cluster,
            member,
            version,
            connect,
            control_silence: election_timeout,
            append_silence: election_timeout * 5,
            late_heartbeat: heartbeat_interval * 2,
            figures,
            tasks,
            links: Mutex::new(HashMap::new()),
        };
        Peers { shared: Arc::new(shared) }
    }

    /// The link to a member, opened when there is none, replaced when its URLs changed.
    pub(crate) fn link(&self, member: u64, urls: &[String], purpose: Purpose) -> Link {
        let mut links = self.shared.links.lock();
        if let Some(opened) = links.get(&(member, purpose))
            && opened.urls == urls
        {
            return opened.link.clone();
        }
        let silence = match purpose {
            Purpose::Control => self.shared.control_silence,
            Purpose::Append | Purpose::Propose => self.shared.append_silence,
        };
        let shared = &self.shared;
        let route = self.route(member, urls);
        let figures = shared.figures.peer(MemberId(member));
        let link = Link::open(route, shared.connect.clone(), silence, figures, &shared.tasks);
        let opened = Opened { urls: urls.to_vec(), link: link.clone() };
        links.insert((member, purpose), opened);
        link
    }

    /// What this member counts of its consensus.
    pub(crate) fn figures(&self) -> &Figures {
        &self.shared.figures
    }

    /// Whether heartbeats and votes reach this member, and did all the time since then.
    pub(crate) fn is_active_since(&self, member: u64, moment: Instant) -> bool {
        let links = self.shared.links.lock();
        let opened = links.get(&(member, Purpose::Control));
        opened.is_some_and(|opened| opened.link.is_active_since(moment))
    }

    fn route(&self, member: u64, urls: &[String]) -> Route {
        Route {
            cluster: self.shared.cluster,
            from: self.shared.member,
            to: MemberId(member),
            urls: urls.to_vec(),
            version: self.shared.version,
        }
    }
}

/// Makes a [`Network`] for each member that openraft talks to.
pub(crate) struct NetworkFactory {
    pub(crate) peers: Peers,
    pub(crate) storage: Storage,
}

impl RaftNetworkFactory<TypeConfig> for NetworkFactory {
    type Network = Network;

    async fn new_client(&mut self, target: u64, node: &Node) -> Network {
        self.network(target, node, Purpose::Append)
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &Node) -> Network {
        self.network(target, node, Purpose::Control)
    }
}

impl NetworkFactory {
    fn network(&self, target: u64, node: &Node, purpose: Purpose) -> Network {
        Network {
            appends: self.peers.link(target, &node.peer_urls, purpose),
            control: self.peers.link(target, &node.peer_urls, Purpose::Control),
            kind: match purpose {
                Purpose::Control => MessageType::MsgHeartbeat,
                Purpose::Append | Purpose::Propose => MessageType::MsgApp,
            },
            route: self.peers.route(target, &node.peer_urls),
            connect: self.peers.shared.connect.clone(),
            storage: self.storage.clone(),
            last_heartbeat: None,
            late_heartbeat: self.peers.shared.late_heartbeat,
            figures: self.peers.shared.figures.clone(),
            peer: self.peers.shared.figures.peer(MemberId(target)),
            _hold: self.peers.shared.tasks.hold(),
        }
    }
}

/// One member as openraft reaches it.
pub(crate) struct Network {
    appends: Link,
    control: Link,
    kind: MessageType,
    route: Route,
    connect: Connect,
    storage: Storage,
    /// Since when no heartbeat was sent, once one was.
    last_heartbeat: Option<Lap>,
    late_heartbeat: Duration,
    figures: Arc<Figures>,
    peer: Arc<PeerFigures>,
    _hold: Hold,
}

impl Network {
    /// Counts a heartbeat that comes late.
    fn note_heartbeat(&mut self) {
        let last = self.last_heartbeat.replace(Lap::begin());
        if last.is_some_and(|last| last.so_far() > self.late_heartbeat) {
            self.figures.late_heartbeats.raise();
        }
    }

    async fn call(
        &self,
        link: &Link,
        message: Message,
        option: &RPCOption,
    ) -> Result<Message, RPCError<TypeConfig>> {
        let answer = tokio::time::timeout(option.soft_ttl(), link.call(message)).await;
        let late = || RPCError::Network(NetworkError::from_string("no answer in time"));
        answer.map_err(|_| late())?.map_err(rpc_error)
    }
}

fn rpc_error(error: LinkError) -> RPCError<TypeConfig> {
    match error {
        LinkError::NotSent(reason) => RPCError::Unreachable(Unreachable::from_string(reason)),
        LinkError::Lost(reason) => RPCError::Network(NetworkError::from_string(reason)),
    }
}

impl RaftNetworkV2<TypeConfig> for Network {
    type SnapshotData = snapshot::SnapshotFiles;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        let message = codec::append_to_wire(self.kind, &rpc);
        let answer = self.call(&self.appends, message, &option).await?;
        Ok(match codec::append_result_from_wire(&answer) {
            Ok(_) => AppendEntriesResponse::Success,
            Err(StreamAppendError::Conflict(_)) => AppendEntriesResponse::Conflict,
            Err(StreamAppendError::HigherVote(vote)) => AppendEntriesResponse::HigherVote(vote),
        })
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<
        's,
        Result<
            BoxStream<'s, Result<StreamAppendResult, RPCError<TypeConfig>>>,
            RPCError<TypeConfig>,
        >,
    >
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Send + Unpin + 'static,
    {
        // The link notices by itself when the other member falls silent.
        let _ = option;
        let link = self.appends.clone();
        let kind = self.kind;
        let timed = (kind == MessageType::MsgHeartbeat).then(|| self.peer.clone());
        if timed.is_some() {
            self.note_heartbeat();
        }
        let calls = input.map(move |request| {
            // Queued here, in the order of the input; only the answers are awaited side by side.
            let answer = link.call(codec::append_to_wire(kind, &request));
            let timed = timed.clone().map(|peer| (peer, Lap::begin()));
            async move {
                let answer = answer.await.map_err(rpc_error)?;
                if let Some((peer, begun)) = timed {
                    peer.round_trips.note_time(begun.so_far());
                }
                Ok(codec::append_result_from_wire(&answer))
            }
        });
        let answers: BoxStream<'s, _> = Box::pin(calls.buffered(APPENDS_IN_FLIGHT));
        Box::pin(async move { Ok(answers) })
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        let message = codec::vote_request_to_wire(MessageType::MsgVote, &rpc);
        let answer = self.call(&self.control, message, &option).await?;
        Ok(codec::vote_response_from_wire(&answer))
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        let message = codec::vote_request_to_wire(MessageType::MsgPreVote, &rpc);
        let answer = self.call(&self.control, message, &option).await?;
        Ok(codec::vote_response_from_wire(&answer))
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        _snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let sending = snapshot::send(&self.storage, &vote, &self.route, &self.connect);
        let sending = self.peer.snapshots_sent.count(sending);
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = sending => match sent {
                Ok(answer) => Ok(SnapshotResponse::new(codec::vote(&answer))),
                Err(error) => {
                    tracing::warn!(peer = %self.route.to, %error, "failed to send database snapshot");
                    let error = error.to_string();
                    Err(StreamingError::Unreachable(Unreachable::from_string(error)))
                }
            },
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        let message = codec::transfer_to_wire(&request);
        let answer = self.call(&self.control, message, &option).await?;
        if !answer.reject {
            return Ok(Ok(()));
        }
        Ok(Err(TransferLeaderError::VoteChanged {
            expected: *request.from_leader(),
            actual: codec::vote(&answer),
        }))
    }
}
