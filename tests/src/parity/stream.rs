//! One watch stream to one server.

use super::answer::{Refusal, anonymise};
use super::caller::by;
use etcd_proto::etcdserverpb::watch_client::WatchClient;
use etcd_proto::etcdserverpb::{WatchRequest, WatchResponse};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::Channel;

/// What the server sent, or how it ended the stream.
type Received = Result<WatchResponse, Refusal>;

/// A stream. Dropping it resets it.
pub(crate) struct Stream {
    sender: Option<UnboundedSender<WatchRequest>>,
    received: UnboundedReceiver<Received>,
    /// How the server ended it, once it has.
    ended: Option<Refusal>,
    reader: JoinHandle<()>,
}

impl Stream {
    /// Opens one, in the name of a token. What the server refuses is found where a response is awaited.
    pub(crate) fn open(channel: &Channel, token: Option<String>) -> Stream {
        let (sender, requests) = unbounded_channel();
        let (into, received) = unbounded_channel();
        let reader = read(channel.clone(), token, requests, into);
        Stream { sender: Some(sender), received, ended: None, reader: tokio::spawn(reader) }
    }

    /// Sends a request; one on a stream that ended is lost.
    pub(crate) fn send(&self, request: WatchRequest) {
        if let Some(sender) = &self.sender {
            // The reader knows why nobody takes it.
            let _ = sender.send(request);
        }
    }

    /// Says that nothing more will be sent.
    pub(crate) fn half_close(&mut self) {
        self.sender = None;
    }

    /// Waits for the next response; `None` when the time was up first. After the stream's end it
    /// only tells that again.
    pub(crate) async fn next(&mut self, deadline: Instant) -> Option<Received> {
        if let Some(ended) = &self.ended {
            return Some(Err(ended.clone()));
        }
        let next = tokio::time::timeout_at(deadline, self.received.recv()).await.ok()?;
        let received = next.expect("the reader stays until this is dropped");
        self.ended = received.as_ref().err().cloned();
        Some(received)
    }

    /// A response that is here already.
    pub(crate) fn take(&mut self) -> Option<Received> {
        let received = self.received.try_recv().ok()?;
        self.ended = received.as_ref().err().cloned();
        Some(received)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Passes on what the server sends. The server's identity is taken out of it.
async fn read(
    channel: Channel,
    token: Option<String>,
    requests: UnboundedReceiver<WatchRequest>,
    into: UnboundedSender<Received>,
) {
    let mut client = WatchClient::new(channel).max_decoding_message_size(usize::MAX);
    let requests = by(token.as_deref(), UnboundedReceiverStream::new(requests));
    let ended = match client.watch(requests).await {
        Err(status) => Refusal::from(status),
        Ok(response) => {
            let mut responses = response.into_inner();
            loop {
                match responses.message().await {
                    Ok(Some(mut response)) => {
                        response.header.as_mut().map(anonymise);
                        if into.send(Ok(response)).is_err() {
                            return;
                        }
                    }
                    Ok(None) => break Refusal { code: tonic::Code::Ok, message: String::new() },
                    Err(status) => break Refusal::from(status),
                }
            }
        }
    };
    let _ = into.send(Err(ended));
    into.closed().await;
}
