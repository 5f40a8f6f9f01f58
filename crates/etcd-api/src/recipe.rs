//! What locks and elections are made of: a client's steps, taken for it inside the member.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use etcd_mvcc::KeyRange;
use etcd_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use etcd_proto::etcdserverpb::kv_server::Kv as _;
use etcd_proto::etcdserverpb::lease_server::Lease as _;
use etcd_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use etcd_proto::etcdserverpb::request_op::Request as Operation;
use etcd_proto::etcdserverpb::response_op::Response as Outcome;
use etcd_proto::etcdserverpb::{
    Compare, DeleteRangeRequest, DeleteRangeResponse, LeaseGrantRequest, PutRequest, RangeRequest,
    RangeResponse, RequestOp, TxnRequest, TxnResponse,
};
use etcd_proto::mvccpb::KeyValue;
use etcd_watch::{Feed, Filter, Interest, Told};
use tonic::metadata::MetadataMap;
use tonic::{Code, Extensions, Request, Status};

use crate::kv::KvService;
use crate::lease::LeaseService;
use crate::{Api, Error};

/// How long a lease lives that is granted for a caller without one, in seconds (etcd: a minute).
const SESSION_TTL_SECONDS: i64 = 60;

/// The one who follows a recipe: every step is a request of the caller's, with its credentials and
/// under its time limit.
pub(crate) struct Recipe {
    pub(crate) api: Arc<Api>,
    kv: KvService,
    metadata: MetadataMap,
    extensions: Extensions,
}

impl Recipe {
    /// Begins to act for whoever sent this request.
    pub(crate) fn begin<T>(api: &Arc<Api>, request: Request<T>) -> (Arc<Recipe>, T) {
        let (metadata, extensions, message) = request.into_parts();
        let kv = KvService::new(api.clone());
        (Arc::new(Recipe { api: api.clone(), kv, metadata, extensions }), message)
    }

    fn request<T>(&self, message: T) -> Request<T> {
        Request::from_parts(self.metadata.clone(), self.extensions.clone(), message)
    }

    /// The lease to work with: the caller's, looked at by nobody, or a new one that it must keep
    /// alive itself.
    pub(crate) async fn session(&self, lease: i64) -> Result<i64, Status> {
        if lease != 0 {
            return Ok(lease);
        }
        let request = LeaseGrantRequest { ttl: SESSION_TTL_SECONDS, id: 0 };
        let service = LeaseService::new(self.api.clone());
        let granted = service.lease_grant(self.request(request)).await.map_err(without_code)?;
        Ok(granted.into_inner().id)
    }

    pub(crate) async fn range(&self, request: RangeRequest) -> Result<RangeResponse, Status> {
        let response = self.kv.range(self.request(request)).await.map_err(without_code)?;
        Ok(response.into_inner())
    }

    pub(crate) async fn delete(&self, key: Bytes) -> Result<DeleteRangeResponse, Status> {
        let request = DeleteRangeRequest { key, ..DeleteRangeRequest::default() };
        let response = self.kv.delete_range(self.request(request)).await.map_err(without_code)?;
        Ok(response.into_inner())
    }

    /// Runs `success` if the key was created at that revision (zero: if it is absent), else
    /// `failure`.
    pub(crate) async fn if_created_at(
        &self,
        key: &Bytes,
        revision: i64,
        success: Vec<Operation>,
        failure: Vec<Operation>,
    ) -> Result<TxnResponse, Status> {
        let compare = Compare {
            result: CompareResult::Equal as i32,
            target: CompareTarget::Create as i32,
            key: key.clone(),
            target_union: Some(TargetUnion::CreateRevision(revision)),
            ..Compare::default()
        };
        let list = |operations: Vec<Operation>| {
            operations.into_iter().map(|operation| RequestOp { request: Some(operation) }).collect()
        };
        let (success, failure) = (list(success), list(failure));
        let request = TxnRequest { compare: vec![compare], success, failure };
        let response = self.kv.txn(self.request(request)).await.map_err(without_code)?;
        Ok(response.into_inner())
    }

    /// Waits until no key with this prefix is left that was created up to `revision`: for the newest
    /// of them, and when it is gone for the next, so that each who waits looks at one other.
    pub(crate) async fn wait_for_deletes(
        &self,
        prefix: &Bytes,
        revision: i64,
    ) -> Result<(), Status> {
        loop {
            let response = self.range(last_created(prefix, revision)).await?;
            let Some(newest) = response.kvs.into_iter().next() else { return Ok(()) };
            let seen_at = response.header.unwrap_or_default().revision;
            let filter = Filter { no_puts: true, ..Filter::default() };
            let range = KeyRange::new(newest.key, Bytes::new());
            let mut feed = self.watch(Interest { range, start_revision: seen_at, filter })?;
            while !matches!(self.told(&mut feed).await?, Told::Changed(_)) {}
        }
    }

