//! Messages that no library would write, or with numbers that nobody means.

use crate::case::{Case, Server};
use etcd_tests::wire::{all, bytes, groups, key, number, varint};

const UNREADABLE: &str =
    "Internal: grpc: error unmarshalling request: proto: cannot parse invalid wire-format data";
const NOT_UTF8: &str =
    "Internal: grpc: error unmarshalling request: string field contains invalid UTF-8";
const NO_KEY: &str = "InvalidArgument: etcdserver: key is not provided";
const BAD_SORT: &str = "InvalidArgument: etcdserver: invalid sort option";
const FUTURE: &str = "OutOfRange: etcdserver: mvcc: required revision is a future revision";
const COMPACTED: &str = "OutOfRange: etcdserver: mvcc: required revision has been compacted";
const NO_LEASE: &str = "NotFound: etcdserver: requested lease not found";
const TOO_LARGE: &str = "InvalidArgument: etcdserver: request is too large";
const NO_OPERATION: &str = "InvalidArgument: etcdserver: key not found";
const TOO_MANY: &str = "InvalidArgument: etcdserver: too many operations in txn request";

/// Why a field whose content is of another kind than it should be is not passed over.
const OTHER_KIND: &str = "Go passes over a field of another kind; nothing writes such a field, and \
                          to say so is safer than to serve a request with a part missing";

fn k() -> Vec<u8> {
    bytes(1, b"k")
}

fn range(name: &str, fields: &[u8], answer: &'static str) -> Case {
    Case::message(format!("range, {name}"), "KV/Range", &all([&k(), fields]), answer)
}

fn txn(name: &str, fields: &[u8], answer: &'static str) -> Case {
    Case::message(format!("txn, {name}"), "KV/Txn", fields, answer)
}

#[test]
fn numbers_at_their_ends_are_answered_as_etcd_does() {
    let server = Server::start(&[]);
    let (least, most) = (i64::MIN, i64::MAX);
    let mut cases = vec![Case::message("a put", "KV/Put", &k(), "OK")];
    for value in [-1, least, most, 7] {
        for (name, field) in [("limit", 3), ("least modification", 10), ("most", 11)] {
            cases.push(range(&format!("{name} {value}"), &number(field, value), "OK"));
        }
        for (name, field) in [("serializable", 7), ("keys only", 8), ("count only", 9)] {
            cases.push(range(&format!("{name} {value}"), &number(field, value), "OK"));
        }
        let answer = if value < 0 { "OK" } else { FUTURE };
        cases.push(range(&format!("revision {value}"), &number(4, value), answer));
        // An enum has the lower 32 bits.
        let answer = if value == least { "OK" } else { BAD_SORT };
        for (name, field) in [("order", 5), ("target", 6)] {
            cases.push(range(&format!("{name} {value}"), &number(field, value), answer));
        }
        if value != 7 {
            let put = all([&k(), &number(3, value)]);
            cases.push(Case::message(format!("lease {value}"), "KV/Put", &put, NO_LEASE));
        }
        let answer = if value < 0 { COMPACTED } else { FUTURE };
        for physical in [0, 1] {
            let name = format!("compact {value} {physical}");
            let message = all([&number(1, value), &number(2, physical)]);
            cases.push(Case::message(name, "KV/Compact", &message, answer));
        }
        let ranges = bytes(2, &bytes(1, &all([&k(), &number(4, value)])));
        let name = format!("txn's range at {value}");
        // Before the first compaction -1 is not below the compact revision, which is -1 itself.
        let answer = if value == -1 { "OK" } else { answer };
        cases.push(txn(&name, &ranges, answer));
        let nested = bytes(2, &bytes(4, &ranges));
        cases.push(txn(&format!("{name}, nested"), &nested, answer));
        let answer = if value < 0 { "OK" } else { FUTURE };
        let name = format!("hash at {value}");
        cases.push(Case::message(name, "Maintenance/HashKV", &number(1, value), answer));
    }
    cases.push(range("order 2^33", &all([&key(5, 0), &varint(1 << 33)]), "OK"));
    cases.push(range("order 2^33 + 1", &all([&key(5, 0), &varint((1 << 33) + 1)]), "OK"));
    server.check(cases);
}

