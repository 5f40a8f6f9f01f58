//! The index against a model of plain maps and lists, over random changes.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Put(u16),
    Delete(u16),
    Compact(u8),
}

/// All records ever made: key → (main, is a put), ascending.
#[derive(Default)]
struct Model {
    records: BTreeMap<Bytes, Vec<(i64, bool)>>,
}

impl Model {
    /// (mod, create, version) of a key at a revision.
    fn at(&self, key: &Bytes, revision: i64) -> Option<(i64, i64, i64)> {
        let records = self.records.get(key)?;
        let mut state = None;
        for &(main, put) in records.iter().filter(|(main, _)| *main <= revision) {
            state = put.then(|| {
                state.map_or((main, main, 1), |(_, create, version)| (main, create, version + 1))
            });
        }
        state
    }
}

/// How many records of a key stay after a compaction.
fn needed(life: &[(i64, bool)], compacted: i64) -> usize {
    let newer = life.iter().filter(|(main, _)| *main > compacted).count();
    let stands = life.iter().rev().find(|(main, _)| *main <= compacted);
    newer + usize::from(stands.is_some_and(|(main, put)| *put || *main == compacted))
}

fn key(number: u16) -> Bytes {
    // Few long shared prefixes, many lengths: what separators are cut from.
    Bytes::from(
        format!("/registry/{}/{}", number % 7, "x".repeat(number as usize % 5))
            + &number.to_string(),
    )
}

fn listed(index: &Index, range: &KeyRange, revision: i64) -> Vec<(Bytes, (i64, i64, i64))> {
    let mut found = Vec::new();
    index.walk(range, range.start(), |key, life| {
        if let Some(state) = life.at(revision) {
            let state = (state.revision.main, state.create_revision, state.version);
            found.push((Bytes::copy_from_slice(key), state));
        }
        ControlFlow::Continue(())
    });
    found
}

fn compact(index: &mut Index, revision: i64) -> Vec<(Revision, Kind)> {
    let mut dropped = Vec::new();
    let mut from = Vec::new();
    while let Some(next) = index.compact_from(&from, revision, &mut dropped) {
        assert!(next > from, "compaction moves on");
        from = next;
    }
    dropped
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let number = 0..400u16;
    let step = prop_oneof![
        6 => number.clone().prop_map(Step::Put),
        4 => number.prop_map(Step::Delete),
        1 => any::<u8>().prop_map(Step::Compact),
    ];
    vec(step, 1..1500)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_index_agrees_with_the_model(steps in steps(), from in 0..400u16, to in 0..400u16) {
        let mut index = Index::default();
        let mut model = Model::default();
        let (mut main, mut compacted, mut records, mut dropped) = (1, -1, 0, 0);
        for step in steps {
            match step {
                Step::Put(number) => {
                    main += 1;
                    let changed = index.change(
                        &key(number), Revision::first_of(main), Change::Put { lease: 0 });
                    let before = model.at(&key(number), main);
                    prop_assert_eq!(changed.before.map(|state| state.revision.main),
                        before.map(|(main, ..)| main));
                    model.records.entry(key(number)).or_default().push((main, true));
                    records += 1;
                }
                Step::Delete(number) if model.at(&key(number), main).is_some() => {
                    main += 1;
                    index.change(&key(number), Revision::first_of(main), Change::Tombstone);
                    model.records.entry(key(number)).or_default().push((main, false));
                    records += 1;
                }
                Step::Delete(_) => {}
                Step::Compact(share) => {
                    let revision = main * i64::from(share) / 255;
                    if revision > compacted {
                        compacted = revision;
                        dropped += compact(&mut index, revision).len();
                    }
                }
            }
        }
        prop_assert_eq!(index.tree.check(), index.keys());

        let needed: usize = model.records.values().map(|life| needed(life, compacted)).sum();
        prop_assert_eq!(records - dropped, needed, "exactly what is needed stays");

        let (from, to) = (key(from), key(to));
        let ranges = [
            KeyRange::everything(),
            KeyRange::From(from.clone()),
            KeyRange::Span(from.clone(), to.clone()),
            KeyRange::One(to.clone()),
        ];
        for revision in [compacted.max(1), i64::midpoint(compacted.max(1), main), main] {
            for range in &ranges {
                let expected: Vec<_> = model.records.keys()
                    .filter(|key| range.contains(key))
                    .filter_map(|key| Some((key.clone(), model.at(key, revision)?)))
                    .collect();
                prop_assert_eq!(index.count(range, revision), Some(expected.len() as u64));
                prop_assert_eq!(listed(&index, range, revision), expected);
            }
        }
    }

    #[test]
    fn deleting_and_compacting_everything_leaves_nothing(numbers in vec(any::<u16>(), 1..3000)) {
        let mut index = Index::default();
        let mut main = 1;
        let mut keys: Vec<Bytes> = numbers.iter().map(|number| key(*number)).collect();
        keys.sort();
        keys.dedup();
        for change in [Change::Put { lease: 0 }, Change::Tombstone] {
            for key in &keys {
                main += 1;
                index.change(key, Revision::first_of(main), change);
            }
            prop_assert_eq!(index.tree.check(), keys.len());
        }
        prop_assert_eq!(compact(&mut index, main + 1).len(), keys.len() * 2);
        prop_assert_eq!(index.tree.check(), 0);
        prop_assert_eq!(index.keys(), 0);
    }
}

#[test]
fn a_key_with_one_revision_costs_little_memory() {
    let count: usize = 100_000;
    let mut index = Index::default();
    let mut key_bytes = 0;
    for number in 0..count as u64 {
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let scattered = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let key = format!("/registry/pods/{scattered:016x}");
        key_bytes += key.len();
        index.load(key.as_bytes(), Revision::first_of(2), Change::Put { lease: 0 });
    }
    let overhead = (index.tree.heap_bytes() - key_bytes) / count;
    assert!(overhead <= 70, "{overhead} bytes a key beside the key itself");
    assert_eq!(index.tree.check(), count);
}
