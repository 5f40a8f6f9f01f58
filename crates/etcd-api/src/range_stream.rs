//! RangeStream: a long range in messages that adapt their size.

use std::sync::Arc;

use bytes::Bytes;
use etcd_apply::List;
use etcd_auth::Identity;
use etcd_mvcc::{Fields, KeyValues, RangeResult};
use etcd_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use etcd_proto::etcdserverpb::{RangeRequest, RangeStreamResponse, ResponseHeader};
use etcd_proto::mvccpb::KeyValue;
use etcd_spans::Step;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::adapters::Map;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::range_answer::RangeAnswer;
use crate::{Api, Error};

/// Key-values in the first message (etcd's number).
const FIRST_KEYS: usize = 10;
/// Messages made ahead of a client that reads slowly.
const MESSAGES_AHEAD: usize = 2;

/// What a call of RangeStream answers with.
pub(crate) type Messages = ReceiverStream<Part>;

/// One message: the whole answer in parts, of which only the last has more than key-values.
pub(crate) type Part = Result<RangeAnswer, Status>;

/// The same, read.
pub(crate) type DecodedMessages = Map<Messages, fn(Part) -> Result<RangeStreamResponse, Status>>;

/// Reads the key-values of each message.
pub(crate) fn decoded(messages: Messages) -> DecodedMessages {
    messages.map(|part| {
        let range_response = Some(part?.decode()?);
        Ok(RangeStreamResponse { range_response })
    })
}

/// Refuses what a stream in key order cannot do.
pub(crate) fn check(request: &RangeRequest) -> Result<(), Error> {
    let is_key_order = request.sort_order == SortOrder::None as i32
        || (request.sort_order == SortOrder::Ascend as i32
            && request.sort_target == SortTarget::Key as i32);
    if !is_key_order {
        return Err(Error::CustomSortOrder);
    }
    let filters = [
        request.min_mod_revision,
        request.max_mod_revision,
        request.min_create_revision,
        request.max_create_revision,
    ];
    if filters.iter().any(|filter| *filter != 0) {
        return Err(Error::RevisionFilter);
    }
    Ok(())
}

/// Reads the range on a thread that may wait for storage, as fast as the client takes it. That the
/// caller may still read it is asked once more at the end.
pub(crate) fn start(
    api: Arc<Api>,
    request: RangeRequest,
    caller: Identity,
    step: Option<Step>,
) -> Messages {
    let (sender, messages) = mpsc::channel(MESSAGES_AHEAD);
    tokio::task::spawn_blocking(move || {
        // It lasts as long as there is something to send.
        let _step = step;
        // A receiver that is gone is a client that is gone: nobody is left to tell.
        let is_sorted = request.sort_target != SortTarget::Key as i32 && !request.count_only;
        let result = match is_sorted {
            true => send_sorted(&api, request, &sender),
            false => send(&api, &request, &caller, &sender),
        };
        if let Err(error) = result {
            let _ = sender.blocking_send(Err(error.into()));
        }
    });
    ReceiverStream::new(messages)
}

fn send(
    api: &Api,
    request: &RangeRequest,
    caller: &Identity,
    sender: &mpsc::Sender<Part>,
) -> Result<(), Error> {
    let mut list = api.views.list(request)?;
    let mut left = keys_to_send(request, &list);
    // etcd answers a limit below zero in one message.
    let mut most = if request.limit < 0 { usize::MAX } else { FIRST_KEYS };
    loop {
        let kvs = if left == 0 { Fields::default() } else { list.next(most.min(left))? };
        // The list ends where it ends, whatever was counted.
        left = if kvs.keys == 0 { 0 } else { left - kvs.keys };
        let mut response = part(KeyValues::Fields(kvs), list.revision());
        most = next_size(most, response.encoded_len(), api.limits.max_request_bytes);
        if left == 0 {
            response.header = Some(api.header(list.revision()));
            response.more = list.more();
            response.count = list.count();
        } else {
            response = RangeAnswer { kvs: response.kvs, ..RangeAnswer::default() };
        }
        if sender.blocking_send(Ok(response)).is_err() {
            return Ok(());
        }
        if left == 0 {
            return api.check_unchanged(caller);
        }
    }
}

