//! `/health`: whether the member can serve.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use etcd_proto::etcdserverpb::AlarmType;
use http::{StatusCode, header};
use serde::Serialize;

use crate::Facts;

/// The body of `/health`; etcd writes the boolean as text.
#[derive(Serialize)]
struct Health {
    health: &'static str,
    reason: String,
}

/// What the query asks for.
#[derive(Default)]
struct Wanted {
    /// Only what this member can tell alone.
    serializable: bool,
    /// Alarms that do not count.
    excluded: Vec<String>,
}

impl Wanted {
    fn parse(query: Option<&str>) -> Wanted {
        let mut wanted = Wanted::default();
        for pair in query.unwrap_or_default().split('&') {
            match pair.split_once('=') {
                Some(("serializable", value)) => wanted.serializable = value == "true",
                Some(("exclude", alarm)) => wanted.excluded.push(alarm.to_owned()),
                _ => {}
            }
        }
        wanted
    }
}

pub(crate) async fn health(State(facts): State<Facts>, RawQuery(query): RawQuery) -> Response {
    let checked = check(&facts, &Wanted::parse(query.as_deref())).await;
    facts.looks.count_health(&checked);
    match checked {
        Ok(()) => {
            let body = encode(&Health { health: "true", reason: String::new() });
            (StatusCode::OK, [(header::CONTENT_TYPE, TEXT)], body).into_response()
        }
        Err(reason) => {
            let body = encode(&Health { health: "false", reason }) + "\n";
            let headers =
                [(header::CONTENT_TYPE, TEXT), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
            (StatusCode::SERVICE_UNAVAILABLE, headers, body).into_response()
        }
    }
}

/// etcd sets no type on the healthy answer, so that Go makes it this one.
const TEXT: &str = "text/plain; charset=utf-8";

fn encode(health: &Health) -> String {
    serde_json::to_string(health).expect("two strings have a JSON form")
}

/// etcd's checks in etcd's order; the error is the reason in etcd's words.
async fn check(facts: &Facts, wanted: &Wanted) -> Result<(), String> {
    for alarm in facts.views.cluster().alarms.iter() {
        let name = AlarmType::try_from(alarm.alarm).map_or("UNKNOWN", |kind| kind.as_str_name());
        if !wanted.excluded.iter().any(|excluded| excluded == name) {
            return Err(format!("ALARM {name}"));
        }
    }
    if !wanted.serializable {
        if facts.raft.status().leader.is_none() {
            return Err("RAFT NO LEADER".to_owned());
        }
        return facts.read_linearizable().await.map_err(|error| format!("RANGE ERROR:{error}"));
    }
    facts.read_serializable().map_err(|error| format!("RANGE ERROR:{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_read_as_etcd_reads_it() {
        let wanted = Wanted::parse(Some("serializable=true&exclude=NOSPACE&exclude=CORRUPT&x"));
        assert!(wanted.serializable);
        assert_eq!(wanted.excluded, ["NOSPACE", "CORRUPT"]);
        assert!(!Wanted::parse(Some("serializable=1")).serializable);
        assert!(!Wanted::parse(None).serializable);
    }
}
