//! One call of Watch: requests that make and end watchers, and the responses of all of them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use etcd_figures::Lap;
use etcd_mvcc::KeyRange;
use etcd_proto::etcdserverpb::watch_create_request::FilterType;
use etcd_proto::etcdserverpb::watch_request::RequestUnion;
use etcd_proto::etcdserverpb::{WatchCreateRequest, WatchRequest, WatchResponse};
use etcd_spans::LongStep;
use etcd_watch::{Begun, Changed, Feed, Filter, Interest, Told};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tonic::{Code, Status, Streaming};

use crate::caller::Caller;
use crate::deadline::Deadline;
use crate::looked_at;
use crate::metrics::Streams;
use crate::require_leader::Ending;
use crate::watch_answer::WatchAnswer;
use crate::watch_response::{events, fragments};
use crate::{Api, Error, rewording};

/// The id that no watcher has: of refused ones, and of what concerns all of a stream.
const NO_WATCHER: i64 = -1;
/// The most previous values that are looked up on the task that serves the stream; for more the
/// work goes to a thread that may wait for storage.
const INLINE_PREVIOUS: usize = 64;

/// So many responses are made before anything else is looked at: each look costs more than one.
const RESPONSES_AT_ONCE: usize = 16;

/// A client's watchers and what they have to say.
pub(crate) struct WatchStream {
    api: Arc<Api>,
    /// Whose call it is: asked anew for each watcher.
    caller: Caller,
    feed: Feed,
    /// `None` when the client has nothing more to ask: what it asked for goes on.
    requests: Option<Streaming<WatchRequest>>,
    watchers: BTreeMap<i64, Wishes>,
    /// Those of the call that is looked at: each lasts as long as its watcher.
    steps: HashMap<i64, LongStep>,
    /// What is said next.
    answers: VecDeque<WatchAnswer>,
    progress: Interval,
    /// Resolves with the reason to end the stream.
    ending: Ending,
}

/// How a client wants to hear of a watcher.
#[derive(Debug)]
struct Wishes {
    /// With the key-values before the changes.
    previous: bool,
    /// Long responses in several parts.
    fragments: bool,
    progress: Progress,
}

/// Whether a watcher says now and then how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Unwanted,
    /// At the next tick.
    Due,
    /// Not at the next tick: it has said something since the last one.
    Elided,
}

impl WatchStream {
    pub(crate) fn new(
        api: Arc<Api>,
        caller: Caller,
        requests: Streaming<WatchRequest>,
        ending: Ending,
    ) -> WatchStream {
        let feed = api.views.hub.feed();
        let period = with_jitter(api.limits.watch_progress_interval);
        let mut progress = interval_at(Instant::now() + period, period);
        progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
        WatchStream {
            api,
            caller,
            feed,
            requests: Some(requests),
            watchers: BTreeMap::new(),
            steps: HashMap::new(),
            answers: VecDeque::new(),
            progress,
            ending,
        }
    }

    /// The next answer, or the status with which the call ends.
    pub(crate) async fn next(&mut self) -> Result<WatchAnswer, Status> {
        loop {
            if let Some(answer) = self.answers.pop_front() {
                return Ok(answer);
            }
            tokio::select! {
                // etcd answers a progress request whatever is asked after it.
                request = next_request(&mut self.requests), if !self.feed.owes_progress() =>
                match self.note_failure(request)? {
                    Some(request) => self.execute(request).await,
                    None => self.requests = None,
                },
                told = self.feed.next() => match told {
                    Ok(told) => self.respond_to_all(told).await?,
                    Err(error) => return Err(Error::other(error.to_string()).into()),
                },
                _ = self.progress.tick() => self.tick(),
                error = &mut self.ending => return Err(error.into()),
            }
        }
    }

    /// Counts a stream that broke, unless its client meant to end it.
    fn note_failure<T>(&self, received: Result<T, Status>) -> Result<T, Status> {
        if received.as_ref().is_err_and(is_failure) {
            self.api.metrics.figures().count_failed_stream(Streams::Watch);
        }
        received
    }

    async fn execute(&mut self, request: WatchRequest) {
        let (begun, before) = (Lap::begin(), self.answers.len());
        self.answer(request).await;
        if self.answers.len() > before {
            let figures = self.api.metrics.figures();
            figures.control_responses.note_time(begun.so_far());
        }
    }

