//! What a request prints parses to the same request.

use super::*;

/// The text is what its request prints.
fn check(text: &str) -> Request {
    let request: Request = text.parse().expect(text);
    assert_eq!(request.to_string(), text);
    request
}

#[test]
fn requests_of_one_line_are_printed_as_they_were_read() {
    for text in [
        "range a",
        "range \"\"",
        "range_stream a..\"\\0\" limit=3 rev=-7 order=descend target=?9 serializable keys_only \
         count_only min_mod=1 max_mod=2 min_create=3 max_create=-4",
        "put a x*1000 lease=5 prev_kv ignore_value ignore_lease",
        "put prev_kv lease",
        "delete a..b prev_kv",
        "compact 0",
        "compact 5 physical",
        "hash_kv -1",
        "lease_grant 5 ttl=60",
        "lease_revoke 5",
        "alarm activate nospace member=7",
        "alarm get ?8",
        "status",
    ] {
        check(text);
    }
}

#[test]
fn a_transaction_is_printed_as_it_was_read() {
    let text = "\
txn
  if version a > 0
  if value \"=\"..z != \"\"
  if ?9 a ?7 value:x
  if lease a < -5
  if mod a = -
  then
    put a 1
    nothing
    txn
      if create b = version:3
      else
        delete b
    range a
  else
    txn";
    let Request::Txn(txn) = check(text) else { panic!("a transaction") };
    assert_eq!(txn.compare.len(), 5);
    assert_eq!(txn.success.len(), 4);
    assert_eq!(txn.failure.len(), 1);
    check("txn");
}

#[test]
fn what_is_not_understood_is_refused() {
    for text in [
        "",
        "fetch a",
        "range",
        "range a b",
        "range a limit=x",
        "put a",
        "range a\nrange b",
        "txn\n if mod a = 1",
        "txn\n  if mod a = 1 2",
        "txn\n  if ?9 a = 1",
        "txn\n  then\n    compact 5",
        "txn\n  then\n      put a 1",
        "txn\nput a 1",
    ] {
        assert!(text.parse::<Request>().is_err(), "{text}");
    }
}
