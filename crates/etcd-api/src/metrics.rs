//! How many calls came and how they ended, under the names that etcd's gRPC library gives them.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use axum::http::{HeaderMap, Response};
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};
use tonic::Code;
use tonic::body::Body;

use crate::counted_stream::count_answer;
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

/// The counters of all calls. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct Metrics {
    methods: Arc<HashMap<String, Arc<Method>>>,
}

impl Metrics {
    /// Counters that `registry` shows from now on, at zero.
    ///
    /// # Panics
    /// If the registry has counters of these names already.
    #[must_use]
    pub fn new(registry: &Registry) -> Metrics {
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
        };
        let methods = ALL.iter().flat_map(|methods| families.of(methods)).collect();
        Metrics { methods: Arc::new(methods) }
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
            };
            (path, Arc::new(method))
        })
    }
}

/// A counter that is looked up once.
struct Lazy {
    family: IntCounterVec,
    labels: Vec<&'static str>,
    counter: OnceLock<IntCounter>,
}

impl Lazy {
    fn new(family: &IntCounterVec, labels: Vec<&'static str>, shown: Shown) -> Lazy {
        let lazy = Lazy { family: family.clone(), labels, counter: OnceLock::new() };
        if shown == Shown::Always {
            lazy.get();
        }
        lazy
    }

    fn get(&self) -> &IntCounter {
        self.counter.get_or_init(|| self.family.with_label_values(&self.labels))
    }
}

/// One method and its counters.
pub(crate) struct Method {
    pub(crate) path: String,
    pub(crate) service: Served,
    pub(crate) kind: &'static str,
    started: Lazy,
    received: Lazy,
    sent: Lazy,
    handled: [Lazy; CODES.len()],
}

impl Method {
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
}

impl Call {
    /// Begins to count.
    pub(crate) fn start(method: Arc<Method>) -> Call {
        method.started.get().inc();
        Call { method, ended: None }
    }

    pub(crate) fn method(&self) -> &Arc<Method> {
        &self.method
    }

    /// The first end counts.
    pub(crate) fn end(&mut self, code: Code) {
        if self.ended.is_none() {
            self.ended = Some(code);
            self.method.handled[code as usize].get().inc();
        }
    }

    /// Counts the answer of a call, now or, of a stream, when it has gone out.
    pub(crate) fn answer(mut self, response: Response<Body>) -> Response<Body> {
        let status = code(response.headers());
        if self.method.kind == UNARY {
            // Like etcd's, the count is of what the handler said, even if it does not get through.
            self.method.sent();
            self.end(status.unwrap_or(Code::Ok));
            return response;
        }
        match status {
            Some(code) => {
                self.end(code);
                response
            }
            None => count_answer(response, self),
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
