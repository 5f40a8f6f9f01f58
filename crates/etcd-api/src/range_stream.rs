//! RangeStream: a long range in messages that adapt their size.

use std::sync::Arc;

use etcd_apply::List;
use etcd_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use etcd_proto::etcdserverpb::{RangeRequest, RangeResponse, RangeStreamResponse};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::{Api, Error};

/// Key-values in the first message (etcd's number).
const FIRST_KEYS: usize = 10;
/// Messages made ahead of a client that reads slowly.
const MESSAGES_AHEAD: usize = 2;

/// What a call of RangeStream answers with.
pub(crate) type Messages = ReceiverStream<Result<RangeStreamResponse, Status>>;

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

/// Reads the range on a thread that may wait for storage, as fast as the client takes it.
pub(crate) fn start(api: Arc<Api>, request: RangeRequest) -> Messages {
    let (sender, messages) = mpsc::channel(MESSAGES_AHEAD);
    tokio::task::spawn_blocking(move || {
        // A receiver that is gone is a client that is gone: nobody is left to tell.
        if let Err(error) = send(&api, &request, &sender) {
            let _ = sender.blocking_send(Err(error.into()));
        }
    });
    ReceiverStream::new(messages)
}

fn send(
    api: &Api,
    request: &RangeRequest,
    sender: &mpsc::Sender<Result<RangeStreamResponse, Status>>,
) -> Result<(), Error> {
    let mut list = api.views.list(request)?;
    let mut left = keys_to_send(request, &list);
    // etcd answers a limit below zero in one message.
    let mut most = if request.limit < 0 { usize::MAX } else { FIRST_KEYS };
    loop {
        let kvs = if left == 0 { Vec::new() } else { list.next(most.min(left))? };
        // The list ends where it ends, whatever was counted.
        left = if kvs.is_empty() { 0 } else { left - kvs.len() };
        let mut response = RangeResponse { kvs, ..RangeResponse::default() };
        most = next_size(most, response.encoded_len(), api.limits.max_request_bytes);
        if left == 0 {
            response.header = Some(api.header(list.revision()));
            response.more = list.more();
            response.count = list.count();
        }
        let message = RangeStreamResponse { range_response: Some(response) };
        if sender.blocking_send(Ok(message)).is_err() || left == 0 {
            return Ok(());
        }
    }
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
