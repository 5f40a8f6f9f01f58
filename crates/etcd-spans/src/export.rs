//! Where spans go: to a collector, in batches, over gRPC.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _,
    TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter as OtlpExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::resource::EnvResourceDetector;
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, Span, SpanData, SpanExporter,
};
use tonic::Code;

use crate::Incoming;
use crate::code::{is_fault, name};

/// What the spans say made them.
const SCOPE: &str = "etcd";
/// How long one export may take.
const EXPORT_LIMIT: Duration = Duration::from_secs(10);
/// Sampling rates are so many of a million.
const MILLION: f64 = 1_000_000.0;

/// How spans are exported, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The collector's host and port.
    pub address: String,
    /// What the server is called.
    pub service_name: String,
    /// Which of the servers of that name it is, if somebody gave it a name.
    pub instance_id: Option<String>,
    /// How many of a million requests are sampled whose callers do not say. None of them at 0: then
    /// only those that the caller samples.
    pub samples_per_million: u32,
}

/// Spans cannot be exported there.
#[derive(Debug)]
pub struct Error(String);

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// The way to the collector.
pub(crate) struct Exporting {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    /// Whether no request is sampled of which the caller does not say so.
    follows_only: bool,
}

impl Exporting {
    /// Nobody is dialled before there is something to export.
    pub(crate) fn start(options: &Export) -> Result<Exporting, Error> {
        let exporter = OtlpExporter::builder()
            .with_tonic()
            .with_endpoint(format!("http://{}", options.address))
            .with_timeout(EXPORT_LIMIT)
            .build()
            .map_err(|error| Error(error.to_string()))?;
        let exporter = Audible { exporter, fails: AtomicBool::new(false) };
        // Unless variables of the environment say otherwise: 2048 spans wait at most, for 5 s.
        let processor = BatchSpanProcessor::builder(exporter).build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_resource(resource(options))
            .with_sampler(Sampler::ParentBased(Box::new(sampler(options.samples_per_million))))
            .build();
        let tracer = provider.tracer(SCOPE);
        let follows_only = options.samples_per_million == 0;
        Ok(Exporting { provider, tracer, follows_only })
    }

    /// The span of a call, if it is sampled.
    pub(crate) fn begin(&self, call: &Incoming<'_>) -> Option<Span> {
        // Then only callers have requests sampled, and most say nothing.
        if self.follows_only && !call.has_parent() {
            return None;
        }
        let builder = SpanBuilder::from_name(call.name().to_owned()).with_kind(SpanKind::Server);
        let mut span = self.tracer.build_with_context(builder, &call.parent());
        if !span.span_context().is_sampled() {
            return None;
        }
        span.set_attributes(call.attributes().into_iter().map(KeyValue::from));
        Some(span)
    }

    /// A step inside another span.
    pub(crate) fn step(&self, builder: SpanBuilder, parent: &SpanContext) -> Span {
        let parent = Context::new().with_remote_span_context(parent.clone());
        self.tracer.build_with_context(builder.with_kind(SpanKind::Internal), &parent)
    }

    /// Exports what waits, and ends. It blocks, for no longer than this.
    pub(crate) fn stop(&self, limit: Duration) {
        if let Err(error) = self.provider.shutdown_with_timeout(limit) {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }
}

/// What all spans of this server have in common.
fn resource(options: &Export) -> Resource {
    let mut attributes = vec![KeyValue::new("service.name", options.service_name.clone())];
    if let Some(id) = &options.instance_id {
        attributes.push(KeyValue::new("service.instance.id", id.clone()));
    }
    Resource::builder_empty()
        .with_detector(Box::new(EnvResourceDetector::new()))
        .with_attributes(attributes)
        .build()
}

fn sampler(samples_per_million: u32) -> Sampler {
    match samples_per_million {
        0 => Sampler::AlwaysOff,
        samples => Sampler::TraceIdRatioBased(f64::from(samples) / MILLION),
    }
}

/// Says of a call's span how the call ended.
pub(crate) fn set_end(span: &mut Span, code: Code, message: &str) {
    span.set_attribute(KeyValue::new("rpc.response.status_code", name(code)));
    if is_fault(code) {
        span.set_status(Status::error(message.to_owned()));
    }
}

/// An exporter that tells in the log when it begins to fail, and when it no longer does.
#[derive(Debug)]
struct Audible<E> {
    exporter: E,
    fails: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Audible<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.exporter.export(batch).await;
        let failed = self.fails.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Err(error) if !failed => tracing::warn!(%error, spans, "spans cannot be exported"),
            Ok(()) if failed => tracing::info!(spans, "spans are exported again"),
            _ => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