#[test]
fn unknown_numbers_of_enums_are_answered_as_etcd_does() {
    let server = Server::start(&[]);
    let compare = |fields: &[u8]| bytes(1, &all([fields, &bytes(3, b"k")]));
    let alarm = all([&number(1, 99), &number(2, -1), &number(3, 99)]);
    server.check(vec![
        Case::message("a put", "KV/Put", &k(), "OK"),
        txn("result 99", &compare(&number(1, 99)), "OK"),
        txn("target 99", &compare(&number(2, 99)), "OK"),
        txn("both below zero", &compare(&all([&number(1, -5), &number(2, -6)])), "OK"),
        txn("least version", &compare(&number(4, i64::MIN)), "OK"),
        txn("two values", &compare(&all([&number(4, 1), &bytes(7, b"x")])), "OK"),
    ]);
    if etcd_tests::process::server_is_ours() {
        // It ends etcd's process.
        server.check(vec![Case::message("alarm 99", "Maintenance/Alarm", &alarm, "OK")]);
    }
}

#[test]
fn what_breaks_the_rules_of_protobuf_is_refused_as_etcd_does() {
    let server = Server::start(&[]);
    let unread = |name: &str, fields: &[u8]| range(name, fields, UNREADABLE);
    let huge = |length: u64| all([b"\x0a", &varint(length), b"ab"]);
    server.check(vec![
        unread("a group without an end", &all([&key(99, 3), &number(1, 1)])),
        unread("the end of a group alone", &key(99, 4)),
        unread("a group with another's end", &all([&key(99, 3), &key(98, 4)])),
        unread("a kind 6", &key(3, 6)),
        unread("a kind 7", &key(3, 7)),
        unread("field 0", &[0, 0]),
        unread("field 0 with bytes", &[2, 0]),
        unread("a field behind the last", &all([&varint(1 << 32), &[1]])),
        unread("a field far behind the last", &all([&varint(1 << 61), &[1]])),
        unread("half a number", &[0x18, 0xff]),
        unread("a number over 64 bits", &all([&[0x18], &[0xff; 9], &[0x7f]])),
        unread("a number of 11 bytes", &all([&[0x18], &[0xff; 10], &[1]])),
        unread("too few bytes", &[0x0a, 5, b'a']),
        unread("far too few bytes", &huge(i64::MAX.cast_unsigned())),
        unread("more bytes than can be", &huge(u64::MAX)),
        txn("half an operation", &bytes(2, &[0x12, 5, 0x0a]), UNREADABLE),
        txn("half a nested txn", &bytes(2, &bytes(4, &[0x12, 0x7f])), UNREADABLE),
        Case::message("garbage", "Maintenance/Status", &[0xff; 3], UNREADABLE),
        Case::message("no UTF-8", "Cluster/MemberAdd", &bytes(1, b"\xff\xfe"), NOT_UTF8),
    ]);
}

#[test]
fn what_is_odd_but_allowed_is_served() {
    let server = Server::start(&[]);
    let group = all([&key(99, 3), &number(1, 1), &key(99, 4)]);
    let unknown_txn = bytes(2, &all([&bytes(2, &k()), &number(99, 1), &groups(98, 2)]));
    server.check(vec![
        range("an unknown number", &number(99, 5), "OK"),
        range("unknown bytes", &bytes(99, b"zzz"), "OK"),
        range("an unknown group", &group, "OK"),
        range("groups inside each other", &groups(15, 99), "OK"),
        range("the last field", &number((1 << 29) - 1, 1), "OK"),
        range("a number with zeros before it", &[0x18, 0x80, 0x80, 0x80, 0], "OK"),
        range("true as 2", &number(7, 2), "OK"),
        range("the key twice", &bytes(1, b"zz"), "OK"),
        txn("unknown fields", &unknown_txn, "OK"),
        txn("nothing", b"", "OK"),
        txn(
            "two kinds in one operation",
            &bytes(2, &all([&bytes(1, &k()), &bytes(2, &k())])),
            "OK",
        ),
        txn(
            "one kind in two pieces",
            &bytes(2, &all([&bytes(1, &k()), &bytes(1, &number(9, 1))])),
            "OK",
        ),
    ]);
}

