//! `/debug/vars` and, where they are wanted, the profiles at `/debug/pprof/` and the pages on requests.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use etcd_spans::Recent;
use http::{StatusCode, header};
use rustix::process::{Resource, getrlimit};
use serde_json::json;

use crate::routes::{get, text};
use crate::{Facts, Profiling};
use crate::{debug_events, debug_heap, debug_profile, debug_requests, paths};

/// What Go's profiler has and this server has not, with the reason.
const WITHOUT: &[(&str, &str)] = &[
    ("allocs", "what was freed again is not remembered; heap has what is in use"),
    ("block", "there are no goroutines whose waiting is sampled"),
    ("goroutine", "there are no goroutines"),
    ("mutex", "there are no goroutines whose waiting is sampled"),
    ("symbol", "profiles come with their symbols"),
    ("threadcreate", "threads are made once, at the start"),
    ("trace", "there is no tracer of Go's kind; see --enable-distributed-tracing"),
];

/// The routes that are served.
pub(crate) fn routes(profiling: Profiling) -> Router<Facts> {
    let router = Router::new().route("/debug/vars", get(vars));
    if profiling == Profiling::Off {
        return router;
    }
    let router = router
        .route("/debug/pprof", any(paths::to_folder))
        .route("/debug/pprof/", any(index))
        .route("/debug/pprof/cmdline", any(command_line))
        .route("/debug/pprof/heap", any(heap))
        .route("/debug/pprof/profile", any(profile));
    WITHOUT.iter().fold(router, |router, (name, reason)| {
        let refuse = async move || text(StatusCode::NOT_IMPLEMENTED, format!("{name}: {reason}\n"));
        router.route(&format!("/debug/pprof/{name}"), any(refuse))
    })
}

/// The pages on requests and events, where they are remembered.
pub(crate) fn remembered(recent: Recent) -> Router<Facts> {
    Router::new()
        .route("/debug/requests", any(debug_requests::requests))
        .route("/debug/events", any(debug_events::events))
        .with_state(recent)
}

/// What expvar shows of etcd, as far as it has a meaning here.
async fn vars(State(facts): State<Facts>) -> Response {
    let status = facts.raft.status();
    let id = |id: Option<etcd_membership::MemberId>| id.map_or(0, |id| id.0);
    let vars = json!({
        "cmdline": arguments(),
        "file_descriptor_limit": getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
        "raft.status": {
            "id": status.member.to_string(),
            "term": status.term,
            "lead": format!("{:x}", id(status.leader)),
            "applied": facts.views.applied().index,
        },
    });
    let kind = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
    (kind, Json(vars)).into_response()
}

async fn index() -> Response {
    text(
        StatusCode::OK,
        "Profiles of this process:\n\
         profile?seconds=30  where it spends its CPU time, in pprof's format\n\
         heap                who allocated the memory that is in use, in pprof's format\n\
         cmdline             its command line\n",
    )
}

/// The words of the command line, with zeros between them.
async fn command_line() -> Response {
    text(StatusCode::OK, arguments().join("\0"))
}

async fn profile(RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let seconds = query.split('&').find_map(|pair| pair.strip_prefix("seconds="));
    let seconds = seconds.and_then(|text| text.parse().ok()).filter(|seconds| *seconds > 0);
    match debug_profile::of_cpu(seconds).await {
        Ok(bytes) => download("profile", bytes),
        Err(reason) => {
            let body = format!("Could not enable CPU profiling: {reason}\n");
            text(StatusCode::INTERNAL_SERVER_ERROR, body)
        }
    }
}

async fn heap() -> Response {
    match debug_heap::of_memory().await {
        Ok(bytes) => download("heap", bytes),
        Err(reason) => text(StatusCode::NOT_IMPLEMENTED, format!("heap: {reason}\n")),
    }
}

fn download(name: &str, bytes: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, bytes).into_response()
}

fn arguments() -> Vec<String> {
    std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect()
}
