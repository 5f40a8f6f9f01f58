//! The whole store against a list of all records ever made, over random work and random questions.

use std::collections::BTreeMap;

use bytes::Bytes;
use etcd_mvcc::{
    Content, Error, KeyRange, LeaseChange, Previous, PutArgs, RangeQuery, SortOrder, SortTarget,
};
use etcd_proto::mvccpb::KeyValue;
use etcd_storage::Batch;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::*;

#[derive(Debug, Clone)]
enum Change {
    Put { key: u8, value: u8, lease: i64 },
    Touch(u8),
    Delete(u8, u8),
}

#[derive(Debug, Clone)]
enum Step {
    /// Transactions that share one batch.
    Batch(Vec<Vec<Change>>),
    Compact {
        share: u8,
    },
    Settle,
    Restart,
    Ask(Vec<RangeQuery>),
}

#[derive(Default)]
struct Model {
    /// In order: the main revision, the key, and the key-value (`None`: a tombstone).
    records: Vec<(i64, Bytes, Option<KeyValue>)>,
    main: i64,
    compacted: i64,
}

fn key(number: u8) -> Bytes {
    Bytes::from(format!("k{}", number % 24))
}

impl Model {
    fn live(&self, at: i64) -> BTreeMap<Bytes, KeyValue> {
        let mut live = BTreeMap::new();
        for (_, key, kv) in self.records.iter().filter(|(main, ..)| *main <= at) {
            match kv {
                Some(kv) => drop(live.insert(key.clone(), kv.clone())),
                None => drop(live.remove(key)),
            }
        }
        live
    }

    fn put(&mut self, main: i64, key: Bytes, value: Bytes, lease: i64) {
        let old = self.live(main).remove(&key);
        let (create_revision, version) =
            old.map_or((main, 1), |old| (old.create_revision, old.version + 1));
        let mod_revision = main;
        let kv =
            KeyValue { key: key.clone(), create_revision, mod_revision, version, value, lease };
        self.records.push((main, key, Some(kv)));
    }

    /// What etcd's documented steps give, one after the other.
    fn range(&self, query: &RangeQuery) -> Result<(Vec<KeyValue>, i64, bool), &'static str> {
        let at = if query.revision <= 0 { self.main } else { query.revision };
        if at > self.main {
            return Err("future");
        }
        if at < self.compacted {
            return Err("compacted");
        }
        let range = KeyRange::new(query.key.clone(), query.range_end.clone());
        let in_range = self.live(at).into_iter().filter(|(key, _)| range.contains(key));
        let mut kvs: Vec<_> = in_range.map(|(_, kv)| kv).collect();
        let count = kvs.len() as i64;
        if query.content == Content::CountOnly {
            return Ok((Vec::new(), count, false));
        }
        let bounds = [
            query.max_mod_revision,
            query.min_mod_revision,
            query.max_create_revision,
            query.min_create_revision,
        ];
        let default_order = query.sort_order == SortOrder::None
            || (query.sort_target, query.sort_order) == (SortTarget::Key, SortOrder::Ascend);
        let limit = usize::try_from(query.limit).unwrap_or(0);
        if default_order && bounds == [0; 4] && limit > 0 {
            kvs.truncate(limit + 1);
        }
        let [max_mod, min_mod, max_create, min_create] = bounds;
        kvs.retain(|kv| max_mod == 0 || kv.mod_revision <= max_mod);
        kvs.retain(|kv| min_mod == 0 || kv.mod_revision >= min_mod);
        kvs.retain(|kv| max_create == 0 || kv.create_revision <= max_create);
        kvs.retain(|kv| min_create == 0 || kv.create_revision >= min_create);
        kvs.sort_by(|a, b| {
            let order = match query.sort_target {
                SortTarget::Key => a.key.cmp(&b.key),
                SortTarget::Version => a.version.cmp(&b.version),
                SortTarget::Create => a.create_revision.cmp(&b.create_revision),
                SortTarget::Mod => a.mod_revision.cmp(&b.mod_revision),
                SortTarget::Value => a.value.cmp(&b.value),
            };
            if query.sort_order == SortOrder::Descend { order.reverse() } else { order }
        });
        let more = limit > 0 && kvs.len() > limit;
        if more {
            kvs.truncate(limit);
        }
        if query.content == Content::KeysOnly {
            for kv in &mut kvs {
                kv.value = Bytes::new();
                if query.sort_target != SortTarget::Value {
                    kv.lease = 0;
                }
            }
        }
        Ok((kvs, count, more))
    }
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => (any::<u8>(), any::<u8>(), 0..3i64)
            .prop_map(|(key, value, lease)| Change::Put { key, value: value % 8, lease }),
        1 => any::<u8>().prop_map(Change::Touch),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(from, to)| Change::Delete(from, to)),
    ]
}

