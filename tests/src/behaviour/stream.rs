//! A watch stream, whose requests are sent at once and whose responses wait until they are
//! expected.
//!
//! Whoever does not expect them is a slow client: they stay in the flow control's window and in
//! the server.

use super::answer::{Answer, Show as _, show_status};
use super::connection::{Connection, Metadata};
use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use etcd_proto::etcdserverpb as pb;
use etcd_proto::mvccpb::Event;
use prost::Message as _;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, UnboundedSender, channel, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Status;

/// Within this time a response that is expected comes, on a slow machine too.
const PATIENCE: Duration = Duration::from_secs(15);

/// One watch stream.
pub(super) struct Stream {
    /// None once the client has said that it sends no more.
    requests: Option<UnboundedSender<Bytes>>,
    responses: Receiver<Result<Bytes, Status>>,
    task: JoinHandle<()>,
}

impl Stream {
    /// Opens one, inside a runtime.
    pub(super) fn open(connection: &Connection, metadata: &Metadata) -> Stream {
        let (requests, sent) = unbounded_channel();
        let (received, responses) = channel(1);
        let (connection, metadata) = (connection.clone(), metadata.clone());
        let task = tokio::spawn(async move {
            let sent = UnboundedReceiverStream::new(sent);
            let mut stream = match connection.open("Watch/Watch", sent, &metadata).await {
                Ok(stream) => stream,
                Err(status) => {
                    let _ = received.send(Err(status)).await;
                    return;
                }
            };
            while let Some(response) = stream.message().await.transpose() {
                let is_last = response.is_err();
                if received.send(response).await.is_err() || is_last {
                    return;
                }
            }
        });
        Stream { requests: Some(requests), responses, task }
    }

    /// Sends a request.
    ///
    /// # Errors
    ///
    /// When the client has said that it sends no more.
    pub(super) fn send(&self, request: impl Into<Bytes>) -> Result<()> {
        let requests = self.requests.as_ref().context("this stream is half-closed")?;
        // When the stream is over, whoever expects a response is told.
        let _ = requests.send(request.into());
        Ok(())
    }

    /// Says that no request follows.
    pub(super) fn half_close(&mut self) {
        self.requests = None;
    }

    /// Waits for exactly so many responses. Those of different watchers come in any order, and
    /// are shown in that of the watchers' ids.
    ///
    /// # Errors
    ///
    /// When they do not come; the message has those that came.
    pub(super) async fn expect(&mut self, count: usize) -> Result<String> {
        let mut responses = Vec::new();
        let outcome = self.receive(&mut responses, |responses| responses.len() >= count).await;
        responses.sort_by_key(|response| response.watch_id);
        let mut answer = Answer::default();
        responses.iter().for_each(|response| response.show(&mut answer));
        outcome.with_context(|| format!("not {count} responses, but\n{}", answer.text()))?;
        Ok(answer.text())
    }

    /// Waits for so many events, however they are spread over responses, which is left to the
    /// moment when a client is slow, and shows nothing but them.
    ///
    /// # Errors
    ///
    /// When they do not come; the message has those that came.
    pub(super) async fn gather(&mut self, count: usize) -> Result<String> {
        let events = |responses: &[pb::WatchResponse]| -> usize {
            responses.iter().map(|response| response.events.len()).sum()
        };
        let mut responses = Vec::new();
        let outcome = self.receive(&mut responses, |so_far| events(so_far) >= count).await;
        let mut answer = Answer::default();
        answer.line(format!("{} events", events(&responses)));
        let all: Vec<_> = responses.into_iter().flat_map(|response| response.events).collect();
        answer.list(&all, Event::show);
        outcome.with_context(|| format!("not {count}, but\n{}", answer.text()))?;
        ensure!(all.len() == count, "more than {count}:\n{}", answer.text());
        Ok(answer.text())
    }

    /// Receives responses until it is enough.
    async fn receive(
        &mut self,
        responses: &mut Vec<pb::WatchResponse>,
        is_enough: impl Fn(&[pb::WatchResponse]) -> bool,
    ) -> Result<()> {
        while !is_enough(responses) {
            match timeout(PATIENCE, self.responses.recv()).await {
                Ok(Some(Ok(message))) => responses.push(pb::WatchResponse::decode(message)?),
                Ok(Some(Err(status))) => bail!("the end: {}", show_status(&status)),
                Ok(None) => bail!("the end: Ok"),
                Err(_) => bail!("nothing more within {PATIENCE:?}"),
            }
        }
        Ok(())
    }

    /// Waits until the server ends the stream, without a response before.
    ///
    /// # Errors
    ///
    /// When it does not, or a response comes.
    pub(super) async fn end(&mut self) -> Result<String> {
        match timeout(PATIENCE, self.responses.recv()).await {
            Ok(None) => Ok("the end: Ok\n".to_owned()),
            Ok(Some(Err(status))) => Ok(format!("the end: {}\n", show_status(&status))),
            Ok(Some(Ok(message))) => {
                let mut answer = Answer::default();
                pb::WatchResponse::decode(message)?.show(&mut answer);
                bail!("a response instead of the end:\n{}", answer.text())
            }
            Err(_) => bail!("the stream did not end within {PATIENCE:?}"),
        }
    }
}

impl Drop for Stream {
    /// The server sees that the client has gone.
    fn drop(&mut self) {
        self.task.abort();
    }
}
