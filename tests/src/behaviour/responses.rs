//! Responses as a script writes them: every field that is not zero, and nothing else.
//!
//! A whole header is `rev=5`: it has ids and a term, which differ from run to run. Any other
//! header is written out, `header{rev=5}` being one with a revision alone. Keys are
//! `a=value create=2 mod=3 version=2 lease=5`.

use super::answer::{Answer, Show, show_status};
use super::literal::{ALARMS, name_of, show_bytes};
use anyhow::Result;
use bytes::Bytes;
use etcd_proto::etcdserverpb as pb;
use etcd_proto::mvccpb::event::EventType;
use etcd_proto::mvccpb::{Event, KeyValue};
use pb::response_op::Response;
use prost::Message;
use tonic::Status;

/// What a call brought: its messages, and why it ended when it failed.
///
/// # Errors
///
/// When a message is not of the method's type.
pub fn show_call(method: &str, messages: &[Bytes], failure: Option<&Status>) -> Result<String> {
    let mut answer = Answer::default();
    for message in messages {
        show_message(method, message, &mut answer)?;
    }
    if let Some(status) = failure {
        answer.line(show_status(status));
    }
    Ok(answer.text())
}

fn show_message(method: &str, message: &Bytes, answer: &mut Answer) -> Result<()> {
    fn decoded<T: Message + Default + Show>(message: &Bytes, answer: &mut Answer) -> Result<()> {
        T::decode(message.clone())?.show(answer);
        Ok(())
    }
    match method {
        "KV/Range" => decoded::<pb::RangeResponse>(message, answer),
        "KV/RangeStream" => decoded::<pb::RangeStreamResponse>(message, answer),
        "KV/Put" => decoded::<pb::PutResponse>(message, answer),
        "KV/DeleteRange" => decoded::<pb::DeleteRangeResponse>(message, answer),
        "KV/Txn" => decoded::<pb::TxnResponse>(message, answer),
        "KV/Compact" => decoded::<pb::CompactionResponse>(message, answer),
        "Maintenance/HashKV" => decoded::<pb::HashKvResponse>(message, answer),
        "Maintenance/Alarm" => decoded::<pb::AlarmResponse>(message, answer),
        "Maintenance/Status" => decoded::<pb::StatusResponse>(message, answer),
        "Lease/LeaseGrant" => decoded::<pb::LeaseGrantResponse>(message, answer),
        "Lease/LeaseRevoke" => decoded::<pb::LeaseRevokeResponse>(message, answer),
        "Watch/Watch" => decoded::<pb::WatchResponse>(message, answer),
        _ => {
            answer.line(show_bytes(message));
            Ok(())
        }
    }
}

/// Words of a line, without those of zero.
#[derive(Default)]
struct Line(Vec<String>);

impl Line {
    fn with(header: Option<&pb::ResponseHeader>) -> Line {
        Line(vec![show_header(header)])
    }

    fn word(mut self, word: impl Into<String>) -> Line {
        self.0.push(word.into());
        self
    }

    fn number(self, name: &str, number: i64) -> Line {
        if number == 0 { self } else { self.word(format!("{name}={number}")) }
    }

    fn flag(self, name: &str, is_set: bool) -> Line {
        if is_set { self.word(name) } else { self }
    }

    fn end(self, answer: &mut Answer) {
        answer.line(self.0.join(" "));
    }
}

fn show_header(header: Option<&pb::ResponseHeader>) -> String {
    let Some(header) = header else { return "no-header".to_owned() };
    if header.cluster_id != 0 && header.member_id != 0 && header.raft_term != 0 {
        return format!("rev={}", header.revision);
    }
    let mut line = Line::default();
    line = line.number("rev", header.revision);
    line = line.flag("cluster", header.cluster_id != 0).flag("member", header.member_id != 0);
    format!("header{{{}}}", line.flag("term", header.raft_term != 0).0.join(" "))
}

impl Show for KeyValue {
    fn show(&self, answer: &mut Answer) {
        Line::default()
            .word(format!("{}={}", show_bytes(&self.key), show_bytes(&self.value)))
            .number("create", self.create_revision)
            .number("mod", self.mod_revision)
            .number("version", self.version)
            .number("lease", self.lease)
            .end(answer);
    }
}

/// A key after a word.
fn show_pair(word: &str, pair: &KeyValue, answer: &mut Answer) {
    pair.show(answer);
    answer.begin_line(answer.len() - 1, word);
}

impl Show for pb::RangeResponse {
    fn show(&self, answer: &mut Answer) {
        Line::with(self.header.as_ref())
            .number("count", self.count)
            .flag("more", self.more)
            .end(answer);
        answer.list(&self.kvs, Show::show);
    }
}

impl Show for pb::RangeStreamResponse {
    fn show(&self, answer: &mut Answer) {
        match &self.range_response {
            Some(part) => part.show(answer),
            None => answer.line("nothing"),
        }
    }
}

