//! A collector of spans: OTLP's trace service over gRPC, which remembers what it gets.

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// Within this time spans must arrive, on a slow machine too.
const LIMIT: Duration = Duration::from_secs(20);

/// Names and values.
pub(crate) type Attributes = BTreeMap<String, String>;

/// A span that has arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// In hexadecimal digits, as the next two.
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty if it has none.
    pub(crate) parent: String,
    /// `tracestate`.
    pub(crate) state: String,
    pub(crate) name: String,
    pub(crate) kind: SpanKind,
    pub(crate) attributes: Attributes,
    /// Their names.
    pub(crate) events: Vec<String>,
    /// OpenTelemetry's status: 2 is an error.
    pub(crate) status: i32,
    pub(crate) nanos: (u64, u64),
    /// Of the server.
    pub(crate) resource: Attributes,
}

#[derive(Clone, Default)]
struct Received(Arc<(Mutex<Vec<Seen>>, Condvar)>);

/// A collector that listens until it is dropped.
pub(crate) struct Collector {
    received: Received,
    /// It ends with this.
    _runtime: Runtime,
}

impl Collector {
    pub(crate) fn listen(port: u16) -> Collector {
        let received = Received::default();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let runtime = Runtime::new().expect("a runtime");
        let service = TraceServiceServer::new(received.clone());
        let guard = runtime.enter();
        let incoming = tonic::transport::server::TcpIncoming::bind(address).expect("a free port");
        drop(guard);
        runtime.spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
        Collector { received, _runtime: runtime }
    }

    /// What has arrived so far.
    pub(crate) fn spans(&self) -> Vec<Seen> {
        self.received.lock().clone()
    }

    /// Waits until so much has arrived that this finds what it looks for.
    #[track_caller]
    pub(crate) fn wait<T>(&self, what: &str, find: impl Fn(&[Seen]) -> Option<T>) -> T {
        let deadline = Instant::now() + LIMIT;
        let mut spans = self.received.lock();
        loop {
            if let Some(found) = find(&spans) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what} within {LIMIT:?} among {:#?}", *spans);
            let changed = &self.received.0.1;
            spans = changed.wait_timeout(spans, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for the span of a call of which this is the parent.
    #[track_caller]
    pub(crate) fn wait_for_child(&self, parent: &str) -> Seen {
        self.wait(&format!("child of {parent}"), |spans| {
            spans.iter().find(|span| span.parent == parent).cloned()
        })
    }
}

impl Received {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Seen>> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let spans = request.into_inner().resource_spans;
        self.lock().extend(spans.into_iter().flat_map(seen));
        self.0.1.notify_all();
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn seen(spans: ResourceSpans) -> impl Iterator<Item = Seen> {
    let resource = attributes(&spans.resource.unwrap_or_default().attributes);
    let spans = spans.scope_spans.into_iter().flat_map(|scope| scope.spans);
    spans.map(move |span| see(&span, resource.clone()))
}

fn see(span: &Span, resource: Attributes) -> Seen {
    Seen {
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        state: span.trace_state.clone(),
        name: span.name.clone(),
        kind: span.kind(),
        attributes: attributes(&span.attributes),
        events: span.events.iter().map(|event| event.name.clone()).collect(),
        status: span.status.as_ref().map_or(0, |status| status.code),
        nanos: (span.start_time_unix_nano, span.end_time_unix_nano),
        resource,
    }
}

fn attributes(pairs: &[KeyValue]) -> Attributes {
    let pairs = pairs.iter().map(|pair| {
        let value = pair.value.as_ref().and_then(|value| value.value.as_ref());
        (pair.key.clone(), value.map_or_else(String::new, text))
    });
    pairs.collect()
}

fn text(value: &any_value::Value) -> String {
    match value {
        any_value::Value::StringValue(text) => text.clone(),
        any_value::Value::IntValue(number) => number.to_string(),
        any_value::Value::BoolValue(flag) => flag.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
