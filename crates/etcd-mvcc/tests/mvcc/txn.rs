//! Puts, deletes and revisions (behaviour of etcd's Put, DeleteRange and Txn below the API).

use etcd_mvcc::{Content, Error, LeaseChange, Previous, PutArgs, RangeQuery};
use etcd_proto::mvccpb::KeyValue;
use etcd_storage::Batch;

use crate::support::*;

fn stored(bench: &Bench, key: &str) -> KeyValue {
    decode(&bench.range(&query(key, "")).unwrap().kvs[0])
}

#[test]
fn a_fresh_store_is_at_revision_1_and_never_compacted() {
    let bench = Bench::new();
    assert_eq!((bench.mvcc.revision(), bench.mvcc.compact_revision()), (1, -1));
    assert_eq!(bench.show("\0", "\0", 0), "of 0");
    assert_eq!(bench.mvcc.indexed_keys(), 0);
}

#[test]
fn every_put_makes_a_revision_and_counts_versions() {
    let mut bench = Bench::new();
    assert_eq!(bench.put("foo", "bar"), 2);
    assert_eq!(bench.put("foo", "bar"), 3);
    let kv = stored(&bench, "foo");
    assert_eq!((kv.create_revision, kv.mod_revision, kv.version, kv.lease), (2, 3, 2, 0));
    assert_eq!(bench.delete("foo", ""), 1);
    assert_eq!(bench.put("foo", ""), 5);
    let kv = stored(&bench, "foo");
    assert_eq!((kv.create_revision, kv.mod_revision, kv.version), (5, 5, 1));
    assert_eq!(kv.value, "");
}

#[test]
fn records_are_stored_as_etcd_stores_them() {
    let mut bench = Bench::new();
    bench.put("foo", "bar");
    bench.delete("foo", "");
    let rows = [
        ("00000000000000025f0000000000000000", "0a03666f6f1002180220012a03626172"),
        ("00000000000000035f000000000000000074", "0a03666f6f"),
    ];
    assert_eq!(bench.rows(), rows.map(|(key, value)| (key.to_string(), value.to_string())));
}

#[test]
fn a_delete_of_nothing_makes_no_revision() {
    let mut bench = Bench::new();
    bench.put("b", "1");
    let outcome = bench.txn(|txn| {
        let deleted = txn.delete_range(span("c", "\0"), Previous::Wanted).unwrap();
        assert_eq!((deleted.deleted, deleted.previous.len()), (0, 0));
        assert_eq!(txn.revision(), 2);
    });
    assert_eq!((outcome.revision, outcome.changed()), (2, false));
    assert_eq!(bench.put("a", "2"), 3);
}

#[test]
fn changes_of_one_transaction_share_a_revision_and_are_numbered() {
    let mut bench = Bench::new();
    bench.put("c", "0");
    let outcome = bench.txn(|txn| {
        txn.put(put("a", "1")).unwrap();
        txn.put(put("b", "2")).unwrap();
        assert_eq!(txn.delete_range(span("a", "\0"), Previous::Ignored).unwrap().deleted, 3);
    });
    assert_eq!(outcome.revision, 3);
    assert_eq!(show_events(&outcome.events), "3.0:a=1 3.1:b=2 3.2:a- 3.3:b- 3.4:c-");
    assert_eq!(bench.show("\0", "\0", 0), "of 0");
    assert_eq!(bench.show("\0", "\0", 2), "c=0 of 1");
}