/// What etcd has read of a range when it looks how long that is.
fn part(kvs: KeyValues, revision: i64) -> RangeAnswer {
    let header = ResponseHeader { revision, ..ResponseHeader::default() };
    let count = kvs.len() as i64 + 1;
    RangeAnswer { header: Some(header), kvs, more: true, count }
}

/// Answers a range that names a target without an order. etcd sorts each message by it, and lets the
/// next one begin behind the key that came last: when there is more than one message, keys are
/// missing, or come twice.
fn send_sorted(
    api: &Api,
    mut request: RangeRequest,
    sender: &mpsc::Sender<Part>,
) -> Result<(), Error> {
    let limit = if request.limit == 0 { i64::MAX } else { request.limit };
    request.limit = limit.min(FIRST_KEYS as i64);
    let mut revision = 0;
    let mut sent = 0;
    loop {
        let RangeResult { kvs, more, revision: now, .. } = api.views.stored_range(&request)?;
        if revision == 0 {
            revision = now;
            if request.revision == 0 {
                request.revision = revision;
            }
        }
        sent += kvs.len() as i64;
        if let Some(last) = kvs.last().filter(|_| more) {
            request.key = [&key_of(last)?[..], &[0]].concat().into();
        }
        let mut response = part(KeyValues::Records(kvs), now);
        let is_last = !more || sent == limit;
        if is_last {
            let rest = RangeRequest { count_only: true, ..request.clone() };
            let left = if more { api.views.stored_range(&rest)?.count } else { 0 };
            let header = Some(api.header(revision));
            response = RangeAnswer { header, more, count: sent + left, ..response };
        } else {
            let most = usize::try_from(request.limit).unwrap_or(usize::MAX);
            let most = next_size(most, response.encoded_len(), api.limits.max_request_bytes);
            request.limit = i64::try_from(most).unwrap_or(i64::MAX).min(limit - sent);
            response = RangeAnswer { kvs: response.kvs, ..RangeAnswer::default() };
        }
        if sender.blocking_send(Ok(response)).is_err() || is_last {
            return Ok(());
        }
    }
}

/// The key of a stored key-value.
fn key_of(kv: &Bytes) -> Result<Bytes, Error> {
    let read = KeyValue::decode(kv.clone());
    Ok(read.map_err(|error| Error::other(format!("etcdserver: {error}")))?.key)
}

/// How many key-values the whole stream carries.
fn keys_to_send(request: &RangeRequest, list: &List) -> usize {
    let count = usize::try_from(list.count()).unwrap_or(usize::MAX);
    match usize::try_from(request.limit) {
        _ if request.count_only => 0,
        Ok(limit) if limit > 0 => count.min(limit),
        _ => count,
    }
}

/// The next message's number of keys, after one of `keys` was `bytes` long: etcd aims at messages of
/// about the size of the largest request.
fn next_size(keys: usize, bytes: usize, aim: usize) -> usize {
    if bytes < aim / 2 {
        keys.saturating_mul(2)
    } else if bytes > aim.saturating_mul(2) {
        (keys / 2).max(1)
    } else {
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_grow_while_small_and_shrink_while_large() {
        assert_eq!(next_size(10, 499, 1000), 20);
        assert_eq!(next_size(10, 500, 1000), 10);
        assert_eq!(next_size(10, 2000, 1000), 10);
        assert_eq!(next_size(10, 2001, 1000), 5);
        assert_eq!(next_size(1, 2001, 1000), 1);
        assert_eq!(next_size(usize::MAX, 0, 1000), usize::MAX);
    }

    #[test]
    fn orders_and_filters_of_their_own_are_refused() {
        let with = |change: fn(&mut RangeRequest)| {
            let mut request = RangeRequest::default();
            change(&mut request);
            check(&request).map_err(|error| Status::from(error).message().to_owned())
        };
        let order = Err("RangeStream does not support custom sort orders".to_owned());
        let filter = Err("RangeStream does not support revision filters".to_owned());
        assert_eq!(with(|_| {}), Ok(()));
        assert_eq!(with(|request| request.sort_order = 1), Ok(()));
        assert_eq!(with(|request| request.sort_target = 3), Ok(()));
        assert_eq!(with(|request| request.sort_order = 2), order);
        assert_eq!(with(|r| (r.sort_order, r.sort_target) = (1, 3)), order);
        assert_eq!(with(|request| request.min_mod_revision = 1), filter);
        assert_eq!(with(|request| request.max_create_revision = 1), filter);
    }
}
