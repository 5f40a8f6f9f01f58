//! How many calls came and how they ended, under the names that etcd's gRPC library gives them; and
//! the pages of all other metrics.

mod families;
mod calls;
mod call;
mod member;
mod keys;
mod disk;
mod consensus;
mod process;

use std::collections::HashMap;
use std::sync::Arc;

use etcd_figures::Count;
use prometheus::{HistogramOpts, HistogramVec, Registry};

pub(crate) use call::{Call, Method, code};
pub(crate) use calls::{CallFigures, Requested, Shape, Streams};

use crate::Api;
use crate::methods::{ALL, Methods};
use crate::metrics::families::{Labels, Page};

/// The label values of `grpc_code`, each at the place of its number.
const CODES: [&str; call::CODES] = [
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
        let times = (detail == Detail::Extensive).then(|| times(registry));
        let methods = ALL.iter().flat_map(|Methods { service, kind, names, shown }| {
            let methods = names.iter().map(|name| Method::new(*service, name, kind, *shown));
            methods.map(|mut method| {
                if let Some(times) = &times {
                    method.time(times);
                }
                (method.path.clone(), Arc::new(method))
            })
        });
        let methods: Arc<HashMap<_, _>> = Arc::new(methods.collect());
        let counted = methods.clone();
        families::register(registry, "grpc", move |page| write_calls(&counted, page));
        Metrics { methods, figures: Arc::default() }
    }

    /// Has `registry` show all that there is to say of a member from now on. It is asked when
    /// somebody looks.
    ///
    /// # Panics
    /// If the registry shows a member already.
    pub fn show(registry: &Registry, api: &Api, features: Vec<Feature>) {
        let page = |title: &str, write: fn(&Api, &mut Page)| {
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

    fn write(&self, page: &mut Page) {
        self.figures.write(page);
        let sum = |bytes: fn(&Method) -> &Count| {
            let all = self.methods.values().map(|method| bytes(method).get());
            [(Labels::new(), all.fold(0, u64::wrapping_add))]
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

/// The times of all calls, as etcd's gRPC library shows them.
fn times(registry: &Registry) -> HistogramVec {
    let help = "Histogram of response latency (seconds) of gRPC that had been application-level \
                handled by the server.";
    let options = HistogramOpts::new("grpc_server_handling_seconds", help);
    let family = HistogramVec::new(options, &["grpc_method", "grpc_service", "grpc_type"]);
    let family = family.expect("the names are valid");
    registry.register(Box::new(family.clone())).expect("nothing else has this name");
    family
}

/// What etcd's gRPC library counts of all calls.
fn write_calls(methods: &HashMap<String, Arc<Method>>, page: &mut Page) {
    type Counted = fn(&Method) -> u64;
    let counters: [(&str, &str, Counted); 3] = [
        ("started", "Total number of RPCs started on the server.", Method::started),
        (
            "msg_received",
            "Total number of RPC stream messages received on the server.",
            Method::received,
        ),
        ("msg_sent", "Total number of gRPC stream messages sent by the server.", Method::sent),
    ];
    for (name, help, counted) in counters {
        let counts = methods.values().map(|method| (method, counted(method)));
        let shown = counts.filter(|(method, count)| method.shows(*count));
        let counts = shown.map(|(method, count)| (labels(method), count));
        page.counters(&format!("grpc_server_{name}_total"), help, counts);
    }
    let handled = methods.values().flat_map(|method| {
        let counts = CODES.into_iter().enumerate();
        let counts = counts.map(|(number, code)| (code, method.handled(number)));
        counts.filter(|(_, count)| method.shows(*count)).map(|(code, count)| {
            let labels = [("grpc_code", code)].into_iter().chain(labels(method));
            (labels.collect(), count)
        })
    });
    page.counters(
        "grpc_server_handled_total",
        "Total number of RPCs completed on the server, regardless of success or failure.",
        handled,
    );
}

fn labels(method: &Method) -> Labels<'_> {
    vec![
        ("grpc_method", method.name),
        ("grpc_service", method.service.name()),
        ("grpc_type", method.kind),
    ]
}