#[test]
fn what_only_go_reads_is_refused_in_clear_words() {
    let server = Server::start(&[]);
    let deep = "prost follows unknown groups 100 deep, Go 10 000; nothing writes groups";
    let ours = |case: Case| case.but(UNREADABLE, OTHER_KIND);
    let number_for_key = Case::message("a number as the key", "KV/Range", &number(1, 5), NO_KEY);
    server.check(vec![
        ours(number_for_key),
        ours(range("bytes as the limit", &bytes(3, b"abc"), "OK")),
        ours(range("four bytes as the limit", &all([&key(3, 5), &[0; 4]]), "OK")),
        ours(range("eight bytes as the limit", &all([&key(3, 1), &[0; 8]]), "OK")),
        ours(txn("a number as an operation", &number(2, 1), "OK")),
        range("101 groups", &groups(15, 101), "OK").but(UNREADABLE, deep),
        range("9 999 groups", &groups(15, 9_999), "OK").but(UNREADABLE, deep),
        range("500 000 groups", &groups(15, 500_000), UNREADABLE),
        txn("500 000 groups", &groups(15, 500_000), UNREADABLE),
        txn("500 000 in an operation", &bytes(2, &groups(15, 500_000)), UNREADABLE),
    ]);
}

#[test]
fn empty_messages_are_answered_as_etcd_does() {
    let server = Server::start(&[]);
    let mut cases = vec![
        txn("an empty operation", &bytes(2, b""), NO_OPERATION),
        txn("an unknown operation", &bytes(2, &number(9, 1)), NO_OPERATION),
        txn("an empty compare", &bytes(1, b""), NO_KEY),
        txn("an empty nested txn", &bytes(2, &bytes(4, b"")), "OK"),
        Case::message("compact nothing", "KV/Compact", b"", "OK"),
    ];
    for method in ["KV/Range", "KV/Put", "KV/DeleteRange", "KV/RangeStream"] {
        cases.push(Case::message(method, method, b"", NO_KEY));
    }
    server.check(cases);
}

#[test]
fn large_keys_and_values_are_answered_as_etcd_does() {
    const LIMIT: usize = 1_572_864;
    let server = Server::start(&[]);
    let put = |key: usize, value: usize| {
        let message = all([&bytes(1, &vec![b'k'; key]), &bytes(2, &vec![b'v'; value])]);
        (format!("a key of {key} and a value of {value}"), message)
    };
    let put = |key, value, answer| {
        let (name, message) = put(key, value);
        Case::message(name, "KV/Put", &message, answer)
    };
    let compares = |count: usize| bytes(1, &bytes(3, b"k")).repeat(count);
    let over = "ResourceExhausted: grpc: received message larger than max (2097153 vs. 2097152)";
    server.check(vec![
        put(1, LIMIT - 40, "OK"),
        put(1, LIMIT - 20, TOO_LARGE),
        put(1_000_000, 1, "OK"),
        put(1, 2_097_152 - 9, TOO_LARGE),
        put(1, 2_097_152 - 6, over),
        Case::message(
            "a delete of a large key",
            "KV/DeleteRange",
            &bytes(1, &vec![b'k'; 1_000_000]),
            "OK",
        ),
        txn("as many compares as there may be", &compares(128), "OK"),
        txn("one more", &compares(129), TOO_MANY),
        txn("as many as fit a message", &compares(400_000), TOO_MANY),
    ]);
}