#[test]
fn a_transaction_reads_its_own_writes_and_readers_do_not() {
    let mut bench = Bench::new();
    bench.put("a", "old");
    let mvcc = bench.mvcc.clone();
    let mut batch = Batch::new();
    let mut txn = bench.writer.begin(&mut batch);
    assert_eq!(txn.range(&all()).unwrap().revision, 2);
    txn.put(put("a", "new")).unwrap();
    txn.put(put("b", "more")).unwrap();
    let seen = txn.range(&all()).unwrap();
    assert_eq!((show(&seen).as_str(), seen.revision), ("a=new b=more of 2", 3));
    let past = txn.range(&RangeQuery { revision: 2, ..all() }).unwrap();
    assert_eq!(show(&past), "a=old of 1");
    let outside = mvcc.range(&all()).unwrap();
    assert_eq!((show(&outside).as_str(), outside.revision), ("a=old of 1", 2));
    let future = mvcc.range(&RangeQuery { revision: 3, ..all() });
    assert!(matches!(future, Err(Error::FutureRevision)));
    txn.finish();

    // The next transaction of the same batch sees them too, before they are in storage.
    let mut next = bench.writer.begin(&mut batch);
    assert_eq!(show(&next.range(&all()).unwrap()), "a=new b=more of 2");
    assert_eq!(next.delete_range(span("a", ""), Previous::Wanted).unwrap().previous.len(), 1);
    assert_eq!(next.finish().revision, 4);
    assert_eq!(show(&mvcc.range(&all()).unwrap()), "a=old of 1");
    bench.commit(batch);
    assert_eq!(bench.show("\0", "\0", 0), "b=more of 1");
    assert_eq!(bench.show("\0", "\0", 3), "a=new b=more of 2");
}

#[test]
fn previous_key_values_come_back_when_wanted() {
    let mut bench = Bench::new();
    bench.put("a", "1");
    bench.put("b", "2");
    bench.txn(|txn| {
        let args = PutArgs { previous: Previous::Wanted, ..put("a", "9") };
        let previous = txn.put(args).unwrap().previous.unwrap();
        assert_eq!(text(&decode(&previous).value), "1");
        assert_eq!(txn.put(put("a", "9")).unwrap().previous, None, "not wanted");
        let args = PutArgs { key: b"new", ..args };
        assert_eq!(txn.put(args).unwrap().previous, None, "was absent");
        let deleted = txn.delete_range(span("a", "c"), Previous::Wanted).unwrap();
        let previous: Vec<_> = deleted.previous.iter().map(|kv| text(&decode(kv).value)).collect();
        assert_eq!(previous, ["9", "2"]);
    });
}

#[test]
fn value_and_lease_can_be_kept() {
    let mut bench = Bench::new();
    let keep_value = |lease| PutArgs { value: None, lease, ..put("k", "") };
    bench.txn(|txn| {
        let args = PutArgs { lease: LeaseChange::Set(7), ..put("k", "v") };
        let outcome = txn.put(args).unwrap();
        assert_eq!((outcome.previous_lease, outcome.lease), (0, 7));
    });
    bench.txn(|txn| {
        let outcome = txn.put(keep_value(LeaseChange::Keep)).unwrap();
        assert_eq!((outcome.previous_lease, outcome.lease), (7, 7));
    });
    let kv = stored(&bench, "k");
    assert_eq!((text(&kv.value).as_str(), kv.lease, kv.version), ("v", 7, 2));
    bench.txn(|txn| {
        let args = PutArgs { lease: LeaseChange::Keep, ..put("k", "w") };
        assert_eq!(txn.put(args).unwrap().lease, 7);
        assert_eq!(txn.put(keep_value(LeaseChange::Set(-3))).unwrap().previous_lease, 7);
    });
    let kv = stored(&bench, "k");
    assert_eq!((text(&kv.value).as_str(), kv.lease, kv.version), ("w", -3, 4));
    assert_eq!(bench.mvcc.leased_keys().unwrap(), [(bytes("k"), -3)]);
    bench.put("k", "x");
    assert_eq!(stored(&bench, "k").lease, 0, "a put without a lease detaches");
    assert_eq!(bench.mvcc.leased_keys().unwrap(), []);
}

#[test]
fn keeping_what_an_absent_key_has_fails_without_a_change() {
    let mut bench = Bench::new();
    bench.put("gone", "1");
    bench.delete("gone", "");
    let outcome = bench.txn(|txn| {
        for key in ["gone", "never"] {
            let keep_value = PutArgs { value: None, ..put(key, "") };
            assert!(matches!(txn.put(keep_value), Err(Error::KeyNotFound)));
            let keep_lease = PutArgs { lease: LeaseChange::Keep, ..put(key, "v") };
            assert!(matches!(txn.put(keep_lease), Err(Error::KeyNotFound)));
        }
    });
    assert!(!outcome.changed());
}

