//! Compaction: what becomes unreadable, what is removed, what survives a restart.

use std::sync::mpsc;
use std::time::Duration;

use etcd_mvcc::{CompactorOptions, Error, Hashing, RangeQuery};
use etcd_storage::Batch;

use crate::support::*;

fn mains(bench: &Bench) -> Vec<i64> {
    bench.rows().iter().map(|(key, _)| i64::from_str_radix(&key[..16], 16).unwrap()).collect()
}

#[test]
fn reads_below_the_compact_revision_fail_and_at_it_succeed() {
    let mut bench = Bench::new();
    for value in ["1", "2", "3", "4"] {
        bench.put("k", value);
    }
    bench.compact(4).unwrap();
    for settled in [false, true] {
        if settled {
            bench.settle();
        }
        let below = bench.range(&RangeQuery { revision: 3, ..all() });
        assert!(matches!(below, Err(Error::Compacted)));
        let below = bench.range(&RangeQuery { revision: 3, ..query("k", "") });
        assert!(matches!(below, Err(Error::Compacted)));
        assert_eq!(bench.show("\0", "\0", 4), "k=3 of 1");
        assert_eq!(bench.show("\0", "\0", 5), "k=4 of 1");
        assert_eq!(bench.mvcc.compact_revision(), 4);
    }
    assert_eq!(mains(&bench), [4, 5]);
}

#[test]
fn a_compaction_must_move_on_and_not_into_the_future() {
    let mut bench = Bench::new();
    bench.put("k", "1");
    assert!(matches!(bench.compact(3), Err(Error::FutureRevision)));
    bench.compact(0).unwrap();
    assert_eq!(bench.mvcc.compact_revision(), 0);
    assert!(matches!(bench.compact(0), Err(Error::Compacted)));
    bench.compact(2).unwrap();
    assert!(matches!(bench.compact(2), Err(Error::Compacted)));
    assert!(matches!(bench.compact(1), Err(Error::Compacted)));
    bench.settle();
    assert_eq!(bench.show("k", "", 0), "k=1 of 1");
}

#[test]
fn transactions_of_the_same_batch_know_of_the_compaction_before_readers_do() {
    let mut bench = Bench::new();
    bench.put("k", "1");
    bench.put("k", "2");
    let mut batch = Batch::new();
    bench.writer.compact(3, &mut batch).unwrap();
    let old = RangeQuery { revision: 2, ..all() };
    assert!(matches!(bench.writer.begin(&mut batch).range(&old), Err(Error::Compacted)));
    assert!(matches!(bench.writer.compact(3, &mut batch), Err(Error::Compacted)));
    assert_eq!(show(&bench.mvcc.range(&old).unwrap()), "k=1 of 1");
    bench.commit(batch);
    assert!(matches!(bench.mvcc.range(&old), Err(Error::Compacted)));
}

#[test]
fn exactly_what_is_useless_is_removed() {
    let mut bench = Bench::new();
    bench.put("live", "1"); // 2: replaced at 3
    bench.put("live", "2"); // 3: stands at 6
    bench.put("gone", "1"); // 4
    bench.delete("gone", ""); // 5: ended before 6
    bench.put("ends", "1"); // 6
    bench.delete("ends", ""); // 7
    bench.put("live", "3"); // 8
    bench.compact(6).unwrap();
    bench.settle();
    assert_eq!(mains(&bench), [3, 6, 7, 8]);
    assert_eq!(bench.mvcc.indexed_keys(), 2);
    assert_eq!(bench.show("\0", "\0", 6), "ends=1 live=2 of 2");
    bench.compact(7).unwrap();
    bench.settle();
    assert_eq!(mains(&bench), [3, 7, 8], "a tombstone at the revision stays");
    bench.compact(8).unwrap();
    bench.settle();
    assert_eq!(mains(&bench), [8]);
    assert_eq!(bench.mvcc.indexed_keys(), 1);
}

#[test]
fn the_revision_never_moves_back() {
    let mut bench = Bench::new();
    bench.put("k", "1");
    bench.delete("k", "");
    bench.put("k", "2");
    bench.delete("k", ""); // 5
    bench.put("other", ""); // 6
    bench.delete("other", ""); // 7
    bench.compact(7).unwrap();
    bench.settle();
    assert_eq!(mains(&bench), [7]);
    let mut bench = bench.restarted();
    assert_eq!((bench.mvcc.revision(), bench.mvcc.compact_revision()), (7, 7));
    assert_eq!(bench.put("k", "3"), 8);
}

