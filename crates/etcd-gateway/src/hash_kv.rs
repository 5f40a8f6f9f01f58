//! `/members/hashkv` on the peer listener: the hash of this member's keys, for others to compare.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use crate::Facts;
use crate::routes::text;

/// The header that names the cluster that the asking member belongs to.
const CLUSTER_ID: &str = "x-etcd-cluster-id";

/// Up to which revision.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    revision: i64,
}

/// As Go writes the message: what is zero is left out.
#[derive(Serialize)]
struct Answer {
    header: Header,
    #[serde(skip_serializing_if = "is_zero")]
    hash: u32,
    #[serde(skip_serializing_if = "is_zero")]
    compact_revision: i64,
    #[serde(skip_serializing_if = "is_zero")]
    hash_revision: i64,
}

#[derive(Serialize)]
struct Header {
    cluster_id: u64,
    member_id: u64,
    #[serde(skip_serializing_if = "is_zero")]
    revision: i64,
    #[serde(skip_serializing_if = "is_zero")]
    raft_term: u64,
}

pub(crate) async fn hash_kv(
    State(facts): State<Facts>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let own = facts.cluster.to_string();
    if headers.get(CLUSTER_ID).is_some_and(|cluster| *cluster != own) {
        return text(StatusCode::PRECONDITION_FAILED, "cluster ID mismatch\n");
    }
    let Ok(Asked { revision }) = serde_json::from_slice(&body) else {
        return text(StatusCode::BAD_REQUEST, "error unmarshalling request\n");
    };
    let mvcc = facts.views.mvcc.clone();
    let hashing = tokio::task::spawn_blocking(move || (mvcc.hash_kv(revision), mvcc.revision()));
    let (hash, revision) = hashing.await.expect("hashing does not panic and is not cancelled");
    match hash {
        Err(error) => text(StatusCode::BAD_REQUEST, format!("{error}\n")),
        Ok(hash) => {
            let header = Header {
                cluster_id: facts.cluster.0,
                member_id: facts.raft.status().member.0,
                revision,
                raft_term: facts.views.applied().term,
            };
            let answer = Answer {
                header,
                hash: hash.hash,
                compact_revision: hash.compact_revision,
                hash_revision: hash.hash_revision,
            };
            ([(CLUSTER_ID, own)], Json(answer)).into_response()
        }
    }
}

fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}
