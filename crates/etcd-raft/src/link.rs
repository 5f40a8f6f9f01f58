//! A long-lived stream of messages to one member, and the answers that come back on it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use etcd_membership::{ClusterId, MemberId};
use etcd_proto::raftpb::peer_client::PeerClient;
use etcd_proto::raftpb::{Message, MessageBatch};
use etcd_transport::Dialer;
use parking_lot::{Mutex, RwLock};
use prost::Message as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};

use crate::PeerFigures;
use crate::tasks::Tasks;

/// Makes a channel to the peer URLs of one member, or says why it cannot. A new one is made for every
/// connection, so that a dead connection is never reused.
pub type Connect = Arc<dyn Fn(&[String]) -> Result<Channel, String> + Send + Sync>;

/// Bytes that travel in one gRPC message when more messages are waiting.
const BATCH_BYTES: usize = 1 << 20;
/// Messages that travel in one gRPC message.
const BATCH_MESSAGES: usize = 256;
/// gRPC messages handed to the connection and not yet sent.
const BATCHES_IN_FLIGHT: usize = 4;
/// A peer's message has no other limit than this: a single entry may be as large as
/// `--max-request-bytes` allows.
pub(crate) const MAX_MESSAGE_BYTES: usize = 1 << 30;

/// Why a message got no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum LinkError {
    /// It never left this member.
    #[error("{0}")]
    NotSent(String),
    /// It may have arrived.
    #[error("{0}")]
    Lost(String),
}

/// Who talks to whom: what both ends check when a stream opens.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) cluster: ClusterId,
    pub(crate) from: MemberId,
    pub(crate) to: MemberId,
    pub(crate) urls: Urls,
    pub(crate) version: &'static str,
    /// Raised when the other member says that this one was removed.
    pub(crate) banned: CancellationToken,
}

impl Route {
    /// Looks at why a call failed: it may be that this member was removed.
    pub(crate) fn note_refusal(&self, status: &Status) {
        if status.code() == Code::PermissionDenied && status.message() == REMOVED {
            self.banned.cancel();
        }
    }
}

/// What a member is told that was removed, in etcd's words.
const REMOVED: &str = "cannot process message from removed member";

/// The refusal of whatever comes from a member that was removed.
pub(crate) fn removed() -> Status {
    Status::permission_denied(REMOVED)
}

/// Where a member is reached. It may move: whoever connects looks here. Clones are the same place.
#[derive(Debug, Clone)]
pub(crate) struct Urls {
    current: Arc<RwLock<Arc<[String]>>>,
}

impl Urls {
    pub(crate) fn new(urls: &[String]) -> Urls {
        Urls { current: Arc::new(RwLock::new(urls.into())) }
    }

    pub(crate) fn current(&self) -> Arc<[String]> {
        self.current.read().clone()
    }

    pub(crate) fn set(&self, urls: &[String]) {
        if **self.current.read() != *urls {
            *self.current.write() = urls.into();
        }
    }
}

/// The names of the facts that open a stream, as etcd's peers call them.
pub(crate) mod header {
    pub(crate) const CLUSTER: &str = "x-etcd-cluster-id";
    pub(crate) const FROM: &str = "x-server-from";
    pub(crate) const TO: &str = "x-raft-to";
    pub(crate) const VERSION: &str = "x-server-version";
}

/// One stream to one member. Cheap to clone; it connects when first used, and again after a failure.
#[derive(Clone)]
pub(crate) struct Link {
    queue: mpsc::UnboundedSender<Outgoing>,
    active: Arc<Active>,
}

/// Since when a link is connected, if it is.
#[derive(Default)]
struct Active {
    since: Mutex<Option<Instant>>,
}

struct Outgoing {
    message: Message,
    answer: oneshot::Sender<Result<Message, LinkError>>,
}

impl Link {
    /// `silence` is how long a message may stay unanswered before the connection is given up.
    pub(crate) fn open(
        route: Route,
        connect: Connect,
        silence: Duration,
        figures: Arc<PeerFigures>,
        tasks: &Tasks,
    ) -> Link {
        let (queue, outgoing) = mpsc::unbounded_channel();
        let active = Arc::new(Active::default());
        let driver = Driver {
            route,
            active: active.clone(),
            connect,
            silence,
            outgoing,
            pending: HashMap::new(),
            next_sequence: 1,
            refused_until: None,
            last_failure: String::new(),
            figures,
        };
        tasks.spawn(driver.run());
        Link { queue, active }
    }

    /// Whether it is connected and was all the time since then.
    pub(crate) fn is_active_since(&self, moment: Instant) -> bool {
        self.active.since.lock().is_some_and(|since| since < moment)
    }

    /// Queues the message at once, and answers when the other member has. Callers bound how many
    /// they have under way.
    pub(crate) fn call(
        &self,
        message: Message,
    ) -> impl Future<Output = Result<Message, LinkError>> + Send + use<> {
        let (answer, answered) = oneshot::channel();
        let queued = self.queue.send(Outgoing { message, answer });
        async move {
            if queued.is_err() {
                return Err(LinkError::NotSent("the link is closed".to_owned()));
            }
            let lost = || LinkError::Lost("the link closed".to_owned());
            answered.await.map_err(|_| lost())?
        }
    }
}

/// Owns the connection of a link.
struct Driver {
    route: Route,
    connect: Connect,
    active: Arc<Active>,
    silence: Duration,
    outgoing: mpsc::UnboundedReceiver<Outgoing>,
    pending: HashMap<u64, oneshot::Sender<Result<Message, LinkError>>>,
    next_sequence: u64,
    /// Until when messages fail at once, after a connection failed.
    refused_until: Option<Instant>,
    /// Said once in the log, not with every attempt.
    last_failure: String,
    figures: Arc<PeerFigures>,
}