impl Show for pb::PutResponse {
    fn show(&self, answer: &mut Answer) {
        Line::with(self.header.as_ref()).end(answer);
        answer.within(|answer| {
            self.prev_kv.iter().for_each(|pair| show_pair("prev", pair, answer));
        });
    }
}

impl Show for pb::DeleteRangeResponse {
    fn show(&self, answer: &mut Answer) {
        let header = Line::with(self.header.as_ref());
        header.word(format!("deleted={}", self.deleted)).end(answer);
        answer.list(&self.prev_kvs, |pair, answer| show_pair("prev", pair, answer));
    }
}

impl Show for pb::TxnResponse {
    fn show(&self, answer: &mut Answer) {
        let outcome = if self.succeeded { "succeeded" } else { "failed" };
        Line::with(self.header.as_ref()).word(outcome).end(answer);
        answer.list(&self.responses, Show::show);
    }
}

impl Show for pb::ResponseOp {
    fn show(&self, answer: &mut Answer) {
        let start = answer.len();
        let name = match &self.response {
            None => return answer.line("nothing"),
            Some(Response::ResponseRange(response)) => {
                response.show(answer);
                "range"
            }
            Some(Response::ResponsePut(response)) => {
                response.show(answer);
                "put"
            }
            Some(Response::ResponseDeleteRange(response)) => {
                response.show(answer);
                "delete"
            }
            Some(Response::ResponseTxn(response)) => {
                response.show(answer);
                "txn"
            }
        };
        answer.begin_line(start, name);
    }
}

impl Show for pb::CompactionResponse {
    fn show(&self, answer: &mut Answer) {
        Line::with(self.header.as_ref()).end(answer);
    }
}

impl Show for pb::HashKvResponse {
    fn show(&self, answer: &mut Answer) {
        Line::with(self.header.as_ref())
            .word(format!("hash={}", self.hash))
            .number("compact_revision", self.compact_revision)
            .number("hash_revision", self.hash_revision)
            .end(answer);
    }
}

impl Show for pb::LeaseGrantResponse {
    fn show(&self, answer: &mut Answer) {
        let line = Line::with(self.header.as_ref()).number("id", self.id).number("ttl", self.ttl);
        let line = if self.error.is_empty() { line } else { line.word(&self.error) };
        line.end(answer);
    }
}

impl Show for pb::LeaseRevokeResponse {
    fn show(&self, answer: &mut Answer) {
        Line::with(self.header.as_ref()).end(answer);
    }
}

impl Show for pb::AlarmResponse {
    fn show(&self, answer: &mut Answer) {
        let own = self.header.as_ref().map_or(0, |header| header.member_id);
        Line::with(self.header.as_ref()).end(answer);
        answer.list(&self.alarms, |alarm, answer| {
            let member = if alarm.member_id == own {
                "of the member that answers".to_owned()
            } else {
                format!("of member {}", alarm.member_id)
            };
            answer.line(format!("{} {member}", name_of(ALARMS, alarm.alarm)));
        });
    }
}

/// Sizes, raft's numbers and the storage's version depend on the moment and are left out.
impl Show for pb::StatusResponse {
    fn show(&self, answer: &mut Answer) {
        let own = self.header.as_ref().map_or(0, |header| header.member_id);
        Line::with(self.header.as_ref())
            .word(format!("version={}", self.version))
            .flag("leader", self.leader == own)
            .flag("learner", self.is_learner)
            .number("db_size_quota", self.db_size_quota)
            .end(answer);
        answer.list(&self.errors, |error, answer| {
            // Go puts one space or two between fields, lest anyone rely on it.
            let error = error.replace(&own.to_string(), "OWN").replace("  ", " ");
            answer.line(format!("error {error}"));
        });
    }
}

impl Show for pb::WatchResponse {
    fn show(&self, answer: &mut Answer) {
        let line = Line::with(self.header.as_ref())
            .word(format!("id={}", self.watch_id))
            .flag("created", self.created)
            .flag("canceled", self.canceled)
            .number("compact_revision", self.compact_revision)
            .flag("fragment", self.fragment);
        let line = match self.cancel_reason.as_str() {
            "" => line,
            reason => line.word(format!("reason: {reason}")),
        };
        line.end(answer);
        answer.list(&self.events, Show::show);
    }
}

impl Show for Event {
    fn show(&self, answer: &mut Answer) {
        let name = match EventType::try_from(self.r#type) {
            Ok(EventType::Put) => "put".to_owned(),
            Ok(EventType::Delete) => "delete".to_owned(),
            Err(_) => format!("?{}", self.r#type),
        };
        match &self.kv {
            Some(pair) => show_pair(&name, pair, answer),
            None => answer.line(name),
        }
        answer.within(|answer| {
            self.prev_kv.iter().for_each(|pair| show_pair("prev", pair, answer));
        });
    }
}