    /// Begins to watch on this member, which has seen the revision that the watch begins at.
    pub(crate) fn watch(&self, interest: Interest) -> Result<Feed, Status> {
        let mut feed = self.api.views.hub.feed();
        feed.watch(0, interest).map_err(|error| Status::unknown(error.to_string()))?;
        Ok(feed)
    }

    /// The next word of a watch.
    pub(crate) async fn told(&self, feed: &mut Feed) -> Result<Told, Status> {
        tokio::select! {
            told = feed.next() => match told {
                Ok(Told::Compacted { .. }) => Err(without_code(Error::Compacted.into())),
                Ok(told) => Ok(told),
                Err(error) => Err(Error::other(error).into()),
            },
            () = self.api.stopping.stopped() => Err(Error::Stopped.into()),
        }
    }
}

/// A client of etcd's own loses the code of etcd's errors on the way; the texts stay.
fn without_code(status: Status) -> Status {
    match status.code() {
        Code::DeadlineExceeded | Code::Cancelled => status,
        _ => Status::unknown(status.message()),
    }
}

/// The keys under a name.
pub(crate) fn prefix_of(name: &[u8]) -> Bytes {
    let mut prefix = BytesMut::with_capacity(name.len() + 1);
    prefix.put_slice(name);
    prefix.put_u8(b'/');
    prefix.freeze()
}

/// The key of a lease's holder: the lease in hexadecimal, as Go writes signed numbers.
pub(crate) fn key_of(prefix: &Bytes, lease: i64) -> Bytes {
    let sign = if lease < 0 { "-" } else { "" };
    let number = format!("{sign}{:x}", lease.unsigned_abs());
    Bytes::from([prefix, number.as_bytes()].concat())
}

/// The range of one key.
pub(crate) fn only(key: Bytes) -> RangeRequest {
    RangeRequest { key, ..RangeRequest::default() }
}

/// The oldest key with a prefix that ends as all of them do here: whoever it belongs to is first.
pub(crate) fn first_created(prefix: &Bytes) -> RangeRequest {
    RangeRequest {
        sort_order: SortOrder::Ascend as i32,
        sort_target: SortTarget::Create as i32,
        limit: 1,
        ..all(prefix)
    }
}

fn last_created(prefix: &Bytes, up_to: i64) -> RangeRequest {
    RangeRequest {
        sort_order: SortOrder::Descend as i32,
        sort_target: SortTarget::Create as i32,
        limit: 1,
        max_create_revision: up_to,
        ..all(prefix)
    }
}

fn all(prefix: &Bytes) -> RangeRequest {
    let (key, range_end) = (prefix.clone(), end_of(prefix));
    RangeRequest { key, range_end, ..RangeRequest::default() }
}

/// The first key after all with this prefix, which ends with a slash.
pub(crate) fn end_of(prefix: &Bytes) -> Bytes {
    const AFTER_SLASH: &[u8] = b"0";
    let name = prefix.strip_suffix(b"/").expect("a prefix ends with a slash");
    Bytes::from([name, AFTER_SLASH].concat())
}

/// A put of a key that goes with its lease.
pub(crate) fn put(key: &Bytes, value: &Bytes, lease: i64) -> Operation {
    let (key, value) = (key.clone(), value.clone());
    Operation::RequestPut(PutRequest { key, value, lease, ..PutRequest::default() })
}

/// A delete of one key.
pub(crate) fn delete(key: &Bytes) -> Operation {
    Operation::RequestDeleteRange(DeleteRangeRequest {
        key: key.clone(),
        ..DeleteRangeRequest::default()
    })
}

/// The first key-value that the operation at this place of a txn found.
pub(crate) fn found(response: &TxnResponse, place: usize) -> Option<&KeyValue> {
    match response.responses.get(place)?.response.as_ref()? {
        Outcome::ResponseRange(range) => range.kvs.first(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_prefixes_and_leases_keys() {
        let prefix = prefix_of(b"my/lock");
        assert_eq!((&prefix[..], &end_of(&prefix)[..]), (&b"my/lock/"[..], &b"my/lock0"[..]));
        assert_eq!(key_of(&prefix, 0x1234_abcd), "my/lock/1234abcd");
        assert_eq!(key_of(&prefix, -0x1f), "my/lock/-1f");
        assert_eq!(key_of(&prefix_of(b""), i64::MIN), "/-8000000000000000");
    }

    #[test]
    fn errors_lose_their_code_but_for_those_of_the_callers_own_time() {
        let lost = |error: Error| without_code(error.into());
        assert_eq!(lost(Error::LeaseNotFound).code(), Code::Unknown);
        assert_eq!(lost(Error::LeaseNotFound).message(), "etcdserver: requested lease not found");
        assert_eq!(lost(Error::DeadlineExceeded).code(), Code::DeadlineExceeded);
        assert_eq!(lost(Error::ContextCanceled).code(), Code::Cancelled);
    }
}
