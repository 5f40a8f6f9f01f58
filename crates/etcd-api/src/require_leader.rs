//! Streams that end without their client, and clients that want to be told when there is no leader.

use std::pin::Pin;

use axum::http::HeaderMap;

use crate::{Api, Error};

/// By this metadata a client asks for it.
const REQUIRE_LEADER: &str = "hasleader";

/// Resolves with the reason to end a stream.
pub(crate) type Ending = Pin<Box<dyn Future<Output = Error> + Send>>;

impl Api {
    /// When a stream whose request has these headers must end: when the member stops, and for a
    /// client that [wants a leader](wants_leader) also once this member has known none for long: at
    /// three samples in a row, one in each election timeout.
    pub(crate) fn ending(&self, headers: &HeaderMap) -> Ending {
        let stopping = self.stopping.clone();
        let leader_lost = wants_leader(headers).then(|| self.raft.leader_lost());
        Box::pin(async move {
            let leader_lost = async {
                match leader_lost {
                    Some(lost) => lost.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stopping.stopped() => Error::Stopped,
                () = leader_lost => Error::NoLeader,
            }
        })
    }
}

/// Whether the client asks to be refused, and its streams to be ended, when there is no leader.
pub(crate) fn wants_leader(headers: &HeaderMap) -> bool {
    headers.get(REQUIRE_LEADER).is_some_and(|value| value == "true")
}
