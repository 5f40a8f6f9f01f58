//! Whether requests are looked at: exported as spans, or remembered for whoever wants all lines.

use std::time::Duration;

use etcd_config::{LogLevel, Logging, Tracing};
use etcd_spans::{Export, Recent, Spans};

/// How long a stopping member exports spans that wait.
const FLUSH_LIMIT: Duration = Duration::from_millis(500);

/// What was started.
pub(crate) struct Looked {
    /// Where requests begin, if somebody wants to know of them.
    pub(crate) spans: Option<Spans>,
    /// Where they are remembered.
    pub(crate) recent: Option<Recent>,
}

/// Who wants all lines has requests remembered, too, as in etcd.
pub(crate) fn start(options: &Tracing, logging: &Logging) -> Looked {
    let recent = (logging.log_level == LogLevel::Debug).then(Recent::default);
    let export = options.enable_distributed_tracing.then(|| export(options));
    let started = Spans::start(export.as_ref(), recent.clone());
    let spans = started.unwrap_or_else(|error| {
        // As in etcd a collector that cannot be reached keeps no member from serving.
        let address = options.distributed_tracing_address.as_str();
        tracing::warn!(%error, address, "spans are not exported");
        Spans::start(None, recent.clone()).unwrap_or_default()
    });
    Looked { spans, recent }
}

/// Exports what waits.
pub(crate) async fn stop(spans: Option<Spans>) {
    let Some(spans) = spans else { return };
    // It does not panic, and is not cancelled before the runtime is.
    let _ = tokio::task::spawn_blocking(move || spans.stop(FLUSH_LIMIT)).await;
}

fn export(options: &Tracing) -> Export {
    let instance_id = options.distributed_tracing_instance_id.clone();
    // The configuration was checked: it is a number of a million.
    let samples = u32::try_from(options.distributed_tracing_sampling_rate).unwrap_or_default();
    Export {
        address: options.distributed_tracing_address.clone(),
        service_name: options.distributed_tracing_service_name.clone(),
        instance_id: (!instance_id.is_empty()).then_some(instance_id),
        samples_per_million: samples,
    }
}
