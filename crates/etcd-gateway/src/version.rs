//! `/version`: the server's version and the one that the cluster agreed on.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::Facts;

/// The body of `/version`; etcd's names and order.
#[derive(Serialize)]
pub(crate) struct Version {
    etcdserver: &'static str,
    etcdcluster: String,
    storage: String,
}

pub(crate) async fn version(State(facts): State<Facts>) -> Json<Version> {
    let cluster = facts.views.cluster();
    let storage = cluster.storage_version().map(|version| version.to_string());
    Json(Version {
        etcdserver: facts.server_version,
        etcdcluster: cluster.version.clone().unwrap_or_else(|| "not_decided".to_owned()),
        storage: storage.unwrap_or_else(|| "unknown".to_owned()),
    })
}
