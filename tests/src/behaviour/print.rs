//! Requests as a script writes them.

use super::literal::{
    ALARM_ACTIONS, ALARMS, COMPARE_RESULTS, COMPARE_TARGETS, ORDERS, SORT_TARGETS, name_of,
    show_bytes, show_range,
};
use super::request::Request;
use etcd_proto::etcdserverpb as pb;
use pb::compare::{CompareTarget, TargetUnion};
use pb::request_op::Request as Operation;
use std::fmt::{Display, Write as _};

/// A request, without the end of its last line.
pub(super) fn request(request: &Request) -> String {
    match request {
        Request::Range(request) => range("range", request),
        Request::RangeStream(request) => range("range_stream", request),
        Request::Put(request) => put(request),
        Request::DeleteRange(request) => delete(request),
        Request::Txn(request) => {
            let mut text = String::new();
            txn(request, 0, &mut text);
            text.truncate(text.trim_end().len());
            text
        }
        Request::Compact(request) => {
            Words::new("compact").word(request.revision).flag("physical", request.physical).line
        }
        Request::HashKv(request) => Words::new("hash_kv").word(request.revision).line,
        Request::LeaseGrant(request) => {
            Words::new("lease_grant").word(request.id).field("ttl", request.ttl).line
        }
        Request::LeaseRevoke(request) => Words::new("lease_revoke").word(request.id).line,
        Request::Alarm(request) => {
            Words::new("alarm")
                .word(name_of(ALARM_ACTIONS, request.action))
                .word(name_of(ALARMS, request.alarm))
                .field("member", request.member_id)
                .line
        }
        Request::Status => "status".to_owned(),
    }
}

/// A line that grows by words.
struct Words {
    line: String,
}

impl Words {
    fn new(name: &str) -> Words {
        Words { line: name.to_owned() }
    }

    fn word(mut self, word: impl Display) -> Words {
        let _ = write!(self.line, " {word}");
        self
    }

    /// A field that is not written when it is zero.
    fn field<T: Display + Default + PartialEq>(self, name: &str, value: T) -> Words {
        if value == T::default() { self } else { self.word(format!("{name}={value}")) }
    }

    fn named(self, name: &str, names: &[&str], number: i32) -> Words {
        if number == 0 { self } else { self.word(format!("{name}={}", name_of(names, number))) }
    }

    fn flag(self, name: &str, is_set: bool) -> Words {
        if is_set { self.word(name) } else { self }
    }
}

fn range(name: &str, request: &pb::RangeRequest) -> String {
    Words::new(name)
        .word(show_range(&request.key, &request.range_end))
        .field("limit", request.limit)
        .field("rev", request.revision)
        .named("order", ORDERS, request.sort_order)
        .named("target", SORT_TARGETS, request.sort_target)
        .flag("serializable", request.serializable)
        .flag("keys_only", request.keys_only)
        .flag("count_only", request.count_only)
        .field("min_mod", request.min_mod_revision)
        .field("max_mod", request.max_mod_revision)
        .field("min_create", request.min_create_revision)
        .field("max_create", request.max_create_revision)
        .line
}

fn put(request: &pb::PutRequest) -> String {
    Words::new("put")
        .word(show_bytes(&request.key))
        .word(show_bytes(&request.value))
        .field("lease", request.lease)
        .flag("prev_kv", request.prev_kv)
        .flag("ignore_value", request.ignore_value)
        .flag("ignore_lease", request.ignore_lease)
        .line
}

fn delete(request: &pb::DeleteRangeRequest) -> String {
    Words::new("delete")
        .word(show_range(&request.key, &request.range_end))
        .flag("prev_kv", request.prev_kv)
        .line
}

fn txn(request: &pb::TxnRequest, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    let _ = writeln!(text, "{indent}txn");
    for comparison in &request.compare {
        let _ = writeln!(text, "{indent}  {}", compare(comparison));
    }
    for (name, list) in [("then", &request.success), ("else", &request.failure)] {
        if list.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{indent}  {name}");
        for operation in list {
            let line = match &operation.request {
                Some(Operation::RequestRange(request)) => range("range", request),
                Some(Operation::RequestPut(request)) => put(request),
                Some(Operation::RequestDeleteRange(request)) => delete(request),
                Some(Operation::RequestTxn(request)) => {
                    txn(request, depth + 2, text);
                    continue;
                }
                None => "nothing".to_owned(),
            };
            let _ = writeln!(text, "{indent}    {line}");
        }
    }
}

fn compare(compare: &pb::Compare) -> String {
    let (target, value) = match &compare.target_union {
        None => (compare.target, "-".to_owned()),
        Some(TargetUnion::Version(number)) => (CompareTarget::Version as i32, number.to_string()),
        Some(TargetUnion::CreateRevision(number)) => {
            (CompareTarget::Create as i32, number.to_string())
        }
        Some(TargetUnion::ModRevision(number)) => (CompareTarget::Mod as i32, number.to_string()),
        Some(TargetUnion::Value(bytes)) => (CompareTarget::Value as i32, show_bytes(bytes)),
        Some(TargetUnion::Lease(number)) => (CompareTarget::Lease as i32, number.to_string()),
    };
    let value = match target == compare.target {
        true => value,
        false => format!("{}:{value}", name_of(COMPARE_TARGETS, target)),
    };
    Words::new("if")
        .word(name_of(COMPARE_TARGETS, compare.target))
        .word(show_range(&compare.key, &compare.range_end))
        .word(name_of(COMPARE_RESULTS, compare.result))
        .word(value)
        .line
}
