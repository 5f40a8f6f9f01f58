//! Range requests: limits, counts, sorts, bounds, revisions.

use etcd_mvcc::{Content, Error, KeyValues, RangeQuery, RangeResult, SortOrder, SortTarget};

use crate::support::*;

/// a (create 2, mod 6, version 2, value 1), b (3, 3, 1, value 9), c (4, 7, 2, value 5),
/// d (5, 5, 1, value 5); current revision 7.
fn four_keys() -> Bench {
    let mut bench = Bench::new();
    for (key, value) in [("a", "0"), ("b", "9"), ("c", "0"), ("d", "5"), ("a", "1"), ("c", "5")] {
        bench.put(key, value);
    }
    bench
}

fn check(bench: &Bench, query: &RangeQuery, expected: &str) {
    assert_eq!(show(&bench.range(query).unwrap()), expected, "{query:?}");
}

fn sorted(target: SortTarget, order: SortOrder) -> RangeQuery {
    RangeQuery { sort_target: target, sort_order: order, ..all() }
}

#[test]
fn range_ends_name_keys_as_documented() {
    let bench = four_keys();
    check(&bench, &query("b", ""), "b=9 of 1");
    check(&bench, &query("bb", ""), "of 0");
    check(&bench, &query("b", "\0"), "b=9 c=5 d=5 of 3");
    check(&bench, &query("b", "d"), "b=9 c=5 of 2");
    check(&bench, &query("b", "b"), "of 0");
    check(&bench, &query("c", "a"), "of 0");
    check(&bench, &all(), "a=1 b=9 c=5 d=5 of 4");
}

#[test]
fn a_limit_cuts_but_the_count_does_not_know() {
    let bench = four_keys();
    check(&bench, &RangeQuery { limit: 2, ..all() }, "a=1 b=9 + of 4");
    check(&bench, &RangeQuery { limit: 4, ..all() }, "a=1 b=9 c=5 d=5 of 4");
    check(&bench, &RangeQuery { limit: -1, ..all() }, "a=1 b=9 c=5 d=5 of 4");
    check(&bench, &RangeQuery { limit: 1, ..query("a", "") }, "a=1 of 1");
    let descending = sorted(SortTarget::Key, SortOrder::Descend);
    check(&bench, &RangeQuery { limit: 3, ..descending }, "d=5 c=5 b=9 + of 4");
}

#[test]
fn a_count_alone_ignores_limit_and_bounds() {
    let bench = four_keys();
    check(&bench, &count_only(all()), "of 4");
    check(&bench, &count_only(RangeQuery { limit: 1, min_mod_revision: 7, ..all() }), "of 4");
    check(&bench, &count_only(RangeQuery { min_mod_revision: 7, ..query("b", "") }), "of 1");
    check(&bench, &count_only(RangeQuery { revision: 3, ..all() }), "of 2");
}

#[test]
fn sorts_go_both_ways_and_ties_stay_in_key_order() {
    use SortOrder::{Ascend, Descend};
    let bench = four_keys();
    for (target, ascending, descending) in [
        (SortTarget::Key, "a=1 b=9 c=5 d=5", "d=5 c=5 b=9 a=1"),
        (SortTarget::Version, "b=9 d=5 a=1 c=5", "a=1 c=5 b=9 d=5"),
        (SortTarget::Create, "a=1 b=9 c=5 d=5", "d=5 c=5 b=9 a=1"),
        (SortTarget::Mod, "b=9 d=5 a=1 c=5", "c=5 a=1 d=5 b=9"),
        (SortTarget::Value, "a=1 c=5 d=5 b=9", "b=9 c=5 d=5 a=1"),
    ] {
        check(&bench, &sorted(target, Ascend), &format!("{ascending} of 4"));
        check(&bench, &sorted(target, Descend), &format!("{descending} of 4"));
    }
}

#[test]
fn a_target_without_an_order_sorts_only_the_first_keys_and_one_more() {
    let bench = four_keys();
    let by_mod = sorted(SortTarget::Mod, SortOrder::None);
    check(&bench, &by_mod, "b=9 d=5 a=1 c=5 of 4");
    // The first two keys are a and b; d would be next by modification but is never looked at.
    check(&bench, &RangeQuery { limit: 1, ..by_mod.clone() }, "b=9 + of 4");
    check(&bench, &RangeQuery { limit: 2, ..by_mod }, "b=9 a=1 + of 4");
    let by_value = sorted(SortTarget::Value, SortOrder::None);
    check(&bench, &RangeQuery { limit: 2, ..by_value }, "a=1 c=5 + of 4");
    // With an order the whole range is sorted.
    let whole = sorted(SortTarget::Mod, SortOrder::Ascend);
    check(&bench, &RangeQuery { limit: 2, ..whole }, "b=9 d=5 + of 4");
}

