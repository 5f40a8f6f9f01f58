//! Requests of one message, which a script writes in a line or, a transaction, in a few.
//!
//! ```text
//! range a..z limit=3 rev=7 order=descend target=mod serializable keys_only count_only
//!     min_mod=1 max_mod=2 min_create=3 max_create=4
//! range_stream …                     as range
//! put a value lease=5 prev_kv ignore_value ignore_lease
//! delete a..z prev_kv
//! compact 5 physical
//! hash_kv 5
//! lease_grant 5 ttl=60
//! lease_revoke 5
//! alarm activate nospace member=1
//! status
//! txn
//!   if version a > 0                 target, key or range, result, value
//!   if ?9 a ?7 value:x               of another target than the compare's
//!   if mod a = -                     no value at all
//!   then
//!     put a 1                        range, put, delete, txn
//!     nothing                        an operation without content
//!   else
//!     range a
//! ```
//!
//! [`Request`] prints and parses itself: what is printed parses to the same request.

use super::{parse, print};
use etcd_proto::etcdserverpb as pb;
use prost::Message as _;
use std::fmt;
use std::str::FromStr;

/// A request of one message.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each is named like its RPC")]
pub enum Request {
    Range(pb::RangeRequest),
    RangeStream(pb::RangeRequest),
    Put(pb::PutRequest),
    DeleteRange(pb::DeleteRangeRequest),
    Txn(pb::TxnRequest),
    Compact(pb::CompactionRequest),
    HashKv(pb::HashKvRequest),
    LeaseGrant(pb::LeaseGrantRequest),
    LeaseRevoke(pb::LeaseRevokeRequest),
    Alarm(pb::AlarmRequest),
    Status,
}

impl Request {
    /// Service and method, as in `KV/Range`.
    pub fn method(&self) -> &'static str {
        match self {
            Request::Range(_) => "KV/Range",
            Request::RangeStream(_) => "KV/RangeStream",
            Request::Put(_) => "KV/Put",
            Request::DeleteRange(_) => "KV/DeleteRange",
            Request::Txn(_) => "KV/Txn",
            Request::Compact(_) => "KV/Compact",
            Request::HashKv(_) => "Maintenance/HashKV",
            Request::LeaseGrant(_) => "Lease/LeaseGrant",
            Request::LeaseRevoke(_) => "Lease/LeaseRevoke",
            Request::Alarm(_) => "Maintenance/Alarm",
            Request::Status => "Maintenance/Status",
        }
    }

    /// The message's bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Request::Range(range) | Request::RangeStream(range) => range.encode_to_vec(),
            Request::Put(put) => put.encode_to_vec(),
            Request::DeleteRange(delete) => delete.encode_to_vec(),
            Request::Txn(txn) => txn.encode_to_vec(),
            Request::Compact(compaction) => compaction.encode_to_vec(),
            Request::HashKv(hash) => hash.encode_to_vec(),
            Request::LeaseGrant(grant) => grant.encode_to_vec(),
            Request::LeaseRevoke(revoke) => revoke.encode_to_vec(),
            Request::Alarm(alarm) => alarm.encode_to_vec(),
            Request::Status => Vec::new(),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print::request(self))
    }
}

impl FromStr for Request {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Request> {
        parse::request(text)
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
