//! `/livez` and `/readyz`: whether to restart the member, and whether to send it requests.

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use etcd_proto::etcdserverpb::AlarmType;
use http::StatusCode;

use crate::Facts;
use crate::routes::{not_found, text};

/// One thing that can be wrong with a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    DataCorruption,
    SerializableRead,
    LinearizableRead,
    NonLearner,
}

/// Checks that are asked for together.
struct Probe {
    name: &'static str,
    checks: &'static [Check],
}

/// A member that fails these needs a restart.
const LIVE: Probe = Probe { name: "livez", checks: &[Check::SerializableRead] };
/// One that fails these cannot serve at the moment.
const READY: Probe = Probe {
    name: "readyz",
    checks: &[
        Check::DataCorruption,
        Check::SerializableRead,
        Check::LinearizableRead,
        Check::NonLearner,
    ],
};

impl Check {
    fn name(self) -> &'static str {
        match self {
            Check::DataCorruption => "data_corruption",
            Check::SerializableRead => "serializable_read",
            Check::LinearizableRead => "linearizable_read",
            Check::NonLearner => "non_learner",
        }
    }

    /// The error is in etcd's words.
    async fn run(self, facts: &Facts) -> Result<(), String> {
        match self {
            Check::DataCorruption => {
                let cluster = facts.views.cluster();
                let corrupt = AlarmType::Corrupt as i32;
                match cluster.alarms.iter().any(|alarm| alarm.alarm == corrupt) {
                    true => Err("alarm activated: CORRUPT".to_owned()),
                    false => Ok(()),
                }
            }
            Check::SerializableRead => facts.read_serializable(),
            Check::LinearizableRead => facts.read_linearizable().await,
            Check::NonLearner => match facts.raft.status().is_learner {
                true => Err("not supported for learner".to_owned()),
                false => Ok(()),
            },
        }
    }
}

/// What the query asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    /// Says of each check how it went, also when all is well.
    verbose: bool,
    /// Names of checks that are left out.
    excluded: Vec<String>,
}

impl Wanted {
    fn parse(query: Option<&str>) -> Wanted {
        let mut wanted = Wanted::default();
        for pair in query.unwrap_or_default().split('&') {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("verbose", _) => wanted.verbose = true,
                ("exclude", name) => wanted.excluded.push(name.to_owned()),
                _ => {}
            }
        }
        wanted
    }
}

/// All checks of `/livez`.
pub(crate) async fn livez(State(facts): State<Facts>, RawQuery(query): RawQuery) -> Response {
    all(&LIVE, &facts, query).await
}

/// One of them.
pub(crate) async fn livez_check(
    State(facts): State<Facts>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    one(&LIVE, &name, &facts, query).await
}

/// All checks of `/readyz`.
pub(crate) async fn readyz(State(facts): State<Facts>, RawQuery(query): RawQuery) -> Response {
    all(&READY, &facts, query).await
}

/// One of them.
pub(crate) async fn readyz_check(
    State(facts): State<Facts>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    one(&READY, &name, &facts, query).await
}

async fn all(probe: &Probe, facts: &Facts, query: Option<String>) -> Response {
    let wanted = Wanted::parse(query.as_deref());
    let is_known = |name: &&String| probe.checks.iter().any(|check| check.name() == *name);
    for name in wanted.excluded.iter().filter(|name| !is_known(name)) {
        let path = format!("/{}", probe.name);
        tracing::warn!(path, check = %name, "cannot exclude a health check that does not exist");
    }
    let mut left = probe.checks.to_vec();
    left.retain(|check| !wanted.excluded.iter().any(|name| name == check.name()));
    answer(probe, &left, facts, wanted.verbose).await
}

async fn one(probe: &Probe, name: &str, facts: &Facts, query: Option<String>) -> Response {
    match probe.checks.iter().find(|check| check.name() == name) {
        Some(check) => {
            answer(probe, &[*check], facts, Wanted::parse(query.as_deref()).verbose).await
        }
        None => not_found().await,
    }
}

async fn answer(probe: &Probe, checks: &[Check], facts: &Facts, verbose: bool) -> Response {
    let mut lines = String::new();
    let mut is_well = true;
    for check in checks {
        let name = check.name();
        let result = check.run(facts).await;
        facts.looks.count_check(probe.name, name, &result);
        match result {
            Ok(()) => lines.push_str(&format!("[+]{name} ok\n")),
            Err(reason) => {
                is_well = false;
                lines.push_str(&format!("[-]{name} failed: {reason}\n"));
            }
        }
    }
    match (is_well, verbose) {
        (false, _) => {
            tracing::warn!(checks = %lines.trim_end(), "a health check failed");
            text(StatusCode::SERVICE_UNAVAILABLE, lines + "\n")
        }
        (true, false) => text(StatusCode::OK, "ok\n"),
        (true, true) => text(StatusCode::OK, lines + "ok\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_read_as_etcd_reads_it() {
        let wanted = |verbose, excluded: &[&str]| {
            let excluded = excluded.iter().map(|name| (*name).to_owned()).collect();
            Wanted { verbose, excluded }
        };
        assert_eq!(Wanted::parse(None), wanted(false, &[]));
        assert_eq!(Wanted::parse(Some("verbose")), wanted(true, &[]));
        let query = Some("exclude=a&verbose=false&exclude=b&other=c");
        assert_eq!(Wanted::parse(query), wanted(true, &["a", "b"]));
    }
}
