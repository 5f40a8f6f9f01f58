//! HashKV: the vectors of a real etcd, and the hashes that compactions leave.

use etcd_mvcc::{Error, KeyValueHash, LeaseChange, Previous, PutArgs};

use crate::support::*;

fn check(bench: &Bench, revision: i64, hash: u32, compact_revision: i64, hash_revision: i64) {
    let expected = KeyValueHash { hash, compact_revision, hash_revision };
    assert_eq!(bench.mvcc.hash_kv(revision).unwrap(), expected);
}

fn long_history() -> Bench {
    let mut bench = Bench::new();
    bench.put("foo", "bar");
    bench.delete("foo", "");
    for (key, value) in [("a", "1"), ("b", "2"), ("c", "3"), ("a", "4")] {
        bench.put(key, value);
    }
    bench.txn(|txn| {
        txn.put(put("a", "x")).unwrap();
        assert_eq!(txn.delete_range(span("a", "\0"), Previous::Ignored).unwrap().deleted, 3);
    });
    bench.txn(|txn| {
        let lease = LeaseChange::Set(0x4ee7_a201_b659_9619);
        txn.put(PutArgs { lease, ..put("lock/4ee7a201b6599619", "") }).unwrap();
    });
    bench
}

#[test]
fn hashes_equal_those_of_etcd_on_the_same_history() {
    let mut bench = Bench::new();
    check(&bench, 0, 1_084_519_789, -1, 1);
    bench.put("foo", "bar");
    check(&bench, 0, 3_305_255_506, -1, 2);
    bench.delete("foo", "");
    check(&bench, 0, 2_489_925_301, -1, 3);
    check(&bench, 2, 3_305_255_506, -1, 2);
    let mut bench = Bench::new();
    bench.put("foo", "bar");
    bench.put("foo", "bar2");
    check(&bench, 0, 3_581_052_765, -1, 3);
}

#[test]
fn hashes_after_a_compaction_equal_those_of_etcd() {
    let mut bench = long_history();
    bench.compact(6).unwrap();
    for settled in [false, true] {
        if settled {
            bench.settle();
        }
        check(&bench, 7, 1_311_410_638, 6, 7);
        check(&bench, 8, 1_179_139_755, 6, 8);
        check(&bench, 9, 1_035_257_213, 6, 9);
        check(&bench, 0, 1_035_257_213, 6, 9);
        assert!(matches!(bench.mvcc.hash_kv(5), Err(Error::Compacted)));
        assert!(matches!(bench.mvcc.hash_kv(10), Err(Error::FutureRevision)));
    }
}

#[test]
fn a_compaction_leaves_the_hash_of_what_it_found() {
    let mut bench = long_history();
    let before = bench.mvcc.hash_kv(6).unwrap();
    bench.compact(6).unwrap();
    let computed = bench.mvcc.hash_kv(6).unwrap();
    assert_eq!((computed.compact_revision, computed.hash_revision), (6, 6));
    bench.settle();
    assert_eq!(bench.mvcc.hash_kv(6).unwrap(), before, "with the compact revision before");
    assert_eq!(before.compact_revision, -1);

    // At 8 no key lives: who asks gets the older records as well, for want of any to keep. But the
    // compaction keeps the deletions at its own revision, and so it finds the older ones useless.
    check(&bench, 8, 1_179_139_755, 6, 8);
    bench.compact(8).unwrap();
    bench.compact(9).unwrap();
    bench.settle();
    check(&bench, 8, 724_032_081, 6, 8);
    assert_eq!(bench.mvcc.hash_kv(9).unwrap().compact_revision, 8);
}

/// From then on whoever asks for 0, and means the newest revision, gets the hash of the first.
#[test]
fn a_compaction_at_zero_leaves_its_hash_too() {
    let mut bench = Bench::new();
    bench.compact(0).unwrap();
    bench.settle();
    bench.put("foo", "bar");
    check(&bench, 0, 1_084_519_789, -1, 0);
    check(&bench, 2, 3_305_255_506, 0, 2);
}

#[test]
fn a_key_deleted_and_put_again_by_one_transaction_is_not_kept_at_its_revision() {
    let mut bench = Bench::new();
    bench.put("a", "");
    bench.put("c", "");
    bench.txn(|txn| {
        assert_eq!(txn.delete_range(span("\0", "\0"), Previous::Ignored).unwrap().deleted, 2);
        txn.put(put("c", "")).unwrap();
    });
    bench.compact(2).unwrap();
    check(&bench, 0, 2_354_145_911, 2, 4);
    let mut bench = Bench::new();
    bench.put("a", "");
    bench.compact(2).unwrap();
    bench.txn(|txn| {
        assert_eq!(txn.delete_range(span("\0", "\0"), Previous::Ignored).unwrap().deleted, 1);
        txn.put(put("a", "")).unwrap();
    });
    check(&bench, 0, 2_108_271_305, 2, 3);
}

#[test]
fn the_hash_of_an_interrupted_compaction_is_not_remembered() {
    let mut bench = long_history();
    bench.compact(6).unwrap();
    let bench = bench.restarted();
    bench.settle();
    assert_eq!(bench.mvcc.hash_kv(6).unwrap().compact_revision, 6);
}

#[test]
fn ten_hashes_of_compactions_are_remembered() {
    let mut bench = Bench::new();
    for value in 0..13 {
        bench.put("k", &value.to_string());
    }
    for revision in 2..=13 {
        bench.compact(revision).unwrap();
        bench.settle();
    }
    assert!(matches!(bench.mvcc.hash_kv(3), Err(Error::Compacted)));
    assert_eq!(bench.mvcc.hash_kv(4).unwrap().compact_revision, 3);
    assert_eq!(bench.mvcc.hash_kv(13).unwrap().compact_revision, 12);
}

#[test]
fn a_negative_revision_covers_nothing() {
    let mut bench = Bench::new();
    bench.put("foo", "bar");
    check(&bench, -4, 1_084_519_789, -1, -4);
}