#[test]
fn an_unfinished_compaction_counts_after_a_restart_and_goes_on() {
    let mut bench = Bench::new();
    for value in ["1", "2", "3"] {
        bench.put("k", value);
    }
    bench.compact(4).unwrap();
    let bench = bench.restarted();
    assert_eq!((bench.mvcc.revision(), bench.mvcc.compact_revision()), (4, 4));
    let below = bench.range(&RangeQuery { revision: 3, ..all() });
    assert!(matches!(below, Err(Error::Compacted)));
    assert_eq!(mains(&bench), [2, 3, 4]);
    bench.settle();
    assert_eq!(mains(&bench), [4]);
    let bench = bench.restarted();
    bench.settle();
    assert_eq!(bench.mvcc.compact_revision(), 4);
    let record = decode(&bench.range(&query("k", "")).unwrap().kvs[0]);
    assert_eq!((record.create_revision, record.version), (2, 3));
}

#[test]
fn versions_and_leases_survive_compaction_and_restart() {
    let mut bench = Bench::new();
    bench.put("k", "1");
    bench.txn(|txn| {
        let lease = etcd_mvcc::LeaseChange::Set(77);
        txn.put(etcd_mvcc::PutArgs { lease, ..put("k", "2") }).unwrap();
    });
    bench.compact(3).unwrap();
    bench.settle();
    let mut bench = bench.restarted();
    assert_eq!(bench.mvcc.leased_keys().unwrap(), [(bytes("k"), 77)]);
    bench.txn(|txn| {
        let args = etcd_mvcc::PutArgs { value: None, ..put("k", "") };
        assert_eq!(txn.put(args).unwrap().previous_lease, 77);
    });
    let record = decode(&bench.range(&query("k", "")).unwrap().kvs[0]);
    assert_eq!((record.create_revision, record.mod_revision, record.version), (2, 4, 3));
    assert_eq!((text(&record.value).as_str(), record.lease), ("2", 0));
}

#[test]
fn who_waits_for_a_compaction_is_called_when_it_is_carried_out() {
    let mut bench = Bench::new();
    bench.put("k", "1");
    bench.put("k", "2");
    let (sender, receiver) = mpsc::channel();
    let call = |name: &'static str| {
        let sender = sender.clone();
        Box::new(move || sender.send(name).unwrap())
    };
    bench.mvcc.on_compacted(2, call("nothing to do"));
    assert_eq!(receiver.try_recv(), Ok("nothing to do"));
    bench.compact(3).unwrap();
    bench.mvcc.on_compacted(2, call("below"));
    assert_eq!(receiver.try_recv(), Ok("below"));
    bench.mvcc.on_compacted(3, call("at it"));
    assert!(receiver.try_recv().is_err());
    bench.settle();
    assert_eq!(receiver.try_recv(), Ok("at it"));
    assert_eq!(mains(&bench), [3]);
}

#[test]
fn the_compactor_works_in_a_thread_and_stops_in_the_middle_of_a_pause() {
    let mut bench = Bench::new();
    for value in 0..50 {
        bench.put("k", &value.to_string());
    }
    let compactor = bench.compactor();
    let running = compactor.clone();
    let thread = std::thread::spawn(move || running.run());
    let (sender, receiver) = mpsc::channel();
    bench.compact(20).unwrap();
    bench.mvcc.on_compacted(20, Box::new(move || sender.send(()).unwrap()));
    receiver.recv().unwrap();
    assert_eq!(mains(&bench), (20..=51).collect::<Vec<_>>());
    compactor.stop();
    thread.join().unwrap().unwrap();
    drop(compactor);

    // A pause of an hour, which stopping cuts short.
    let mut bench = bench.restarted();
    let sleep_interval = Duration::from_secs(3600);
    let options = CompactorOptions { batch_limit: 5, sleep_interval, hashing: Hashing::Off };
    let compactor = bench.mvcc.compactor(options);
    let running = compactor.clone();
    bench.compact(40).unwrap();
    let thread = std::thread::spawn(move || running.run());
    while mains(&bench).len() == 32 {
        std::thread::yield_now();
    }
    compactor.stop();
    thread.join().unwrap().unwrap();
    assert_eq!(mains(&bench).len(), 27, "one batch of five");
    drop(compactor);
    let bench = bench.restarted();
    bench.settle();
    assert_eq!(mains(&bench), (40..=51).collect::<Vec<_>>());
}

#[test]
fn a_replaced_state_is_read_anew() {
    let mut source = Bench::new();
    for value in ["1", "2", "3", "4"] {
        source.put("k", value);
    }
    source.compact(4).unwrap();
    let mut bench = Bench::new();
    bench.put("k", "1");
    bench.put("old", "1");
    let copy = bench.storage.scratch_directory("received");
    source.storage.checkpoint(&copy).unwrap();
    bench.storage.install(&copy).unwrap();
    bench.writer.reload().unwrap();
    assert_eq!((bench.mvcc.revision(), bench.mvcc.compact_revision()), (5, 4));
    assert_eq!(bench.show("\0", "\0", 0), "k=4 of 1");
    bench.settle();
    assert_eq!(mains(&bench), [4, 5]);
    assert_eq!(bench.put("k", "5"), 6);
}
