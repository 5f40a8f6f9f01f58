//! The past, as watchers read it.

use etcd_mvcc::{Error, HistoryLimits, Previous};

use crate::support::*;

fn read(bench: &Bench, from: i64, limits: HistoryLimits) -> (String, i64) {
    let history = bench.mvcc.history(from, &|_| true, limits).unwrap();
    (show_events(&history.events), history.next_revision)
}

fn sample() -> Bench {
    let mut bench = Bench::new();
    bench.put("a", "1");
    bench.txn(|txn| {
        txn.put(put("b", "2")).unwrap();
        txn.put(put("c", "3")).unwrap();
    });
    bench.delete("a", "c");
    bench
}

#[test]
fn all_changes_from_a_revision_on_come_in_order() {
    let bench = sample();
    let whole = "2.0:a=1 3.0:b=2 3.1:c=3 4.0:a- 4.1:b-";
    assert_eq!(read(&bench, 0, HistoryLimits::default()), (whole.into(), 5));
    assert_eq!(read(&bench, 4, HistoryLimits::default()), ("4.0:a- 4.1:b-".into(), 5));
    assert_eq!(read(&bench, 5, HistoryLimits::default()), (String::new(), 5));
    assert_eq!(read(&bench, 9, HistoryLimits::default()), (String::new(), 9));
}

#[test]
fn a_limit_never_splits_a_revision() {
    let bench = sample();
    let limits = HistoryLimits { revisions: 1, ..HistoryLimits::default() };
    assert_eq!(read(&bench, 3, limits), ("3.0:b=2 3.1:c=3".into(), 4));
    let limits = HistoryLimits { bytes: 1, ..HistoryLimits::default() };
    assert_eq!(read(&bench, 3, limits), ("3.0:b=2 3.1:c=3".into(), 4));
    let limits = HistoryLimits { looked_at: 2, ..HistoryLimits::default() };
    assert_eq!(read(&bench, 2, limits), ("2.0:a=1 3.0:b=2 3.1:c=3".into(), 4));
}

#[test]
fn unwanted_keys_are_left_out_and_do_not_count_as_revisions() {
    let bench = sample();
    let limits = HistoryLimits { revisions: 2, ..HistoryLimits::default() };
    let history = bench.mvcc.history(2, &|key| key == b"b", limits).unwrap();
    assert_eq!(show_events(&history.events), "3.0:b=2 4.1:b-");
    assert_eq!(history.next_revision, 5);
}

#[test]
fn the_past_below_the_compact_revision_is_gone() {
    let mut bench = sample();
    bench.compact(3).unwrap();
    bench.settle();
    let below = bench.mvcc.history(2, &|_| true, HistoryLimits::default());
    assert!(matches!(below, Err(Error::Compacted)));
    let (events, _) = read(&bench, 3, HistoryLimits::default());
    assert_eq!(events, "3.0:b=2 3.1:c=3 4.0:a- 4.1:b-");
}

#[test]
fn unpublished_changes_are_no_history() {
    let mut bench = sample();
    let mut batch = etcd_storage::Batch::new();
    let mut txn = bench.writer.begin(&mut batch);
    txn.delete_range(span("\0", "\0"), Previous::Ignored).unwrap();
    txn.finish();
    bench.storage.commit(batch).unwrap();
    assert_eq!(read(&bench, 5, HistoryLimits::default()), (String::new(), 5));
    bench.writer.publish();
    assert_eq!(read(&bench, 5, HistoryLimits::default()), ("5.0:c-".into(), 6));
}