#[test]
fn a_delete_names_the_leases_that_lose_keys() {
    let mut bench = Bench::new();
    bench.txn(|txn| {
        for (key, lease) in [("a", 5), ("b", 0), ("c", 6)] {
            txn.put(PutArgs { lease: LeaseChange::Set(lease), ..put(key, "") }).unwrap();
        }
    });
    bench.txn(|txn| {
        let deleted = txn.delete_range(span("a", "\0"), Previous::Ignored).unwrap();
        assert_eq!(deleted.detached, [(5, bytes("a")), (6, bytes("c"))]);
        assert!(deleted.previous.is_empty());
    });
}

#[test]
fn compares_find_the_facts_of_keys() {
    let mut bench = Bench::new();
    bench.put("a", "1");
    bench.txn(|txn| {
        txn.put(PutArgs { lease: LeaseChange::Set(9), ..put("b", "2") }).unwrap();
    });
    bench.put("b", "3");

    let reader = bench.mvcc.reader();
    assert_eq!(reader.state(b"nothing").unwrap(), None);
    let state = reader.state(b"b").unwrap().unwrap();
    let facts = (state.create_revision, state.revision.main, state.version);
    assert_eq!(facts, (3, 4, 2));
    assert_eq!(reader.lease(&state).unwrap(), 0);
    assert_eq!(text(&reader.value(&state).unwrap()), "3");
    let values: Vec<_> = reader
        .states(span("a", "\0"))
        .map(|state| text(&reader.value(&state.unwrap()).unwrap()))
        .collect();
    assert_eq!(values, ["1", "3"]);
}

#[test]
fn a_reader_finds_an_older_lease_while_a_newer_put_is_unpublished() {
    let mut bench = Bench::new();
    bench.txn(|txn| {
        txn.put(PutArgs { lease: LeaseChange::Set(9), ..put("k", "1") }).unwrap();
    });
    let mvcc = bench.mvcc.clone();
    let mut batch = Batch::new();
    let mut txn = bench.writer.begin(&mut batch);
    txn.put(put("k", "2")).unwrap();
    let reader = mvcc.reader();
    let state = reader.state(b"k").unwrap().unwrap();
    assert_eq!(reader.lease(&state).unwrap(), 9);
    assert_eq!(text(&reader.value(&state).unwrap()), "1");
    let own = txn.reader().state(b"k").unwrap().unwrap();
    assert_eq!(txn.reader().lease(&own).unwrap(), 0);
    assert_eq!(text(&txn.reader().value(&own).unwrap()), "2");
}

#[test]
fn a_transaction_dropped_halfway_shares_no_revision_with_the_next() {
    let mut bench = Bench::new();
    let mut batch = Batch::new();
    bench.writer.begin(&mut batch).put(put("a", "1")).unwrap();
    let mut txn = bench.writer.begin(&mut batch);
    txn.put(put("b", "2")).unwrap();
    assert_eq!(show_events(&txn.finish().events), "3.0:b=2");
}

#[test]
fn a_delete_spans_many_steps_of_the_index() {
    let mut bench = Bench::new();
    bench.txn(|txn| {
        for number in 0..2000 {
            txn.put(put(&format!("k{number:04}"), "")).unwrap();
        }
    });
    let count = |bench: &Bench| bench.range(&count_only(all())).unwrap().count;
    assert_eq!(count(&bench), 2000);
    let outcome = bench.txn(|txn| {
        let deleted = txn.delete_range(span("k0100", "k1900"), Previous::Wanted).unwrap();
        assert_eq!((deleted.deleted, deleted.previous.len()), (1800, 1800));
        assert!(deleted.previous.is_sorted());
    });
    assert_eq!(outcome.events.last().unwrap().revision.sub, 1799);
    assert_eq!(count(&bench), 200);
    let old = RangeQuery { revision: 2, content: Content::CountOnly, ..all() };
    assert_eq!(bench.range(&old).unwrap().count, 2000);
}
