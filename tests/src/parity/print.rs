//! Operations as a behaviour script writes them.

use super::call::Call;
use super::caller::Caller;
use super::operation::{Ask, Close, Operation};
use crate::behaviour::Request;
use crate::behaviour::literal::{FILTERS, name_of, show_bytes, show_range};
use etcd_proto::etcdserverpb as pb;
use etcd_proto::v3electionpb::LeaderKey;
use pb::watch_request::RequestUnion;

/// In whose name the next call is, if that is anybody.
pub(crate) fn caller(caller: Caller) -> String {
    match caller {
        Caller::Nobody => String::new(),
        Caller::Token(place) => format!("as ${place}\n"),
        Caller::Forged(token) => format!("metadata token={}\n", show_bytes(token.as_bytes())),
        Caller::Keeper => "as keeper\n".to_owned(),
    }
}

/// One call, or what happens on one watch stream, a line each; revisions as they were sent.
pub(crate) fn operation(by: Caller, operation: &Operation) -> String {
    let request = match operation.clone() {
        Operation::Range(range) => Request::Range(range),
        Operation::RangeStream(range) => Request::RangeStream(range),
        Operation::Put(put) => Request::Put(put),
        Operation::DeleteRange(delete) => Request::DeleteRange(delete),
        Operation::Txn(txn) => Request::Txn(txn),
        Operation::Compact(compact) => Request::Compact(compact),
        Operation::HashKv(revision) => Request::HashKv(pb::HashKvRequest { revision }),
        Operation::Call(Call::LeaseGrant(request)) => Request::LeaseGrant(request),
        Operation::Call(Call::LeaseRevoke(request)) => Request::LeaseRevoke(request),
        Operation::Call(Call::Alarm(request)) => Request::Alarm(request),
        Operation::Call(request) => return format!("{}{}\n", caller(by), call(&request)),
        Operation::Expire => return "expire\n".to_owned(),
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
    format!("{}{request}\n", caller(by))
}

/// A call of another service.
fn call(call: &Call) -> String {
    let name = call.kind();
    let text = |text: &str| show_bytes(text.as_bytes());
    match call {
        Call::LeaseKeepAlive(request) => format!("{name} {}", request.id),
        Call::LeaseTimeToLive(request) => {
            format!("{name} {}{}", request.id, if request.keys { " keys" } else { "" })
        }
        Call::Authenticate(place, request) => {
            format!("{name} {} {} into ${place}", text(&request.name), text(&request.password))
        }
        Call::UserAdd(request) => {
            let has_none = request.options.as_ref().is_some_and(|options| options.no_password);
            let flag = if has_none { " no_password" } else { "" };
            format!("{name} {} {}{flag}", text(&request.name), text(&request.password))
        }
        Call::UserGet(request) => format!("{name} {}", text(&request.name)),
        Call::UserDelete(request) => format!("{name} {}", text(&request.name)),
        Call::UserChangePassword(request) => {
            format!("{name} {} {}", text(&request.name), text(&request.password))
        }
        Call::UserGrantRole(request) => {
            format!("{name} {} {}", text(&request.user), text(&request.role))
        }
        Call::UserRevokeRole(request) => {
            format!("{name} {} {}", text(&request.name), text(&request.role))
        }
        Call::RoleAdd(request) => format!("{name} {}", text(&request.name)),
        Call::RoleGet(request) => format!("{name} {}", text(&request.role)),
        Call::RoleDelete(request) => format!("{name} {}", text(&request.role)),
        Call::RoleGrantPermission(request) => {
            let permission = request.perm.as_ref().map_or("-".to_owned(), |perm| {
                let kind = name_of(&["read", "write", "readwrite"], perm.perm_type);
                format!("{kind} {}", show_range(&perm.key, &perm.range_end))
            });
            format!("{name} {} {permission}", text(&request.name))
        }
        Call::RoleRevokePermission(request) => {
            let range = show_range(&request.key, &request.range_end);
            format!("{name} {} {range}", text(&request.role))
        }
        _ => recipe(call),
    }
}

/// One about locks and elections, or that says nothing but its name.
fn recipe(call: &Call) -> String {
    let name = call.kind();
    let leader = |leader: Option<&LeaderKey>| {
        leader.map_or("-".to_owned(), |LeaderKey { name, key, rev, lease }| {
            format!("{} {} rev={rev} lease={lease}", show_bytes(name), show_bytes(key))
        })
    };
    match call {
        Call::Lock(request) => {
            format!("{name} {} lease={}", show_bytes(&request.name), request.lease)
        }
        Call::Unlock(request) => format!("{name} {}", show_bytes(&request.key)),
        Call::Campaign(request) => {
            let (of, value) = (show_bytes(&request.name), show_bytes(&request.value));
            format!("{name} {of} {value} lease={}", request.lease)
        }
        Call::Proclaim(request) => {
            format!("{name} {} {}", leader(request.leader.as_ref()), show_bytes(&request.value))
        }
        Call::Leader(request) | Call::Observe(request) => {
            format!("{name} {}", show_bytes(&request.name))
        }
        Call::Resign(request) => format!("{name} {}", leader(request.leader.as_ref())),
        _ => name.to_owned(),
    }
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
