//! Questions to other members before raft speaks, and to all of them about their version.

use std::time::Duration;

use axum::http::Response;
use bytes::Bytes;
use etcd_membership::{ClusterId, Member};
use etcd_transport::Dialer;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What a peer says of its cluster.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) cluster: ClusterId,
    pub(crate) members: Vec<Member>,
}

/// The body of `/version`.
#[derive(Debug, Deserialize)]
struct VersionBody {
    etcdserver: String,
    #[serde(default)]
    etcdcluster: String,
}

/// The members as each reachable one of `peers` knows them.
pub(crate) async fn ask_all(dialer: &Dialer, peers: &[&Member], limit: Duration) -> Vec<Answer> {
    let mut answers = Vec::new();
    for peer in peers {
        match ask(dialer, peer, limit).await {
            Ok(answer) => answers.push(answer),
            Err(reason) => {
                tracing::debug!(urls = ?peer.peer_urls, reason, "could not ask peer for members");
            }
        }
    }
    answers
}

/// The first answer to be had, or why there is none.
pub(crate) async fn ask_first(
    dialer: &Dialer,
    peers: &[&Member],
    limit: Duration,
) -> Result<Answer, String> {
    let mut reasons = Vec::new();
    for peer in peers {
        match ask(dialer, peer, limit).await {
            Ok(answer) => return Ok(answer),
            Err(reason) => reasons.push(reason),
        }
    }
    if reasons.is_empty() {
        reasons.push("no other member is named in --initial-cluster".to_owned());
    }
    Err(reasons.join("; "))
}

/// The server version of a member, as "3.7.1".
pub(crate) async fn version(dialer: &Dialer, peer: &Member, limit: Duration) -> Option<String> {
    Some(versions(dialer, peer, limit).await?.etcdserver)
}

/// The version of a member's cluster, as "3.7.0" or, before there is one, in words.
pub(crate) async fn cluster_version(
    dialer: &Dialer,
    peer: &Member,
    limit: Duration,
) -> Option<String> {
    Some(versions(dialer, peer, limit).await?.etcdcluster)
}

async fn versions(dialer: &Dialer, peer: &Member, limit: Duration) -> Option<VersionBody> {
    for url in &peer.peer_urls {
        if let Ok(answer) = dialer.get(url, "/version", limit).await
            && let Ok(version) = serde_json::from_slice::<VersionBody>(answer.body())
        {
            return Some(version);
        }
    }
    None
}

async fn ask(dialer: &Dialer, peer: &Member, limit: Duration) -> Result<Answer, String> {
    let mut reason = "it has no peer URL".to_owned();
    for url in &peer.peer_urls {
        match dialer.get(url, "/members", limit).await {
            Ok(answer) if answer.status().is_success() => {
                return parse(&answer).map_err(|reason| format!("{url}: {reason}"));
            }
            Ok(answer) => reason = format!("{url}/members answered {}", answer.status()),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(reason)
}

fn parse(answer: &Response<Bytes>) -> Result<Answer, String> {
    let cluster = answer.headers().get("x-etcd-cluster-id").and_then(|value| value.to_str().ok());
    let cluster = cluster.ok_or("no cluster id")?.parse().map_err(|_| "a bad cluster id")?;
    let records: Vec<&RawValue> =
        serde_json::from_slice(answer.body()).map_err(|error| error.to_string())?;
    let members = records.iter().map(|record| Member::decode(record.get().as_bytes()));
    let members = members.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    Ok(Answer { cluster, members })
}
