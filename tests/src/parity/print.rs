//! Operations as a behaviour script writes them.

use super::operation::{Ask, Close, Operation};
use crate::behaviour::Request;
use crate::behaviour::literal::{FILTERS, name_of, show_range};
use etcd_proto::etcdserverpb as pb;
use pb::watch_request::RequestUnion;

/// One call, or what happens on one watch stream, a line each; revisions as they were sent.
pub(crate) fn operation(operation: &Operation) -> String {
    let request = match operation.clone() {
        Operation::Range(range) => Request::Range(range),
        Operation::RangeStream(range) => Request::RangeStream(range),
        Operation::Put(put) => Request::Put(put),
        Operation::DeleteRange(delete) => Request::DeleteRange(delete),
        Operation::Txn(txn) => Request::Txn(txn),
        Operation::Compact(compact) => Request::Compact(compact),
        Operation::HashKv(revision) => Request::HashKv(pb::HashKvRequest { revision }),
        Operation::Watch { stream, asks } => {
            let lines = asks.iter().map(|ask| match ask {
                // The id is known only when it is sent.
                Ask::CancelOne(number) => format!("watch s{stream} cancel one of {number}\n"),
                ask => watch(stream, &ask.message(&[])),
            });
            return lines.collect();
        }
        Operation::Close { stream, close: Close::Half } => {
            return format!("watch s{stream} half-close\n");
        }
        Operation::Close { stream, close: Close::Reset } => {
            return format!("watch s{stream} drop\n");
        }
    };
    format!("{request}\n")
}

/// A request on a watch stream.
pub(crate) fn watch(stream: usize, request: &pb::WatchRequest) -> String {
    let request = match &request.request_union {
        Some(RequestUnion::CreateRequest(request)) => create(request),
        Some(RequestUnion::CancelRequest(cancel)) => format!("cancel {}", cancel.watch_id),
        Some(RequestUnion::ProgressRequest(_)) => "progress".to_owned(),
        None => "raw \"\"".to_owned(),
    };
    format!("watch s{stream} {request}\n")
}

fn create(create: &pb::WatchCreateRequest) -> String {
    let mut words = vec!["create".to_owned(), show_range(&create.key, &create.range_end)];
    if create.start_revision != 0 {
        words.push(format!("start={}", create.start_revision));
    }
    if create.watch_id != 0 {
        words.push(format!("id={}", create.watch_id));
    }
    let filters = create.filters.iter();
    words.extend(filters.map(|filter| format!("filter={}", name_of(FILTERS, *filter))));
    let flags = [
        ("progress_notify", create.progress_notify),
        ("prev_kv", create.prev_kv),
        ("fragment", create.fragment),
    ];
    words.extend(flags.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| (*name).to_owned()));
    words.join(" ")
}
