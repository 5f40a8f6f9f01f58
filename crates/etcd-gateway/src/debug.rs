//! `/debug/vars` and, where they are wanted, the profiles at `/debug/pprof/`.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use http::{StatusCode, header};
use rustix::process::{Resource, getrlimit};
use serde_json::json;

use crate::debug_profile;
use crate::routes::{get, text};
use crate::{Facts, Profiling};

/// What Go's profiler has and this server has not, with the reason.
const WITHOUT: &[(&str, &str)] = &[
    ("allocs", HEAP),
    ("block", "there are no goroutines whose waiting is sampled"),
    ("goroutine", "there are no goroutines"),
    ("heap", HEAP),
    ("mutex", "there are no goroutines whose waiting is sampled"),
    ("symbol", "profiles come with their symbols"),
    ("threadcreate", "threads are made once, at the start"),
    ("trace", "there is no tracer of Go's kind; see --enable-distributed-tracing"),
];

const HEAP: &str = "the allocator was built without sampling, which would cost every allocation; \
                    process_resident_memory_bytes in /metrics tells the whole";

/// The routes that are served.
pub(crate) fn routes(profiling: Profiling) -> Router<Facts> {
    let router = Router::new().route("/debug/vars", get(vars));
    if profiling == Profiling::Off {
        return router;
    }
    let router = router
        .route("/debug/pprof/", any(index))
        .route("/debug/pprof/cmdline", any(command_line))
        .route("/debug/pprof/profile", any(profile));
    WITHOUT.iter().fold(router, |router, (name, reason)| {
        let refuse = async move || text(StatusCode::NOT_IMPLEMENTED, format!("{name}: {reason}\n"));
        router.route(&format!("/debug/pprof/{name}"), any(refuse))
    })
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
        Ok(bytes) => {
            let headers = [
                (header::CONTENT_TYPE, "application/octet-stream"),
                (header::CONTENT_DISPOSITION, "attachment; filename=\"profile\""),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (headers, bytes).into_response()
        }
        Err(reason) => {
            let body = format!("Could not enable CPU profiling: {reason}\n");
            text(StatusCode::INTERNAL_SERVER_ERROR, body)
        }
    }
}

fn arguments() -> Vec<String> {
    std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect()
}