#[test]
fn bounds_are_inclusive_and_apply_before_the_limit() {
    let bench = four_keys();
    check(&bench, &RangeQuery { max_mod_revision: 5, ..all() }, "b=9 d=5 of 4");
    check(&bench, &RangeQuery { min_mod_revision: 6, ..all() }, "a=1 c=5 of 4");
    check(&bench, &RangeQuery { max_create_revision: 3, ..all() }, "a=1 b=9 of 4");
    check(&bench, &RangeQuery { min_create_revision: 4, ..all() }, "c=5 d=5 of 4");
    let both = RangeQuery { min_mod_revision: 4, max_create_revision: 4, ..all() };
    check(&bench, &both, "a=1 c=5 of 4");
    check(&bench, &RangeQuery { limit: 1, ..both.clone() }, "a=1 + of 4");
    check(&bench, &RangeQuery { limit: 2, ..both }, "a=1 c=5 of 4");
    check(&bench, &RangeQuery { min_mod_revision: 4, ..query("b", "") }, "of 1");
    // A bound also undoes the shortcut of a target without an order.
    let by_mod = sorted(SortTarget::Mod, SortOrder::None);
    check(&bench, &RangeQuery { limit: 1, min_mod_revision: 1, ..by_mod }, "b=9 + of 4");
}

#[test]
fn an_older_revision_is_read_as_it_was() {
    let bench = four_keys();
    check(&bench, &RangeQuery { revision: 1, ..all() }, "of 0");
    check(&bench, &RangeQuery { revision: 4, ..all() }, "a=0 b=9 c=0 of 3");
    check(&bench, &RangeQuery { revision: 4, limit: 1, ..all() }, "a=0 + of 3");
    check(&bench, &RangeQuery { revision: -5, ..query("a", "") }, "a=1 of 1");
    let result = bench.range(&RangeQuery { revision: 4, ..all() }).unwrap();
    assert_eq!(result.revision, 7, "the header has the current revision");
    let future = bench.range(&RangeQuery { revision: 8, ..query("a", "") });
    assert!(matches!(future, Err(Error::FutureRevision)));
}

#[test]
fn keys_only_comes_without_value_and_lease_unless_sorted_by_value() {
    let mut bench = four_keys();
    bench.txn(|txn| {
        let args = etcd_mvcc::PutArgs { lease: etcd_mvcc::LeaseChange::Set(4), ..put("e", "0") };
        txn.put(args).unwrap();
    });
    let keys_only = |query| RangeQuery { content: Content::KeysOnly, ..query };
    let facts = |query: RangeQuery| -> Vec<_> {
        let kvs = bench.range(&keys_only(query)).unwrap().kvs;
        let fact = |kv: etcd_proto::mvccpb::KeyValue| {
            assert_eq!(kv.value, "");
            (text(&kv.key), kv.create_revision, kv.mod_revision, kv.version, kv.lease)
        };
        kvs.iter().map(decode).map(fact).collect()
    };
    assert_eq!(facts(query("e", "")), [("e".into(), 8, 8, 1, 0)]);
    let by_value = sorted(SortTarget::Value, SortOrder::Ascend);
    let expected = [("e".into(), 8, 8, 1, 4), ("a".into(), 2, 6, 2, 0)];
    assert_eq!(facts(RangeQuery { limit: 2, ..by_value.clone() }), expected);
    let one_by_value = RangeQuery { range_end: bytes(""), key: bytes("e"), ..by_value };
    assert_eq!(facts(one_by_value), expected[..1]);
    let by_mod = sorted(SortTarget::Mod, SortOrder::Descend);
    let expected = [("e".into(), 8, 8, 1, 0), ("c".into(), 4, 7, 2, 0)];
    assert_eq!(facts(RangeQuery { limit: 2, ..by_mod }), expected);
    assert_eq!(facts(RangeQuery { limit: 1, ..all() }), [("a".into(), 2, 6, 2, 0)]);
}

