//! One call and the method that it is counted with.

use std::sync::{Arc, OnceLock};

use axum::http::{HeaderMap, Response};
use etcd_figures::{Count, Lap};
use prometheus::{Histogram, HistogramVec};
use tonic::Code;
use tonic::body::Body;

use crate::counted_stream::{Sent, count_answer};
use crate::methods::{BIDI_STREAM, Served, Shown, UNARY};
use crate::metrics::Shape;

/// How many codes a call can end with.
pub(super) const CODES: usize = 17;

/// One method, and what is counted of its calls. What each call adds is kept to little: where one
/// number can be told from others, it is.
pub(crate) struct Method {
    pub(crate) path: String,
    pub(crate) service: Served,
    pub(crate) name: &'static str,
    /// [`UNARY`], [`BIDI_STREAM`] or a stream of answers.
    pub(crate) kind: &'static str,
    shown: Shown,
    started: Count,
    /// Of calls whose requests are a stream.
    received: Count,
    /// Of calls whose answers are a stream.
    sent: Count,
    /// How calls ended, by code.
    ended: [Count; CODES],
    /// Calls that were dropped without an end.
    dropped: Count,
    /// Only where each call is timed.
    times: Option<Times>,
    /// Bytes of messages.
    pub(crate) received_bytes: Count,
    pub(crate) sent_bytes: Count,
}

/// The times of a method's calls, which are shown from the first of them on.
struct Times {
    family: HistogramVec,
    labels: [&'static str; 3],
    histogram: OnceLock<Histogram>,
}

impl Times {
    fn histogram(&self) -> &Histogram {
        self.histogram.get_or_init(|| self.family.with_label_values(&self.labels))
    }
}

impl Method {
    /// One that was not called so far.
    pub(super) fn new(
        service: Served,
        name: &'static str,
        kind: &'static str,
        shown: Shown,
    ) -> Method {
        Method {
            path: format!("/{}/{name}", service.name()),
            service,
            name,
            kind,
            shown,
            started: Count::new(),
            received: Count::new(),
            sent: Count::new(),
            ended: Default::default(),
            dropped: Count::new(),
            times: None,
            received_bytes: Count::new(),
            sent_bytes: Count::new(),
        }
    }

    /// Has each call timed as one of `family`.
    pub(super) fn time(&mut self, family: &HistogramVec) {
        let labels = [self.name, self.service.name(), self.kind];
        let times = Times { family: family.clone(), labels, histogram: OnceLock::new() };
        if self.shown == Shown::Always {
            times.histogram();
        }
        self.times = Some(times);
    }

    pub(crate) fn shape(&self) -> Shape {
        if self.kind == UNARY { Shape::Unary } else { Shape::Stream }
    }

    /// A message of a stream has come.
    pub(crate) fn count_received(&self) {
        self.received.raise();
    }

    /// A message of a stream goes out.
    pub(crate) fn count_sent(&self) {
        self.sent.raise();
    }

    /// Whether a number of it is shown.
    pub(super) fn shows(&self, count: u64) -> bool {
        self.shown == Shown::Always || count > 0
    }

    pub(super) fn started(&self) -> u64 {
        self.started.get()
    }

    /// Messages that came: each call brings one, unless they are a stream.
    pub(super) fn received(&self) -> u64 {
        if self.kind == BIDI_STREAM { self.received.get() } else { self.started() }
    }

    /// Messages that went out. Like etcd's, the count of what is no stream is of what the handlers
    /// said, an error too, and even if it does not get through.
    pub(super) fn sent(&self) -> u64 {
        if self.kind == UNARY { self.ended.iter().map(Count::get).sum() } else { self.sent.get() }
    }

    /// Calls that ended with a code, as its number says.
    pub(super) fn handled(&self, code: usize) -> u64 {
        let dropped = if code == Code::Cancelled as usize { self.dropped.get() } else { 0 };
        self.ended[code].get() + dropped
    }
}

/// A call under way; one that is dropped without an end was cancelled.
pub(crate) struct Call {
    method: Arc<Method>,
    progress: Progress,
    /// Only where each call is timed.
    begun: Option<Lap>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    UnderWay,
    Ended,
}

impl Call {
    /// Begins to count.
    pub(crate) fn start(method: Arc<Method>) -> Call {
        method.started.raise();
        let begun = method.times.is_some().then(Lap::begin);
        Call { method, progress: Progress::UnderWay, begun }
    }

    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    /// The first end counts.
    pub(crate) fn end(&mut self, code: Code) {
        if self.ends() {
            self.method.ended[code as usize].raise();
        }
    }

    fn ends(&mut self) -> bool {
        if self.progress == Progress::Ended {
            return false;
        }
        self.progress = Progress::Ended;
        if let (Some(times), Some(begun)) = (&self.method.times, self.begun) {
            times.histogram().observe(begun.so_far().as_secs_f64());
        }
        true
    }

    /// Counts the answer of a call, now or, of a stream, when it has gone out.
    pub(crate) fn answer(mut self, response: Response<Body>) -> Response<Sent> {
        let status = code(response.headers());
        if self.method.kind == UNARY {
            self.end(status.unwrap_or(Code::Ok));
            return response.map(|body| Sent::alone(body, self));
        }
        match status {
            Some(code) => {
                self.end(code);
                response.map(Sent::uncounted)
            }
            None => count_answer(response, self).map(Sent::uncounted),
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.ends() {
            self.method.dropped.raise();
        }
    }
}

/// The status among headers or trailers.
pub(crate) fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()))
}
