//! Ranges: from the request to the store's query, and from its result to the response.

use bytes::Bytes;
use etcd_mvcc::{Content, RangeQuery, RangeResult, SortOrder, SortTarget};
use etcd_proto::etcdserverpb::range_request as wire;
use etcd_proto::etcdserverpb::{RangeRequest, RangeResponse, ResponseHeader};
use etcd_proto::mvccpb::KeyValue;
use prost::Message as _;

use crate::Error;

/// A response header as the applier makes it: the revision alone.
pub(crate) fn header(revision: i64) -> Option<ResponseHeader> {
    Some(ResponseHeader { revision, ..ResponseHeader::default() })
}

/// The query that answers a request. A sort that does not exist was refused before; here it counts
/// as none.
pub(crate) fn query(request: &RangeRequest) -> RangeQuery {
    let sort_order = match wire::SortOrder::try_from(request.sort_order) {
        Ok(wire::SortOrder::None) | Err(_) => SortOrder::None,
        Ok(wire::SortOrder::Ascend) => SortOrder::Ascend,
        Ok(wire::SortOrder::Descend) => SortOrder::Descend,
    };
    let sort_target = match wire::SortTarget::try_from(request.sort_target) {
        Ok(wire::SortTarget::Key) | Err(_) => SortTarget::Key,
        Ok(wire::SortTarget::Version) => SortTarget::Version,
        Ok(wire::SortTarget::Create) => SortTarget::Create,
        Ok(wire::SortTarget::Mod) => SortTarget::Mod,
        Ok(wire::SortTarget::Value) => SortTarget::Value,
    };
    let content = match (request.count_only, request.keys_only) {
        (true, _) => Content::CountOnly,
        (false, true) => Content::KeysOnly,
        (false, false) => Content::Full,
    };
    RangeQuery {
        key: request.key.clone(),
        range_end: request.range_end.clone(),
        revision: request.revision,
        limit: request.limit,
        sort_order,
        sort_target,
        content,
        min_mod_revision: request.min_mod_revision,
        max_mod_revision: request.max_mod_revision,
        min_create_revision: request.min_create_revision,
        max_create_revision: request.max_create_revision,
    }
}

/// The response to a request, its header with the revision only.
pub(crate) fn response(result: RangeResult) -> Result<RangeResponse, Error> {
    Ok(RangeResponse {
        header: header(result.revision),
        kvs: result.kvs.into_iter().map(key_value).collect::<Result<_, _>>()?,
        more: result.more,
        count: result.count,
    })
}

/// Reads a stored key-value; its key and value share the record's memory.
pub(crate) fn key_value(record: Bytes) -> Result<KeyValue, Error> {
    KeyValue::decode(record)
        .map_err(|error| Error::Damaged { table: "key", reason: error.to_string() })
}
