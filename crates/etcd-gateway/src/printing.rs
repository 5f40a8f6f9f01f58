//! Protobuf becomes JSON, as etcd's gateway writes it: original names, 64-bit numbers as text, and
//! nothing of what is not set.
//!
//! What is read comes from this member, which writes each field once, and a list's elements one
//! behind the other. It may be as deep as txns in txns are; the libraries for this stop at a
//! hundred messages in each other.

use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::{Buf, Bytes};
use etcd_nesting::with_room;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

/// For how many messages in each other there is room on a stack before the next one is looked for.
const LEVELS: usize = 8;

/// Appends a message of the wire to a text.
pub(crate) fn print(
    message: &MessageDescriptor,
    mut wire: Bytes,
    text: &mut Vec<u8>,
) -> Result<(), String> {
    text.push(b'{');
    let mut list: Option<FieldDescriptor> = None;
    let mut is_first = true;
    while wire.has_remaining() {
        let (number, wire_type) = decode_key(&mut wire).map_err(unreadable)?;
        let Some(field) = message.get_field(number) else {
            let context = DecodeContext::default();
            skip_field(wire_type, number, &mut wire, context).map_err(unreadable)?;
            continue;
        };
        let continues = list.as_ref().is_some_and(|open| open.number() == number);
        if continues {
            text.push(b',');
        } else {
            if list.take().is_some() {
                text.push(b']');
            }
            if !std::mem::take(&mut is_first) {
                text.push(b',');
            }
            print_text(field.name(), text);
            text.push(b':');
            if field.is_list() {
                text.push(b'[');
                list = Some(field.clone());
            }
        }
        print_value(&field, wire_type, &mut wire, text)?;
    }
    if list.is_some() {
        text.push(b']');
    }
    text.push(b'}');
    Ok(())
}

fn print_value(
    field: &FieldDescriptor,
    wire_type: WireType,
    wire: &mut Bytes,
    text: &mut Vec<u8>,
) -> Result<(), String> {
    let number = decode_varint(wire).map_err(unreadable)?;
    if wire_type == WireType::Varint {
        print_number(&field.kind(), number, text);
        return Ok(());
    }
    let length = usize::try_from(number).ok().filter(|length| *length <= wire.len());
    let Some(length) = length.filter(|_| wire_type == WireType::LengthDelimited) else {
        return Err(unreadable("a field ends behind its message"));
    };
    let value = wire.split_to(length);
    match field.kind() {
        Kind::Message(message) => return with_room(LEVELS, || print(&message, value, text)),
        Kind::Bytes => {
            text.push(b'"');
            text.extend_from_slice(BASE64_STANDARD.encode(&value).as_bytes());
            text.push(b'"');
        }
        _ => print_text(&String::from_utf8_lossy(&value), text),
    }
    Ok(())
}

fn print_number(kind: &Kind, number: u64, text: &mut Vec<u8>) {
    let shown = match kind {
        Kind::Bool => (number != 0).to_string(),
        Kind::Int64 => format!("\"{}\"", number.cast_signed()),
        Kind::Uint64 => format!("\"{number}\""),
        // The wire has small negative numbers as large ones.
        Kind::Enum(names) => {
            let number = number as i32;
            return match names.get_value(number) {
                Some(value) => print_text(value.name(), text),
                None => text.extend_from_slice(number.to_string().as_bytes()),
            };
        }
        Kind::Int32 => (number as i32).to_string(),
        _ => number.to_string(),
    };
    text.extend_from_slice(shown.as_bytes());
}

fn print_text(value: &str, text: &mut Vec<u8>) {
    serde_json::to_writer(text, value).expect("text is JSON, and there is room for it");
}

fn unreadable(reason: impl std::fmt::Display) -> String {
    format!("cannot read an answer: {reason}")
}