    async fn answer(&mut self, request: WatchRequest) {
        match request.request_union {
            Some(RequestUnion::CreateRequest(request)) => self.create(request).await,
            Some(RequestUnion::CancelRequest(request)) => self.cancel(request.watch_id),
            Some(RequestUnion::ProgressRequest(_)) => self.feed.request_progress(),
            // etcd passes over requests of a kind that it does not know.
            None => {}
        }
    }

    async fn create(&mut self, request: WatchCreateRequest) {
        let told = self.api.looked_at(&self.caller).map(|_| looked_at::watch(&request));
        let wishes = Wishes {
            previous: request.prev_kv,
            fragments: request.fragment,
            progress: if request.progress_notify { Progress::Due } else { Progress::Unwanted },
        };
        let response = match self.begin(request).await {
            Ok(Begun { id, revision }) => {
                self.watchers.insert(id, wishes);
                let call = self.api.looked_at(&self.caller);
                let step = call.zip(told).map(|(call, told)| call.long_step("watch", told));
                self.steps.extend(step.map(|step| (id, step)));
                let response = WatchResponse { watch_id: id, ..self.response(revision) };
                WatchResponse { created: true, ..response }
            }
            Err(cancel_reason) => WatchResponse {
                watch_id: NO_WATCHER,
                created: true,
                canceled: true,
                cancel_reason,
                ..self.response(self.api.views.mvcc.revision())
            },
        };
        self.say(response);
    }

    /// Begins a watcher, or says why not. The checks stand in etcd's order.
    async fn begin(&mut self, request: WatchCreateRequest) -> Result<Begun, String> {
        let WatchCreateRequest { mut key, range_end, start_revision, filters, watch_id, .. } =
            request;
        if key.is_empty() {
            key = b"\0"[..].into();
        }
        if start_revision < 0 {
            return Err(Status::from(Error::Compacted).message().to_owned());
        }
        permit(&self.api, &self.caller, &key, &range_end).await?;
        let leaves_out = |kind: FilterType| filters.contains(&(kind as i32));
        let filter = Filter {
            no_puts: leaves_out(FilterType::Noput),
            no_deletes: leaves_out(FilterType::Nodelete),
        };
        let range = KeyRange::new(key, range_end);
        let interest = Interest { range, start_revision, filter };
        self.feed.watch(watch_id, interest).map_err(|error| error.to_string())
    }

    /// An id that nobody has is not worth an answer.
    fn cancel(&mut self, id: i64) {
        if let Some(revision) = self.feed.cancel(id) {
            self.watchers.remove(&id);
            self.steps.remove(&id);
            let response = self.response(revision);
            self.say(WatchResponse { watch_id: id, canceled: true, ..response });
        }
    }

    /// Responds to a word, and to those that wait behind it.
    async fn respond_to_all(&mut self, told: Told) -> Result<(), Status> {
        let begun = Lap::begin();
        self.respond(told).await?;
        while self.answers.len() < RESPONSES_AT_ONCE {
            let Some(told) = self.feed.next_ready() else { break };
            self.respond(told).await?;
        }
        self.note_responses(begun.so_far());
        Ok(())
    }

    /// Notes how long the responses took to make that wait now: what is told at once is timed at
    /// once.
    fn note_responses(&self, took: Duration) {
        let events: usize = self.answers.iter().map(WatchAnswer::events).sum();
        if events > 0 {
            let (figures, responses) = (self.api.metrics.figures(), self.answers.len() as u64);
            figures.event_responses.note_together(took, responses);
            figures.single_events.note_together(took / (events as u32).max(1), 1);
        }
    }

    async fn respond(&mut self, told: Told) -> Result<(), Status> {
        match told {
            Told::Changed(changed) => return self.tell(changed).await,
            Told::Compacted { id, compact_revision } => self.say(WatchResponse {
                watch_id: id,
                canceled: true,
                compact_revision,
                // The revision is left out here, and only here (behaviour of etcd 3.7.1).
                ..self.response(0)
            }),
            Told::Progress { id, revision } => {
                let watch_id = id.unwrap_or(NO_WATCHER);
                let response = self.response(revision);
                self.say(WatchResponse { watch_id, ..response });
            }
        }
        Ok(())
    }

