//! Readers beside the writer and the compactor.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use etcd_mvcc::{Content, Error, Hashing, Mvcc, RangeQuery};
use etcd_storage::Batch;

use crate::support::*;

const KEYS: i64 = 700;
const ROUNDS: i64 = 70;

/// At an even main revision `2n` all keys have the value `n`; at an odd one, none is there.
fn check(mvcc: &Mvcc, asked: i64) -> Result<(), Error> {
    let result = mvcc.range(&RangeQuery { revision: asked, ..all() })?;
    let values: Vec<i64> =
        result.kvs.iter().map(|kv| text(&decode(kv).value).parse().unwrap()).collect();
    assert_eq!(result.count, values.len() as i64, "count and list agree");
    match values.first() {
        None => assert!(asked <= 0 || asked % 2 == 1),
        Some(first) => {
            assert_eq!(values.len() as i64, KEYS, "all or none");
            assert!(values.iter().all(|value| value == first), "one revision from first to last");
            assert!(asked <= 0 || asked == 2 * first);
            assert!(2 * first <= result.revision);
        }
    }
    let page = RangeQuery { revision: asked, limit: 10, content: Content::KeysOnly, ..all() };
    let page = mvcc.range(&page)?;
    assert!((page.kvs.len(), page.count, page.more) == (10, KEYS, true) || page.count == 0);
    Ok(())
}

fn write_round(bench: &mut Bench, round: i64) {
    let mut batch = Batch::new();
    let mut txn = bench.writer.begin(&mut batch);
    for number in 0..KEYS {
        txn.put(put(&format!("k{number:04}"), &round.to_string())).unwrap();
    }
    assert_eq!(txn.finish().revision, 2 * round);
    let mut txn = bench.writer.begin(&mut batch);
    txn.delete_range(span("\0", "\0"), etcd_mvcc::Previous::Ignored).unwrap();
    txn.finish();
    if round % 7 == 0 {
        bench.writer.compact(2 * round - 6, &mut batch).unwrap();
    }
    bench.commit(batch);
}

#[test]
fn readers_see_one_revision_while_others_write_and_compact() {
    let mut bench = Bench::new();
    let done = AtomicBool::new(false);
    let reads = [const { AtomicI64::new(0) }; 2];
    let compactor = bench.mvcc.compactor(quick(Hashing::On));
    std::thread::scope(|scope| {
        let compacting = scope.spawn(|| compactor.run());
        for (number, reads) in reads.iter().enumerate() {
            let mvcc = bench.mvcc.clone();
            let done = &done;
            scope.spawn(move || {
                // At least one whole pass, however fast the writer is.
                loop {
                    let last = done.load(Ordering::Acquire);
                    let current = mvcc.revision();
                    let back = if number == 0 { 0 } else { (current - 3).max(1) };
                    match check(&mvcc, back) {
                        Ok(()) => drop(reads.fetch_add(1, Ordering::Relaxed)),
                        Err(Error::Compacted) => assert!(back < mvcc.compact_revision()),
                        Err(error) => panic!("{error}"),
                    }
                    if last {
                        break;
                    }
                }
            });
        }
        for round in 1..=ROUNDS {
            write_round(&mut bench, round);
        }
        done.store(true, Ordering::Release);
        let (sender, receiver) = std::sync::mpsc::channel();
        let compacted = bench.mvcc.compact_revision();
        bench.mvcc.on_compacted(compacted, Box::new(move || sender.send(()).unwrap()));
        receiver.recv().unwrap();
        compactor.stop();
        compacting.join().unwrap().unwrap();
    });
    assert!(reads.iter().all(|reads| reads.load(Ordering::Relaxed) > 0));
    let kept = 2 * ROUNDS + 1 - bench.mvcc.compact_revision();
    let rows = bench.rows().len() as i64;
    assert!(rows <= (kept + 1) * KEYS, "{rows} rows left of {kept} revisions");
}
