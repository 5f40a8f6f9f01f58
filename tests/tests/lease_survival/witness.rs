//! One watch over all keys from before the first to after the last, whoever dies meanwhile.

use crate::ledger::Ledger;
use etcd_proto::etcdserverpb as pb;
use etcd_proto::mvccpb::event::EventType;
use pb::watch_client::WatchClient;
use pb::watch_request::RequestUnion;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_stream::StreamExt as _;
use tonic::transport::Endpoint;

/// Who cannot reach a member within this time tries another.
const PATIENCE: Duration = Duration::from_secs(1);

/// What was seen so far. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Witness {
    ledger: Ledger,
    events: Arc<Mutex<Vec<Seen>>>,
}

/// One event.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) key: String,
    pub(crate) is_end: bool,
    pub(crate) revision: i64,
    pub(crate) at: Instant,
}

impl Witness {
    pub(crate) fn new(ledger: &Ledger) -> Witness {
        Witness { ledger: ledger.clone(), events: Arc::default() }
    }

    /// Watches the keys of a prefix; ends with its runtime.
    pub(crate) async fn watch(self, urls: Vec<String>, prefix: &'static str) {
        for url in urls.iter().cycle() {
            // The stream breaks with its member, and another goes on behind the last event.
            let Some(error) = self.watch_one_member(url, prefix).await else { continue };
            self.ledger.complain(error);
        }
    }

    /// Everything that was seen.
    pub(crate) fn events(&self) -> Vec<Seen> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many keys have ended.
    pub(crate) fn ends(&self) -> usize {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.iter().filter(|event| event.is_end).count()
    }

    /// Watches until the stream breaks. A word of the server against it is an error.
    async fn watch_one_member(&self, url: &str, prefix: &'static str) -> Option<String> {
        let endpoint = Endpoint::from_shared(url.to_owned()).expect("a URL");
        let channel = tokio::time::timeout(PATIENCE, endpoint.connect()).await.ok()?.ok()?;
        let mut client = WatchClient::new(channel).max_decoding_message_size(usize::MAX);
        let next = self.events().last().map_or(1, |event| event.revision + 1);
        let create = pb::WatchCreateRequest {
            key: prefix.into(),
            range_end: end_of(prefix).into(),
            start_revision: next,
            ..pb::WatchCreateRequest::default()
        };
        let request = pb::WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
        let requests = tokio_stream::once(request).chain(tokio_stream::pending());
        let answers = tokio::time::timeout(PATIENCE, client.watch(requests)).await.ok()?;
        let mut answers = answers.ok()?.into_inner();
        while let Ok(Some(answer)) = answers.message().await {
            if answer.canceled {
                return Some(format!("the watch was cancelled: {}", answer.cancel_reason));
            }
            self.note(answer.events);
        }
        None
    }

    fn note(&self, events: Vec<etcd_proto::mvccpb::Event>) {
        let at = Instant::now();
        let mut seen = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            let is_end = event.r#type() == EventType::Delete;
            let kv = event.kv.unwrap_or_default();
            let key = String::from_utf8_lossy(&kv.key).into_owned();
            seen.push(Seen { key, is_end, revision: kv.mod_revision, at });
        }
    }
}

/// The end of the range of all keys with an ASCII prefix.
fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    *end.last_mut().expect("a prefix is not empty") += 1;
    end
}
