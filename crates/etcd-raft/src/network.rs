//! Openraft's calls to other members, carried by links.

use std::collections::{BTreeMap, HashMap};
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
use openraft::network::{Backoff, RPCOption};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    VoteRequest, VoteResponse,
};
use openraft::raft::{StreamAppendError, TransferLeaderError, TransferLeaderResponse};
use openraft::{RaftNetworkFactory, RaftNetworkV2};
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::codec;
use crate::link::{Connect, Link, LinkError, RETRY_AFTER, Route, Urls};
use crate::openraft_types::{Node, Snapshot, StreamAppendResult, TypeConfig, Vote};
use crate::snapshot::{self, SnapshotFiles};
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
    /// Changes of the members on their way to the leader, which take as long as they take.
    Change,
}

/// A change of the members may wait for a quorum this long before its connection counts as dead.
const CHANGE_SILENCE: Duration = Duration::from_secs(60);

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
    known: Mutex<Known>,
    /// Raised when a member says that this one was removed.
    banned: CancellationToken,
}

/// The other members as far as they were met.
#[derive(Default)]
struct Known {
    urls: HashMap<u64, Urls>,
    links: HashMap<(u64, Purpose), Link>,
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
            known: Mutex::default(),
            banned: CancellationToken::new(),
        };
        Peers { shared: Arc::new(shared) }
    }

    /// The link to a member, opened when there is none. `urls` are where a member is reached that
    /// was not met before: of the others [`Peers::follow`] tells.
    pub(crate) fn link(&self, member: u64, urls: &[String], purpose: Purpose) -> Link {
        let shared = &self.shared;
        let mut known = shared.known.lock();
        if let Some(link) = known.links.get(&(member, purpose)) {
            return link.clone();
        }
        let silence = match purpose {
            Purpose::Control => shared.control_silence,
            Purpose::Append | Purpose::Propose => shared.append_silence,
            Purpose::Change => CHANGE_SILENCE,
        };
        let route = self.route(member, known.urls(member, urls));
        let figures = shared.figures.peer(MemberId(member));
        let link = Link::open(route, shared.connect.clone(), silence, figures, &shared.tasks);
        known.links.insert((member, purpose), link.clone());
        link
    }

    /// Follows the members: links lead to where they are reached now, the next time that they
    /// connect, and those to members that are gone are let go.
    pub(crate) fn follow(&self, members: &BTreeMap<u64, Vec<String>>) {
        let mut known = self.shared.known.lock();
        known.urls.retain(|member, _| members.contains_key(member));
        known.links.retain(|(member, _), _| members.contains_key(member));
        for (member, urls) in members {
            known.urls(*member, urls).set(urls);
        }
    }

    /// Makes a sign of life to each of these members that is not connected: whoever wants to know
    /// who is there learns it only of members that are spoken to.
    pub(crate) fn greet(&self, members: &BTreeMap<u64, Vec<String>>) {
        let now = Instant::now();
        let others = members.iter().filter(|(member, _)| **member != self.shared.member.0);
        for (member, urls) in others {
            if !self.is_active_since(*member, now) {
                let link = self.link(*member, urls, Purpose::Control);
                let kind = MessageType::MsgGreeting.into();
                // The connection is what matters, not the answer.
                drop(link.call(Message { r#type: kind, ..Message::default() }));
            }
        }
    }

    /// Raised when a member says that this one was removed.
    pub(crate) fn banned(&self) -> &CancellationToken {
        &self.shared.banned
    }

    /// What this member counts of its consensus.
    pub(crate) fn figures(&self) -> &Figures {
        &self.shared.figures
    }

    /// Whether heartbeats and votes reach this member, and did all the time since then.
    pub(crate) fn is_active_since(&self, member: u64, moment: Instant) -> bool {
        let known = self.shared.known.lock();
        let link = known.links.get(&(member, Purpose::Control));
        link.is_some_and(|link| link.is_active_since(moment))
    }

    fn route(&self, member: u64, urls: Urls) -> Route {
        Route {
            cluster: self.shared.cluster,
            from: self.shared.member,
            to: MemberId(member),
            urls,
            version: self.shared.version,
            banned: self.shared.banned.clone(),
        }
    }
}

impl Known {
    /// Where a member is reached: at `urls` if it was not met before.
    fn urls(&mut self, member: u64, urls: &[String]) -> Urls {
        self.urls.entry(member).or_insert_with(|| Urls::new(urls)).clone()
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
        let urls = self.peers.shared.known.lock().urls(target, &node.peer_urls);
        Network {
            appends: self.peers.link(target, &node.peer_urls, purpose),
            control: self.peers.link(target, &node.peer_urls, Purpose::Control),
            kind: match purpose {
                Purpose::Control => MessageType::MsgHeartbeat,
                Purpose::Append | Purpose::Propose | Purpose::Change => MessageType::MsgApp,
            },
            route: self.peers.route(target, urls),
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
    type SnapshotData = SnapshotFiles;

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
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let sending = snapshot::send(&self.storage, &vote, &self.route, &self.connect);
        let sending = self.peer.snapshots_sent.count(sending);
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = sending => match sent {
                Ok(answer) => {
                    if let SnapshotFiles::Deferred(reservation) = snapshot.snapshot {
                        reservation.installed_by(self.route.to.0);
                    }
                    Ok(SnapshotResponse::new(codec::vote(&answer)))
                }
                Err(error) => {
                    tracing::warn!(peer = %self.route.to, %error, "failed to send database snapshot");
                    let error = error.to_string();
                    Err(StreamingError::Unreachable(Unreachable::from_string(error)))
                }
            },
        }
    }

    /// As often as the link tries: whoever returns should not wait for entries, and as long as a try
    /// is under way the log keeps them.
    fn backoff(&self) -> Option<Backoff> {
        Some(Backoff::new(std::iter::repeat(RETRY_AFTER)))
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
