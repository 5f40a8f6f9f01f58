//! How many calls came and how they ended, under the names that etcd's gRPC library gives them; and
//! the pages of all other metrics.

mod families;
mod calls;
mod member;
mod keys;
mod disk;
mod consensus;
mod process;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use axum::http::{HeaderMap, Response};
use etcd_figures::{Count, Lap};
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
};
use tonic::Code;
use tonic::body::Body;

pub(crate) use calls::{CallFigures, Requested, Shape, Streams};

use crate::Api;
use crate::counted_stream::{Sent, count_answer};
use crate::methods::{ALL, Methods, Served, Shown, UNARY};

/// The label values of `grpc_code`, each at the place of its number.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

/// How much is measured (`--metrics`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Calls are counted.
    Basic,
    /// Each call is timed as well.
    Extensive,
}

/// A feature gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature {
    /// What it is called.
    pub name: &'static str,
    /// `ALPHA`, `BETA` or, once it is settled, nothing.
    pub stage: &'static str,
    /// Whether it is open.
    pub is_on: bool,
}

/// The counters of all calls. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct Metrics {
    methods: Arc<HashMap<String, Arc<Method>>>,
    figures: Arc<CallFigures>,
}

impl Metrics {
    /// Counters that `registry` shows from now on, at zero.
    ///
    /// # Panics
    /// If the registry has counters of these names already.
    #[must_use]
    pub fn new(registry: &Registry, detail: Detail) -> Metrics {
        const CALL: [&str; 3] = ["grpc_method", "grpc_service", "grpc_type"];
        const END: [&str; 4] = ["grpc_code", "grpc_method", "grpc_service", "grpc_type"];
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), labels);
            let counters = counters.expect("the names are valid");
            registry.register(Box::new(counters.clone())).expect("nothing else has these names");
            counters
        };
        let families = Families {
            started: counters(
                "grpc_server_started_total",
                "Total number of RPCs started on the server.",
                &CALL,
            ),
            handled: counters(
                "grpc_server_handled_total",
                "Total number of RPCs completed on the server, regardless of success or failure.",
                &END,
            ),
            received: counters(
                "grpc_server_msg_received_total",
                "Total number of RPC stream messages received on the server.",
                &CALL,
            ),
            sent: counters(
                "grpc_server_msg_sent_total",
                "Total number of gRPC stream messages sent by the server.",
                &CALL,
            ),
            handling: (detail == Detail::Extensive).then(|| handling(registry, &CALL)),
        };
        let methods = ALL.iter().flat_map(|methods| families.of(methods)).collect();
        Metrics { methods: Arc::new(methods), figures: Arc::default() }
    }

    /// Has `registry` show all that there is to say of a member from now on. It is asked when
    /// somebody looks.
    ///
    /// # Panics
    /// If the registry shows a member already.
    pub fn show(registry: &Registry, api: &Api, features: Vec<Feature>) {
        let page = |title: &str, write: fn(&Api, &mut families::Page)| {
            let api = api.clone();
            families::register(registry, title, move |page| write(&api, page));
        };
        page("calls", |api, page| api.metrics.write(page));
        page("keys", |api, page| keys::write(&api.views, page));
        page("disk", disk::write);
        page("consensus", consensus::write);
        page("process", |_, page| process::write(page));
        let api = api.clone();
        families::register(registry, "member", move |page| member::write(&api, &features, page));
    }

    /// Where else calls are counted and timed.
    pub(crate) fn figures(&self) -> &CallFigures {
        &self.figures
    }

    fn write(&self, page: &mut families::Page) {
        self.figures.write(page);
        let sum = |bytes: fn(&Method) -> &Count| {
            let all = self.methods.values().map(|method| bytes(method).get());
            [(families::Labels::new(), all.fold(0, u64::wrapping_add))]
        };
        page.counters(
            "etcd_network_client_grpc_received_bytes_total",
            "Bytes of messages from clients.",
            sum(|method| &method.received_bytes),
        );
        page.counters(
            "etcd_network_client_grpc_sent_bytes_total",
            "Bytes of messages to clients.",
            sum(|method| &method.sent_bytes),
        );
    }

    /// The method at a path; none if etcd does not count it.
    pub(crate) fn method(&self, path: &str) -> Option<&Arc<Method>> {
        self.methods.get(path)
    }
}

/// All counters of one name each.
#[derive(Clone)]
struct Families {
    started: IntCounterVec,
    handled: IntCounterVec,
    received: IntCounterVec,
    sent: IntCounterVec,
    handling: Option<HistogramVec>,
}