#[cfg(test)]
mod tests {
    use etcd_proto::etcdserverpb::{
        AlarmMember, AlarmResponse, DeleteRangeResponse, HashKvResponse, Member,
        MemberListResponse, RangeResponse, ResponseHeader, StatusResponse,
    };
    use etcd_proto::mvccpb::KeyValue;
    use prost::Message;

    use super::*;
    use crate::descriptors::message;

    #[track_caller]
    fn check(name: &str, answer: &impl Message, expected: &str) {
        let mut text = Vec::new();
        print(&message(name), answer.encode_to_vec().into(), &mut text).expect("printed");
        assert_eq!(String::from_utf8(text).expect("UTF-8"), expected);
    }

    #[test]
    fn messages_are_written_as_etcd_writes_them() {
        let header =
            Some(ResponseHeader { cluster_id: u64::MAX, member_id: 1, revision: -1, raft_term: 0 });
        let kv = KeyValue { key: "a".into(), value: "\u{fb}".into(), ..KeyValue::default() };
        let range = RangeResponse { header, kvs: vec![kv], more: true, count: 1 };
        let expected = "{\"header\":{\"cluster_id\":\"18446744073709551615\",\"member_id\":\"1\",\
                        \"revision\":\"-1\"},\"kvs\":[{\"key\":\"YQ==\",\"value\":\"w7s=\"}],\
                        \"more\":true,\"count\":\"1\"}";
        check("etcdserverpb.RangeResponse", &range, expected);
        check("etcdserverpb.DeleteRangeResponse", &DeleteRangeResponse::default(), "{}");
        let hash = HashKvResponse { hash: 7, ..HashKvResponse::default() };
        check("etcdserverpb.HashKVResponse", &hash, "{\"hash\":7}");
        let member = Member {
            id: 1,
            peer_urls: vec!["http://a".to_owned()],
            is_learner: true,
            ..Member::default()
        };
        let list = MemberListResponse { header: None, members: vec![member] };
        let expected =
            "{\"members\":[{\"ID\":\"1\",\"peerURLs\":[\"http://a\"],\"isLearner\":true}]}";
        check("etcdserverpb.MemberListResponse", &list, expected);
        let alarms = [1, 9].map(|alarm| AlarmMember { member_id: 0, alarm });
        let alarms = AlarmResponse { header: None, alarms: alarms.to_vec() };
        let expected = "{\"alarms\":[{\"alarm\":\"NOSPACE\"},{\"alarm\":9}]}";
        check("etcdserverpb.AlarmResponse", &alarms, expected);
        let status = StatusResponse {
            errors: vec!["a\"\u{1}\u{e9}".to_owned(), String::new()],
            ..StatusResponse::default()
        };
        let expected = "{\"errors\":[\"a\\\"\\u0001\u{e9}\",\"\"]}";
        check("etcdserverpb.StatusResponse", &status, expected);
    }

    #[test]
    fn messages_may_stand_in_messages_as_deep_as_they_like() {
        // In TxnResponse responses are field 3, in ResponseOp a TxnResponse is field 4.
        let mut wire = Vec::new();
        for level in 0..4_000 {
            let mut outer = Vec::new();
            prost::encoding::bytes::encode(3 + (level + 1) % 2, &wire, &mut outer);
            wire = outer;
        }
        let mut text = Vec::new();
        let txn = message("etcdserverpb.TxnResponse");
        print(&txn, wire.into(), &mut text).expect("printed");
        assert!(text.starts_with(b"{\"responses\":[{\"response_txn\":{\"responses\":["));
        assert!(text.ends_with(b"]}}]}"));
    }

    #[test]
    fn what_is_no_message_is_not_shown() {
        let txn = message("etcdserverpb.TxnResponse");
        for wire in [&b"\x1a\x05a"[..], b"\x1a", b"\x1d\x00", b"\x0f"] {
            let printed = print(&txn, Bytes::from_static(wire), &mut Vec::new());
            assert!(printed.expect_err("no message").starts_with("cannot read an answer: "));
        }
    }
}
