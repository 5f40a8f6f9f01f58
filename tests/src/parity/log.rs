//! What a server sent on a watch stream since it was last compared.

use super::answer::Refusal;
use super::stream::Stream;
use etcd_proto::etcdserverpb::WatchResponse;
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;

/// What a response is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The answer to a create or a cancel request; these come in the order of the requests.
    Control,
    /// The answer to a progress request.
    Progress,
    /// The end of a watcher whose past is compacted away.
    Compacted,
    /// Events.
    Events,
    /// Nothing of all that: a periodic progress notice.
    Notice,
}

/// What it is about.
pub(crate) fn kind(response: &WatchResponse) -> Kind {
    match response {
        r if r.created || (r.canceled && r.compact_revision == 0) => Kind::Control,
        r if r.canceled => Kind::Compacted,
        r if !r.events.is_empty() => Kind::Events,
        r if r.watch_id == -1 => Kind::Progress,
        _ => Kind::Notice,
    }
}

/// How much a server has to send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) controls: usize,
    pub(crate) progress: usize,
    /// How many events a watcher gets.
    pub(crate) events: BTreeMap<i64, usize>,
    /// Watchers that end.
    pub(crate) compacted: BTreeSet<i64>,
}

/// Responses in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) responses: Vec<WatchResponse>,
    /// How the server ended the stream.
    pub(crate) ended: Option<Refusal>,
    controls: usize,
    progress: usize,
    events: BTreeMap<i64, usize>,
    compacted: BTreeSet<i64>,
}

impl Log {
    /// Reads from the stream until all that is expected has come, or the stream has ended, or the
    /// time is up; and what more is here by then.
    pub(crate) async fn read(
        &mut self,
        stream: &mut Stream,
        expected: &Expected,
        deadline: Instant,
    ) {
        while let Some(received) = stream.take() {
            self.push(received);
        }
        while !self.has(expected) && self.ended.is_none() {
            match stream.next(deadline).await {
                Some(received) => self.push(received),
                None => return,
            }
        }
    }

    fn push(&mut self, received: Result<WatchResponse, Refusal>) {
        let response = match received {
            Ok(response) => response,
            Err(ended) => {
                self.ended = Some(ended);
                return;
            }
        };
        match kind(&response) {
            Kind::Control => self.controls += 1,
            Kind::Progress => self.progress += 1,
            Kind::Compacted => {
                self.compacted.insert(response.watch_id);
            }
            Kind::Events => {
                *self.events.entry(response.watch_id).or_default() += response.events.len();
            }
            Kind::Notice => {}
        }
        self.responses.push(response);
    }

    pub(crate) fn has(&self, expected: &Expected) -> bool {
        let events = |id| self.events.get(id).copied().unwrap_or(0);
        self.controls >= expected.controls
            && self.progress >= expected.progress
            && expected.events.iter().all(|(id, count)| events(id) >= *count)
            && expected.compacted.is_subset(&self.compacted)
    }
}