    async fn tell(&mut self, changed: Changed) -> Result<(), Status> {
        let (id, revision) = (changed.id, changed.revision);
        let Some(wishes) = self.watchers.get_mut(&id) else { return Ok(()) };
        if wishes.progress == Progress::Due {
            wishes.progress = Progress::Elided;
        }
        let header = self.api.header(revision);
        let Wishes { previous, fragments: fragmented, .. } = *wishes;
        // What may have to be split, or says more than what is stored, is put together here.
        if !previous && (!fragmented || changed.count() == 1) {
            self.answers.push_back(WatchAnswer::Changed(header, changed));
            return Ok(());
        }
        let events = if !previous {
            events(&changed, |_| None)
        } else if changed.count() <= INLINE_PREVIOUS {
            events(&changed, |change| change.previous(&self.api.views.mvcc))
        } else {
            let mvcc = self.api.views.mvcc.clone();
            let work = move || events(&changed, |change| change.previous(&mvcc));
            // A lookup does not panic; its runtime may end under it.
            tokio::task::spawn_blocking(work).await.map_err(|_| Error::Stopped)?
        };
        let header = Some(header);
        let response = WatchResponse { header, watch_id: id, events, ..WatchResponse::default() };
        if fragmented {
            let most = self.api.limits.max_message_bytes();
            fragments(response, most).into_iter().for_each(|part| self.say(part));
        } else {
            self.say(response);
        }
        Ok(())
    }

    fn say(&mut self, response: WatchResponse) {
        self.answers.push_back(WatchAnswer::message(response));
    }

    fn tick(&mut self) {
        let begun = Lap::begin();
        self.request_due_progress();
        self.api.metrics.figures().progress_responses.note_time(begun.so_far());
    }

    fn request_due_progress(&mut self) {
        for (id, Wishes { progress, .. }) in &mut self.watchers {
            match progress {
                Progress::Unwanted => {}
                Progress::Due => self.feed.request_progress_of(*id),
                Progress::Elided => *progress = Progress::Due,
            }
        }
    }

    fn response(&self, revision: i64) -> WatchResponse {
        WatchResponse { header: Some(self.api.header(revision)), ..WatchResponse::default() }
    }
}

/// Whether a caller may read what it wants to watch; if not, why, in the words that Go has for a
/// status. Whatever else fails is told as a denial.
async fn permit(api: &Api, caller: &Caller, key: &[u8], range_end: &[u8]) -> Result<(), String> {
    let deadline = Deadline::of(caller.metadata(), api.limits.request_timeout);
    let permitted = api.permit_read(caller, deadline, key, range_end).await;
    permitted.map(drop).map_err(|error| {
        let (code, error) = match error {
            Error::InvalidAuthToken => ("Unauthenticated", error),
            Error::AuthOldRevision | Error::UserEmpty => ("InvalidArgument", error),
            _ => ("PermissionDenied", Error::PermissionDenied),
        };
        format!("rpc error: code = {code} desc = {error}")
    })
}

/// Whether a stream broke by itself: its client neither left nor ran out of time. A client leaves as
/// well by losing its connection, of which the transport's error is the source of the status.
pub(crate) fn is_failure(status: &Status) -> bool {
    let is_left = matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded);
    !is_left && status.source().is_none()
}

/// Waits for the client's next request; `None` at the end of them, and then for ever.
async fn next_request(
    requests: &mut Option<Streaming<WatchRequest>>,
) -> Result<Option<WatchRequest>, Status> {
    match requests {
        Some(requests) => requests.message().await.map_err(rewording::reword_status),
        None => std::future::pending().await,
    }
}

/// A period up to a tenth longer: streams that were opened together shall not speak together.
fn with_jitter(period: Duration) -> Duration {
    period.mul_f64(1.0 + rand::random::<f64>() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_a_failure_and_a_client_that_left_is_none() {
        assert!(is_failure(&Status::internal("failed to unmarshal the received message")));
        assert!(!is_failure(&Status::cancelled("the client")));
        assert!(!is_failure(&Status::deadline_exceeded("the client's")));
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(!is_failure(&Status::from_error(reset.into())));
    }
}