fn question() -> impl Strategy<Value = RangeQuery> {
    let end = prop_oneof![
        Just(bytes("")),
        Just(bytes("\0")),
        any::<u8>().prop_map(key),
        Just(bytes("l")),
    ];
    let order = select(vec![SortOrder::None, SortOrder::Ascend, SortOrder::Descend]);
    let target = select(vec![
        SortTarget::Key,
        SortTarget::Version,
        SortTarget::Create,
        SortTarget::Mod,
        SortTarget::Value,
    ]);
    let content = select(vec![Content::Full, Content::Full, Content::KeysOnly, Content::CountOnly]);
    let bound = || prop_oneof![4 => Just(0), 1 => 1..30i64];
    let bounds = (bound(), bound(), bound(), bound());
    let key = prop_oneof![Just(bytes("\0")), any::<u8>().prop_map(key)];
    let rest = (-1..40i64, -1..6i64, order, target, content, bounds);
    (key, end, rest).prop_map(|(key, range_end, rest)| {
        let (revision, limit, sort_order, sort_target, content, bounds) = rest;
        let (min_mod_revision, max_mod_revision, min_create_revision, max_create_revision) = bounds;
        RangeQuery {
            key,
            range_end,
            revision,
            limit,
            sort_order,
            sort_target,
            content,
            min_mod_revision,
            max_mod_revision,
            min_create_revision,
            max_create_revision,
        }
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => vec(vec(change(), 0..4), 1..4).prop_map(Step::Batch),
        2 => any::<u8>().prop_map(|share| Step::Compact { share }),
        1 => Just(Step::Settle),
        1 => Just(Step::Restart),
        6 => vec(question(), 1..8).prop_map(Step::Ask),
    ]
}

fn work(bench: &mut Bench, model: &mut Model, txns: &[Vec<Change>]) {
    let mut batch = Batch::new();
    for changes in txns {
        let mut txn = bench.writer.begin(&mut batch);
        let main = model.main + 1;
        let before = model.records.len();
        for change in changes {
            match change {
                Change::Put { key: number, value, lease } => {
                    let (key, value) = (key(*number), Bytes::from(vec![b'0' + value]));
                    let args = PutArgs {
                        key: &key,
                        value: Some(&value),
                        lease: LeaseChange::Set(*lease),
                        previous: Previous::Wanted,
                    };
                    let outcome = txn.put(args).unwrap();
                    let old = model.live(main).remove(&key);
                    assert_eq!(outcome.previous.as_ref().map(decode), old);
                    assert_eq!(outcome.previous_lease, old.map_or(0, |old| old.lease));
                    model.put(main, key, value, *lease);
                }
                Change::Touch(number) => {
                    let (key, lease) = (key(*number), LeaseChange::Keep);
                    let previous = Previous::Ignored;
                    let args = PutArgs { key: &key, value: None, lease, previous };
                    match model.live(main).remove(&key) {
                        Some(old) => {
                            assert_eq!(txn.put(args).unwrap().lease, old.lease);
                            model.put(main, key, old.value, old.lease);
                        }
                        None => assert!(matches!(txn.put(args), Err(Error::KeyNotFound))),
                    }
                }
                Change::Delete(from, to) => {
                    let range = KeyRange::new(key(*from), key(*to));
                    let deleted = txn.delete_range(range.clone(), Previous::Wanted).unwrap();
                    let live = model.live(main).into_iter();
                    let gone: Vec<_> = live.filter(|(key, _)| range.contains(key)).collect();
                    let previous: Vec<_> = deleted.previous.iter().map(decode).collect();
                    assert!(previous.iter().eq(gone.iter().map(|(_, kv)| kv)));
                    assert_eq!(deleted.deleted, gone.len() as i64);
                    model.records.extend(gone.into_iter().map(|(key, _)| (main, key, None)));
                }
            }
        }
        model.main += i64::from(model.records.len() > before);
        let seen: Vec<_> = txn.range(&all()).unwrap().kvs.iter().map(decode).collect();
        assert!(seen.iter().eq(model.live(main).values()), "a transaction sees its writes");
        let outcome = txn.finish();
        assert_eq!(outcome.revision, model.main);
        assert_eq!(outcome.events.len(), model.records.len() - before);
    }
    bench.commit(batch);
}

fn ask(bench: &Bench, model: &Model, query: &RangeQuery) {
    match (bench.range(query), model.range(query)) {
        (Ok(result), Ok((kvs, count, more))) => {
            let seen: Vec<_> = result.kvs.iter().map(decode).collect();
            assert_eq!((seen, result.count, result.more), (kvs, count, more), "{query:?}");
            assert_eq!(result.revision, model.main);
        }
        (Err(Error::Compacted), Err("compacted")) | (Err(Error::FutureRevision), Err("future")) => {
        }
        (result, expected) => panic!("{query:?} gave {result:?} instead of {expected:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_store_agrees_with_the_list_of_its_records(steps in vec(step(), 1..30)) {
        let mut bench = Bench::new();
        let mut model = Model { main: 1, compacted: -1, ..Model::default() };
        for step in steps {
            match step {
                Step::Batch(txns) => work(&mut bench, &mut model, &txns),
                Step::Compact { share } => {
                    let revision = model.main * i64::from(share) / 255;
                    let compacted = bench.compact(revision);
                    prop_assert_eq!(compacted.is_ok(), revision > model.compacted);
                    model.compacted = model.compacted.max(revision);
                }
                Step::Settle => {
                    // Hashes do not depend on how far the compaction is, but the compaction leaves
                    // one at its own revision that covers what it removed.
                    let hashed = model.compacted.max(1) + 1..=model.main;
                    let hashes = |bench: &Bench| {
                        let hash = |revision| bench.mvcc.hash_kv(revision).unwrap();
                        hashed.clone().map(hash).collect::<Vec<_>>()
                    };
                    let before = hashes(&bench);
                    bench.settle();
                    prop_assert_eq!(hashes(&bench), before);
                }
                Step::Restart => bench = bench.restarted(),
                Step::Ask(queries) => for query in &queries {
                    ask(&bench, &model, query);
                }
            }
            prop_assert_eq!(bench.mvcc.revision(), model.main);
            prop_assert_eq!(bench.mvcc.compact_revision(), model.compacted);
        }
        bench.settle();
        let bench = bench.restarted();
        for revision in model.compacted.max(1)..=model.main {
            ask(&bench, &model, &RangeQuery { revision, ..all() });
        }
    }
}
