//! What JSON says in protobuf, and what is said of JSON that says nothing.

use etcd_proto::etcdserverpb::compare::TargetUnion;
use etcd_proto::etcdserverpb::request_op::Request;
use etcd_proto::etcdserverpb::{
    Compare, MemberAddRequest, PutRequest, RangeRequest, RequestOp, TxnRequest, WatchCreateRequest,
};
use prost::Message;

use crate::descriptors::message;
use crate::scanner::{Scanner, Verdict};
use crate::transcription::transcribe;

#[track_caller]
fn check<T: Message + Default + PartialEq + std::fmt::Debug>(name: &str, json: &str, expected: T) {
    let wire = transcribe(&message(name), json.as_bytes()).expect(json);
    assert_eq!(T::decode(&wire[..]).expect("a message"), expected, "{json}");
}

#[track_caller]
fn check_range(json: &str, expected: RangeRequest) {
    check("etcdserverpb.RangeRequest", json, expected);
}

#[track_caller]
fn refuse(json: &str, complaint: &str) {
    let wire = transcribe(&message("etcdserverpb.RangeRequest"), json.as_bytes());
    assert_eq!(wire.expect_err(json), format!("proto: {complaint}"), "{json}");
}

fn key(key: &'static [u8]) -> RangeRequest {
    RangeRequest { key: key.into(), ..RangeRequest::default() }
}

#[test]
fn both_names_of_a_field_are_good_and_unknown_ones_are_not_heard() {
    let range = RangeRequest { range_end: "b".into(), limit: 5, ..key(b"a") };
    check_range("{\"key\":\"YQ==\",\"range_end\":\"Yg==\",\"limit\":5}", range.clone());
    let json = "{\"x\":[{\"key\":1}],\"key\":\"YQ==\",\"rangeEnd\":\"Yg==\",\"limit\":\"5\"}";
    check_range(json, range);
    check_range("{}", RangeRequest::default());
    let json = "{\"peerURLs\":[\"http://a\"],\"isLearner\":true}";
    let peer_urls = vec!["http://a".to_owned()];
    check("etcdserverpb.MemberAddRequest", json, MemberAddRequest { peer_urls, is_learner: true });
}

#[test]
fn numbers_come_in_many_notations() {
    for number in ["12", "\"12\"", "12.0", "1.2e1", "\"120e-1\"", "\"12 x\""] {
        let json = format!("{{\"limit\":{number}}}");
        check_range(&json, RangeRequest { limit: 12, ..RangeRequest::default() });
    }
    let json = "{\"revision\":\"-9223372036854775808\"}";
    check_range(json, RangeRequest { revision: i64::MIN, ..RangeRequest::default() });
}

#[test]
fn bytes_come_in_either_alphabet_and_padded_or_not() {
    for text in ["+/8=", "+/8", "-_8=", "-_8", "+/9=", "\\n+/8=\\r\\n\\n"] {
        check_range(&format!("{{\"key\":\"{text}\"}}"), key(b"\xfb\xff"));
    }
}

#[test]
fn enums_are_names_or_numbers() {
    let sorted = RangeRequest { sort_order: 2, ..RangeRequest::default() };
    check_range("{\"sort_order\":\"DESCEND\"}", sorted.clone());
    check_range("{\"sort_order\":2}", sorted);
    check_range("{\"sort_order\":\"SIDEWAYS\"}", RangeRequest::default());
    let json = "{\"filters\":[\"NODELETE\",\"NOTHING\",0]}";
    let filters = WatchCreateRequest { filters: vec![1, 0], ..WatchCreateRequest::default() };
    check("etcdserverpb.WatchCreateRequest", json, filters);
}

#[test]
fn null_is_nothing() {
    check_range("{\"key\":null,\"limit\":null,\"serializable\":null}", RangeRequest::default());
    check("etcdserverpb.TxnRequest", "{\"compare\":null}", TxnRequest::default());
}

