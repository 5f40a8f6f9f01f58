//! Reads: the barrier before them, and where they run.

use etcd_apply::{Outcome, Views};
use etcd_mvcc::{Content, KeyValues, RangeQuery, RangeResult};
use etcd_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use etcd_proto::etcdserverpb::request_op::Request;
use etcd_proto::etcdserverpb::{RangeRequest, RequestOp, TxnRequest, TxnResponse};
use etcd_raft::ReadError;
use tokio::time::Instant;

use crate::deadline::{Deadline, SetBy};
use crate::{Api, Error};

/// The most keys that are read on the task that serves the request: the pages of 500 that Kubernetes
/// asks for are. So many take a fraction of a millisecond, about what handing the read to another
/// thread and back costs under load; more would keep a worker from other clients' requests.
const INLINE_KEYS: i64 = 512;

impl Api {
    /// Waits until this member's state is as new as the newest answer given before.
    pub(crate) async fn read_barrier(&self, deadline: Deadline) -> Result<(), Error> {
        self.raft.read_barrier(deadline.at).await.map_err(|error| match (error, deadline.set_by) {
            (ReadError::TimedOut, SetBy::Client) => Error::DeadlineExceeded,
            (ReadError::TimedOut, SetBy::Member) => Error::Timeout,
            (ReadError::LeaderChanged, _) => Error::LeaderChanged,
            (ReadError::Stopped, _) => Error::Stopped,
        })
    }

    /// Reads a range from this member's state, and says when that was done. Whoever has looked at
    /// the clock just before says what it showed, which spares another look.
    pub(crate) async fn read_range(
        &self,
        request: &RangeRequest,
        begun: Option<Instant>,
    ) -> Result<(RangeResult<KeyValues>, Instant), Error> {
        let keys = keys_of_range(&self.views, request);
        if request.range_end.is_empty() {
            let one = |views: &Views| views.stored_range(request).map(RangeResult::from);
            return Ok(timed(&self.views, begun, one)?);
        }
        if keys <= INLINE_KEYS {
            return Ok(timed(&self.views, begun, |views| views.long_range(request))?);
        }
        let request = request.clone();
        let long = move |views: &Views| timed(views, begun, |views| views.long_range(&request));
        self.read(keys, long).await
    }

    /// Executes a read-only txn on this member's state, and says when that was done.
    pub(crate) async fn read_txn(
        &self,
        request: TxnRequest,
        begun: Instant,
    ) -> Result<(TxnResponse, Instant), Error> {
        let keys = keys_of_txn(&self.views, &request);
        let read = move |views: &Views| {
            let response = views.read_txn(&request);
            let ended = Instant::now();
            views.figures.note_slow(ended.saturating_duration_since(begun));
            Ok((response?, ended))
        };
        self.read(keys, read).await
    }

    async fn read<T: Send + 'static>(
        &self,
        keys: i64,
        read: impl FnOnce(&Views) -> Result<T, etcd_apply::Error> + Send + 'static,
    ) -> Result<T, Error> {
        if keys <= INLINE_KEYS {
            return Ok(read(&self.views)?);
        }
        let views = self.views.clone();
        let read = tokio::task::spawn_blocking(move || read(&views));
        match read.await {
            Ok(result) => Ok(result?),
            // A read does not panic; its runtime may end under it.
            Err(_) => Err(Error::Stopped),
        }
    }
}

/// Notes how long a range takes.
fn timed<T>(
    views: &Views,
    begun: Option<Instant>,
    read: impl FnOnce(&Views) -> Result<T, etcd_apply::Error>,
) -> Result<(T, Instant), etcd_apply::Error> {
    let begun = begun.unwrap_or_else(Instant::now);
    let result = read(views);
    let outcome = if result.is_ok() { Outcome::Done } else { Outcome::Refused };
    let ended = Instant::now();
    views.figures.note_range(outcome, ended.saturating_duration_since(begun));
    Ok((result?, ended))
}

/// About how many keys a range looks at; as many as there can be where that is not known quickly.
fn keys_of_range(views: &Views, request: &RangeRequest) -> i64 {
    let is_key_order = request.sort_order == SortOrder::None as i32
        || (request.sort_order, request.sort_target)
            == (SortOrder::Ascend as i32, SortTarget::Key as i32);
    let is_filtered = request.min_mod_revision != 0
        || request.max_mod_revision != 0
        || request.min_create_revision != 0
        || request.max_create_revision != 0;
    if request.range_end.is_empty() {
        return 1;
    }
    if request.revision > 0 {
        // The index counts the present quickly, not the past.
        return i64::MAX;
    }
    if request.count_only {
        return 1;
    }
    if is_key_order && !is_filtered && (1..=INLINE_KEYS).contains(&request.limit) {
        return request.limit;
    }
    let count = RangeQuery {
        key: request.key.clone(),
        range_end: request.range_end.clone(),
        content: Content::CountOnly,
        ..RangeQuery::default()
    };
    views.mvcc.range(&count).map_or(i64::MAX, |result| result.count)
}

/// The same for all that a txn may look at.
fn keys_of_txn(views: &Views, request: &TxnRequest) -> i64 {
    if request.compare.iter().any(|compare| !compare.range_end.is_empty()) {
        return i64::MAX;
    }
    let list = |operations: &[RequestOp]| {
        let keys = operations.iter().map(|operation| match &operation.request {
            Some(Request::RequestRange(range)) => keys_of_range(views, range),
            _ => i64::MAX,
        });
        keys.fold(0, i64::saturating_add)
    };
    list(&request.success).max(list(&request.failure))
}

/// Whether a txn only reads. A nested txn makes it one that writes, whatever it holds (behaviour of
/// etcd 3.7.1).
pub(crate) fn is_read_only(request: &TxnRequest) -> bool {
    operations(request).all(|operation| matches!(operation.request, Some(Request::RequestRange(_))))
}

/// Whether a txn that only reads takes this member's state as it is: if every range does, also when
/// there is none.
pub(crate) fn is_serializable(request: &TxnRequest) -> bool {
    operations(request).all(|operation| {
        matches!(&operation.request, Some(Request::RequestRange(range)) if range.serializable)
    })
}

fn operations(request: &TxnRequest) -> impl Iterator<Item = &RequestOp> {
    request.success.iter().chain(&request.failure)
}
