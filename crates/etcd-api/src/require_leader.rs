//! Streams whose client wants to be told when there is no leader.

use axum::http::HeaderMap;

use crate::Api;

/// By this metadata a client asks for it.
const REQUIRE_LEADER: &str = "hasleader";

impl Api {
    /// Resolves once this member has known no leader for long: at three samples in a row, one in
    /// each election timeout. A stream whose request says [`wants_leader`] ends with
    /// [`Error::NoLeader`] then. It never resolves once the member stops.
    ///
    /// [`Error::NoLeader`]: crate::Error::NoLeader
    pub fn leader_lost(&self) -> impl Future<Output = ()> + Send + use<> {
        self.raft.leader_lost()
    }
}

/// Whether the client asks to be refused, and its streams to be ended, when there is no leader.
pub(crate) fn wants_leader(headers: &HeaderMap) -> bool {
    headers.get(REQUIRE_LEADER).is_some_and(|value| value == "true")
}