#[test]
fn a_listing_shows_one_revision_whatever_happens_between_its_pages() {
    let mut bench = Bench::new();
    bench.txn(|txn| {
        for number in 0..1000 {
            txn.put(put(&format!("k{number:03}"), "old")).unwrap();
        }
    });
    let mut listing = bench.mvcc.list(&RangeQuery { limit: 900, ..all() }).unwrap();
    let mut chunks = listing.next_page(10).unwrap().chunks;
    assert_eq!(fields(&chunks).len(), 10);
    bench.delete("k5", "k6");
    bench.put("k010", "new");
    bench.put("k0100", "new");
    loop {
        let page = listing.next_page(300).unwrap();
        assert_eq!(fields(&page.chunks).len(), page.keys);
        assert!(page.keys <= 300);
        if page.keys == 0 {
            break;
        }
        chunks.extend(page.chunks);
    }
    assert_eq!((listing.revision(), listing.count(), listing.more()), (2, 1000, true));
    let kvs = fields(&chunks);
    assert_eq!(kvs.len(), 900);
    for (number, kv) in kvs.iter().enumerate() {
        assert_eq!((text(&kv.key), text(&kv.value)), (format!("k{number:03}"), "old".into()));
    }
    bench.put("k1", "");
    bench.compact(4).unwrap();
    let mut old = bench.mvcc.list(&RangeQuery { revision: 4, ..all() }).unwrap();
    assert_eq!(old.next_page(1).unwrap().keys, 1);
    bench.compact(5).unwrap();
    assert!(matches!(old.next_page(1), Err(Error::Compacted)));
}

#[test]
fn pages_of_a_list_count_the_rest_at_their_revision() {
    let mut bench = Bench::new();
    bench.txn(|txn| {
        for number in 0..3000 {
            txn.put(put(&format!("k{number:04}"), "")).unwrap();
        }
    });
    // More turns than the index remembers: counting falls back to walking.
    for round in 0..4 {
        bench.delete("k1", "k2");
        bench.txn(|txn| {
            for number in 1000..2000 + round {
                txn.put(put(&format!("k{number:04}"), "again")).unwrap();
            }
        });
        bench.txn(|txn| {
            for number in 0..1000 {
                txn.put(put(&format!("m{round}{number:04}"), "")).unwrap();
            }
        });
    }
    let from = |key: &str, revision| {
        let query = RangeQuery { limit: 500, revision, ..query(key, "\0") };
        let result = bench.range(&query).unwrap();
        assert_eq!(result.kvs.len(), 500);
        assert!(result.more);
        assert_eq!(count_only(query.clone()).limit, 500);
        result.count
    };
    assert_eq!(from("k0500", 2), 2500);
    assert_eq!(from("k0500", 3), 1500);
    assert_eq!(from("k0500", 0), 6500);
}

/// Two long lists: of keys put in their order, and of keys put in an order that has nothing to do
/// with theirs, so that most revisions between two neighbours belong to others.
#[test]
fn a_long_list_is_whole_whatever_the_order_of_its_revisions() {
    const KEYS: usize = 12_000;
    for stride in [1, 7919] {
        let mut bench = Bench::new();
        let keys: Vec<_> = (0..KEYS).map(|at| format!("{:05}", at * stride % KEYS)).collect();
        for some in keys.chunks(100) {
            // Rows that no list wants.
            for _ in 0..20 {
                bench.put("other", "0");
            }
            bench.txn(|txn| {
                for key in some {
                    txn.put(put(key, key)).unwrap();
                }
            });
        }
        let mut expected = keys;
        expected.sort();
        for limit in [0, 3, 4096, 4097, 11_999] {
            let result = bench.range(&RangeQuery { limit, ..query("0", "1") }).unwrap();
            let most = if limit == 0 { KEYS } else { usize::try_from(limit).unwrap() };
            let found: Vec<_> = result.kvs.iter().map(|kv| text(&decode(kv).value)).collect();
            assert_eq!(found, expected[..most.min(10_000)]);
            assert_eq!((result.count, result.more), (10_000, most < 10_000));
            let query = RangeQuery { limit, ..query("0", "1") };
            let RangeResult { kvs: KeyValues::Fields(long), count, more, revision } =
                bench.mvcc.long_range(&query).unwrap()
            else {
                panic!("a plain range");
            };
            assert_eq!((count, more), (result.count, result.more));
            assert_eq!((revision, long.keys), (result.revision, result.kvs.len()));
            let kvs: Vec<_> = result.kvs.iter().map(decode).collect();
            assert_eq!(fields(&long.chunks), kvs);
        }
    }
}