fn handling(registry: &Registry, labels: &[&str]) -> HistogramVec {
    let help = "Histogram of response latency (seconds) of gRPC that had been application-level \
                handled by the server.";
    let options = HistogramOpts::new("grpc_server_handling_seconds", help);
    let family = HistogramVec::new(options, labels).expect("the names are valid");
    registry.register(Box::new(family.clone())).expect("nothing else has these names");
    family
}

impl Families {
    fn of(&self, methods: &Methods) -> impl Iterator<Item = (String, Arc<Method>)> {
        let Methods { service, kind, names, shown } = *methods;
        names.iter().map(move |name| {
            let labels = [*name, service.name(), kind];
            let counter = |family: &IntCounterVec| Lazy::new(family, labels.to_vec(), shown);
            let handled =
                CODES.map(|code| Lazy::new(&self.handled, [&[code], &labels[..]].concat(), shown));
            let path = format!("/{}/{name}", service.name());
            let method = Method {
                path: path.clone(),
                service,
                kind,
                started: counter(&self.started),
                received: counter(&self.received),
                sent: counter(&self.sent),
                handled,
                handling: self
                    .handling
                    .as_ref()
                    .map(|family| Lazy::new(family, labels.to_vec(), shown)),
                received_bytes: Count::new(),
                sent_bytes: Count::new(),
            };
            (path, Arc::new(method))
        })
    }
}

/// All metrics of one name.
trait Family: Clone {
    type Metric;

    fn metric(&self, labels: &[&'static str]) -> Self::Metric;
}

impl Family for IntCounterVec {
    type Metric = IntCounter;

    fn metric(&self, labels: &[&'static str]) -> IntCounter {
        self.with_label_values(labels)
    }
}

impl Family for HistogramVec {
    type Metric = Histogram;

    fn metric(&self, labels: &[&'static str]) -> Histogram {
        self.with_label_values(labels)
    }
}

/// A metric that is looked up once.
struct Lazy<F: Family> {
    family: F,
    labels: Vec<&'static str>,
    metric: OnceLock<F::Metric>,
}

impl<F: Family> Lazy<F> {
    fn new(family: &F, labels: Vec<&'static str>, shown: Shown) -> Lazy<F> {
        let lazy = Lazy { family: family.clone(), labels, metric: OnceLock::new() };
        if shown == Shown::Always {
            lazy.get();
        }
        lazy
    }

    fn get(&self) -> &F::Metric {
        self.metric.get_or_init(|| self.family.metric(&self.labels))
    }
}

/// One method and its counters.
pub(crate) struct Method {
    pub(crate) path: String,
    pub(crate) service: Served,
    pub(crate) kind: &'static str,
    started: Lazy<IntCounterVec>,
    received: Lazy<IntCounterVec>,
    sent: Lazy<IntCounterVec>,
    handled: [Lazy<IntCounterVec>; CODES.len()],
    handling: Option<Lazy<HistogramVec>>,
    /// Bytes of messages.
    pub(crate) received_bytes: Count,
    pub(crate) sent_bytes: Count,
}

impl Method {
    pub(crate) fn shape(&self) -> Shape {
        if self.kind == UNARY { Shape::Unary } else { Shape::Stream }
    }

    pub(crate) fn received(&self) {
        self.received.get().inc();
    }

    pub(crate) fn sent(&self) {
        self.sent.get().inc();
    }
}

/// A call under way; one that is dropped without an end was cancelled.
pub(crate) struct Call {
    method: Arc<Method>,
    ended: Option<Code>,
    /// Only where each call is timed.
    begun: Option<Lap>,
}

impl Call {
    /// Begins to count.
    pub(crate) fn start(method: Arc<Method>) -> Call {
        method.started.get().inc();
        let begun = method.handling.is_some().then(Lap::begin);
        Call { method, ended: None, begun }
    }

    pub(crate) fn method(&self) -> &Arc<Method> {
        &self.method
    }

    /// The first end counts.
    pub(crate) fn end(&mut self, code: Code) {
        if self.ended.is_none() {
            self.ended = Some(code);
            self.method.handled[code as usize].get().inc();
            if let (Some(handling), Some(begun)) = (&self.method.handling, self.begun) {
                handling.get().observe(begun.so_far().as_secs_f64());
            }
        }
    }

    /// Counts the answer of a call, now or, of a stream, when it has gone out.
    pub(crate) fn answer(mut self, response: Response<Body>) -> Response<Sent> {
        let status = code(response.headers());
        if self.method.kind == UNARY {
            // Like etcd's, the count is of what the handler said, even if it does not get through.
            self.method.sent();
            self.end(status.unwrap_or(Code::Ok));
            let method = self.method.clone();
            return response.map(|body| Sent::alone(body, method));
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
        self.end(Code::Cancelled);
    }
}

/// The status among headers or trailers.
pub(crate) fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()))
}