#[test]
fn messages_stand_in_messages() {
    let json = "{\"compare\":[{\"target\":\"VERSION\",\"key\":\"YQ==\",\"version\":\"0\"}],\
                \"success\":[{\"request_put\":{\"key\":\"YQ==\",\"value\":\"Yg==\"}},\
                {\"requestRange\":{}}]}";
    let compare = Compare {
        key: "a".into(),
        target_union: Some(TargetUnion::Version(0)),
        ..Compare::default()
    };
    let put = PutRequest { key: "a".into(), value: "b".into(), ..PutRequest::default() };
    let operation = |request| RequestOp { request: Some(request) };
    let range = operation(Request::RequestRange(RangeRequest::default()));
    let txn = TxnRequest {
        compare: vec![compare],
        success: vec![operation(Request::RequestPut(put)), range],
        failure: Vec::new(),
    };
    check("etcdserverpb.TxnRequest", json, txn);
}

#[test]
fn what_does_not_suit_is_complained_of_as_go_does() {
    refuse("null", "syntax error (line 1:1): unexpected token null");
    refuse("[]", "syntax error (line 1:1): unexpected token [");
    refuse("{\"key\":5}", "(line 1:8): invalid value for bytes field key: 5");
    refuse("{\"key\":\"a\"}", "(line 1:8): invalid value for bytes field key: \"a\"");
    refuse("{\"key\":{}}", "(line 1:8): invalid value for bytes field key: {");
    refuse("{\n \"range_end\":[]}", "(line 2:14): invalid value for bytes field rangeEnd: [");
    refuse("{\"limit\":\"x\"}", "(line 1:10): invalid value for int64 field limit: \"x\"");
    refuse("{\"limit\":1.5}", "(line 1:10): invalid value for int64 field limit: 1.5");
    refuse(
        "{\"serializable\":\"true\"}",
        "(line 1:17): invalid value for bool field serializable: \"true\"",
    );
    refuse("{\"sort_order\":true}", "(line 1:15): invalid value for enum field sortOrder: true");
    refuse("{\"key\":\"\",\"key\":\"\"}", "(line 1:11): duplicate field \"key\"");
    refuse("{\"rangeEnd\":\"\",\"range_end\":\"\"}", "(line 1:16): duplicate field \"range_end\"");
    let wire = transcribe(
        &message("etcdserverpb.RequestOp"),
        b"{\"request_put\":{},\"request_range\":{}}",
    );
    let complaint = "proto: (line 1:19): error parsing \"request_range\", oneof \
                     etcdserverpb.RequestOp.request is already set";
    assert_eq!(wire, Err(complaint.to_owned()));
}

/// Bytes that nobody chose, with much that JSON likes among them.
fn noise(seed: u64) -> impl Iterator<Item = u8> {
    const SIGNS: &[u8] = b"{}[]\",:\\u0123e+-.tfn \n";
    const NAMES: &[u8] = b"keyvaluerange_endlimit";
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let choice = usize::from((state >> 8) as u8);
        match state % 3 {
            0 => SIGNS[choice % SIGNS.len()],
            1 => (state >> 8) as u8,
            _ => NAMES[choice % NAMES.len()],
        }
    })
}

/// Scans and, if the syntax is good, transcribes.
fn read(json: &[u8]) {
    let mut scanner = Scanner::new();
    for (at, byte) in json.iter().enumerate() {
        match scanner.step(*byte) {
            Ok(Verdict::Inside) => {}
            Ok(Verdict::Last) => {
                let json = json[..=at].trim_ascii_start();
                let _ = transcribe(&message("etcdserverpb.TxnRequest"), json);
                return;
            }
            Ok(Verdict::Ended) | Err(_) => return,
        }
    }
}

#[test]
fn nothing_that_can_be_said_is_too_much() {
    let good = b"{\"compare\":[{\"version\":\"1\",\"key\":\"YQ\"}],\"success\":[{\"request_put\":\
                 {\"key\":\"\\u0041\\ud83d\\ude00\",\"lease\":-1.0e2}}],\"x\":[{},null,true]}";
    for seed in 0..2000 {
        let noise: Vec<u8> = noise(seed).take(64).collect();
        read(&noise);
        let mut mutated = good.to_vec();
        for change in noise.chunks(4).take(1 + seed as usize % 4) {
            let at = usize::from(change[0]) * 7 % mutated.len();
            mutated[at] = change[1];
        }
        read(&mutated);
    }
}