/// How long a failed connection is not tried again.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(100);

impl Driver {
    async fn run(mut self) {
        while let Some(first) = self.outgoing.recv().await {
            if self.refused_until.is_some_and(|until| Instant::now() < until) {
                self.fail_unsent(first, "the member cannot be reached");
                continue;
            }
            match self.connect().await {
                Ok((requests, answers)) => {
                    *self.active.since.lock() = Some(Instant::now());
                    self.figures.connected();
                    let reason = self.converse(first, requests, answers).await;
                    *self.active.since.lock() = None;
                    self.figures.disconnected();
                    self.fail_pending(&reason);
                    self.note_failure(&reason);
                }
                Err(status) => {
                    self.route.note_refusal(&status);
                    let reason = Dialer::reason(&status);
                    self.note_failure(&reason);
                    self.refused_until = Some(Instant::now() + RETRY_AFTER);
                    self.fail_unsent(first, &reason);
                    while let Ok(next) = self.outgoing.try_recv() {
                        self.fail_unsent(next, &reason);
                    }
                }
            }
        }
    }

    async fn connect(
        &mut self,
    ) -> Result<(mpsc::Sender<MessageBatch>, Streaming<MessageBatch>), tonic::Status> {
        let (requests, stream) = mpsc::channel(BATCHES_IN_FLIGHT);
        let urls = self.route.urls.current();
        let channel = (self.connect)(&urls).map_err(tonic::Status::unavailable)?;
        let mut client = client(channel);
        let request = admitted(Request::new(ReceiverStream::new(stream)), &self.route);
        let answers = tokio::time::timeout(self.silence, client.messages(request))
            .await
            .map_err(|_| tonic::Status::unavailable("no answer in time"))??;
        if !self.last_failure.is_empty() {
            tracing::info!(
                peer = %self.route.to, urls = ?urls, "established stream to peer");
            self.last_failure.clear();
        }
        Ok((requests, answers.into_inner()))
    }

    /// Sends and receives until the connection ends, and says why it did.
    async fn converse(
        &mut self,
        first: Outgoing,
        requests: mpsc::Sender<MessageBatch>,
        mut answers: Streaming<MessageBatch>,
    ) -> String {
        let mut batch = self.gather(first);
        let mut last_heard = Instant::now();
        loop {
            let silent_at = last_heard + self.silence;
            tokio::select! {
                permit = requests.reserve(), if !batch.messages.is_empty() => match permit {
                    Ok(permit) => permit.send(std::mem::take(&mut batch)),
                    Err(_) => return "the stream closed".to_owned(),
                },
                next = self.outgoing.recv(), if batch.messages.is_empty() => match next {
                    Some(next) => {
                        if self.pending.is_empty() {
                            last_heard = Instant::now();
                        }
                        batch = self.gather(next);
                    }
                    None => return "the link closed".to_owned(),
                },
                answer = answers.message() => match answer {
                    Ok(Some(answered)) => {
                        last_heard = Instant::now();
                        self.figures.received_bytes.add(answered.encoded_len() as u64);
                        for message in answered.messages {
                            if let Some(caller) = self.pending.remove(&message.sequence) {
                                // A caller that gave up needs no answer.
                                let _ = caller.send(Ok(message));
                            }
                        }
                    }
                    Ok(None) => return "the peer closed the stream".to_owned(),
                    Err(status) => {
                        self.route.note_refusal(&status);
                        return Dialer::reason(&status);
                    }
                },
                () = tokio::time::sleep_until(silent_at), if !self.pending.is_empty() => {
                    return format!("no answer for {:?}", self.silence);
                }
            }
        }
    }

    /// Puts what is waiting into one batch.
    fn gather(&mut self, first: Outgoing) -> MessageBatch {
        let mut messages = Vec::new();
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(Outgoing { mut message, answer }) = next {
            message.from = self.route.from.0;
            message.to = self.route.to.0;
            message.sequence = self.next_sequence;
            self.next_sequence += 1;
            bytes += message.encoded_len();
            self.pending.insert(message.sequence, answer);
            messages.push(message);
            let room = bytes < BATCH_BYTES && messages.len() < BATCH_MESSAGES;
            next = room.then(|| self.outgoing.try_recv().ok()).flatten();
        }
        self.figures.sent_bytes.add(bytes as u64);
        MessageBatch { messages }
    }

    fn fail_unsent(&self, outgoing: Outgoing, reason: &str) {
        let _ = outgoing.answer.send(Err(LinkError::NotSent(reason.to_owned())));
    }

    fn fail_pending(&mut self, reason: &str) {
        for (_, caller) in self.pending.drain() {
            let _ = caller.send(Err(LinkError::Lost(reason.to_owned())));
        }
    }

    fn note_failure(&mut self, reason: &str) {
        self.figures.send_failures.raise();
        if self.last_failure != reason {
            let urls = self.route.urls.current().join(",");
            tracing::warn!(peer = %self.route.to, %urls, error = reason, "lost stream to peer");
            reason.clone_into(&mut self.last_failure);
        }
    }
}

/// A client with the limits of peer traffic.
pub(crate) fn client(channel: Channel) -> PeerClient<Channel> {
    PeerClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}

/// Adds the facts by which the other member admits the stream.
pub(crate) fn admitted<T>(mut request: Request<T>, route: &Route) -> Request<T> {
    let metadata = request.metadata_mut();
    let mut insert = |name: &'static str, value: String| {
        let value = value.parse().expect("hexadecimal numbers and versions are ASCII");
        metadata.insert(name, value);
    };
    insert(header::CLUSTER, route.cluster.to_string());
    insert(header::FROM, route.from.to_string());
    insert(header::TO, route.to.to_string());
    insert(header::VERSION, route.version.to_owned());
    request
}
