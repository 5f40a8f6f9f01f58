//! How a range request is answered: counted, listed, bounded, sorted, cut.

use bytes::{Bytes, BytesMut};

use crate::cursor::{Cursor, STEP_KEYS};
use crate::fields::{FieldWriter, Fields};
use crate::index::KeyState;
use crate::query::{Content, RangeQuery, RangeResult, SortOrder, SortTarget};
use crate::reader::{Reader, parse};
use crate::{Error, KeyRange, Revision, record};

/// A key that a read found.
struct Found {
    state: KeyState,
    /// Its answer, if the index gives it; else empty.
    record: Bytes,
}

impl Reader<'_> {
    /// Answers a range request (etcd 3.7, `Range`):
    ///
    /// * The count is that of all live keys in the range; only `more` knows of the limit.
    /// * Without an order but with a target other than the key, the first `limit + 1` keys in key
    ///   order are taken and those are sorted, ascending.
    /// * The compact revision itself is readable.
    ///
    /// # Errors
    /// `FutureRevision` and `Compacted` for the revision asked for; `Compacted` also when a
    /// compaction overtakes the read.
    pub fn range(&self, query: &RangeQuery) -> Result<RangeResult, Error> {
        let at = self.resolve(query.revision)?;
        let range = query.range();
        if let KeyRange::One(key) = &range {
            return self.one(key, at, query);
        }
        let count = self.count(&range, at)?;
        let mut result = self.result(count);
        let mut cursor = Cursor::new(range, at);
        if query.content == Content::CountOnly {
            return Ok(result);
        }
        if query.is_plain() {
            result.more = count > query.limit() as u64;
            result.kvs = self.list(&mut cursor, query.limit(), query)?;
        } else {
            self.select(cursor, query, &mut result)?;
        }
        Ok(result)
    }

    fn result(&self, count: u64) -> RangeResult {
        let count = i64::try_from(count).expect("fewer than 2^63 keys");
        RangeResult { kvs: Vec::new(), count, more: false, revision: self.current }
    }

    /// The shortest way, for a single key.
    fn one(&self, key: &Bytes, at: i64, query: &RangeQuery) -> Result<RangeResult, Error> {
        let Some(state) = self.state_at(key, at)? else { return Ok(self.result(0)) };
        let mut result = self.result(1);
        let admitted = query.admits(state.revision.main, state.create_revision);
        if query.content != Content::CountOnly && admitted {
            let record = match query.is_answered_by_index() {
                true => without_value(key, &state, &mut BytesMut::new()),
                false => self.record_of(at, state.revision)?,
            };
            result.kvs = vec![record];
            strip(query, &mut result.kvs)?;
        }
        Ok(result)
    }

    /// The first keys of a range as they come, at most `most` of them.
    fn list(
        &self,
        cursor: &mut Cursor,
        most: usize,
        query: &RangeQuery,
    ) -> Result<Vec<Bytes>, Error> {
        if !query.is_answered_by_index() {
            let revisions = self.revisions(cursor, most)?;
            return self.records(cursor.revision(), &revisions);
        }
        let mut kvs = Vec::new();
        while !cursor.is_done() && kvs.len() < most {
            let found = self.find(cursor, most - kvs.len(), query)?;
            kvs.extend(found.into_iter().map(|found| found.record));
        }
        Ok(kvs)
    }

    /// The same as fields of an answer. Nothing may be pending.
    pub(crate) fn list_fields(
        &self,
        cursor: &mut Cursor,
        most: usize,
        query: &RangeQuery,
    ) -> Result<Fields, Error> {
        if !query.is_answered_by_index() {
            let revisions = self.revisions(cursor, most)?;
            return self.fields(cursor.revision(), revisions);
        }
        let mut writer = FieldWriter::with_capacity(most.min(STEP_KEYS));
        let mut keys = 0;
        while !cursor.is_done() && keys < most {
            for found in self.find(cursor, most - keys, query)? {
                writer.push(keys, &found.record);
                keys += 1;
            }
        }
        Ok(Fields::of(writer.finish(), keys))
    }

    /// The revisions of the next keys, whatever their bounds.
    fn revisions(&self, cursor: &mut Cursor, most: usize) -> Result<Vec<Revision>, Error> {
        let mut revisions = Vec::with_capacity(most.min(STEP_KEYS));
        while !cursor.is_done() && revisions.len() < most {
            let left = most - revisions.len();
            cursor.step(self.store, left, |_, state| revisions.push(state.revision))?;
        }
        Ok(revisions)
    }

    /// The next keys that pass the bounds.
    fn find(
        &self,
        cursor: &mut Cursor,
        most: usize,
        query: &RangeQuery,
    ) -> Result<Vec<Found>, Error> {
        let mut found = Vec::with_capacity(most.min(STEP_KEYS));
        // The answers of one step share one allocation.
        let mut buffer = BytesMut::new();
        cursor.step(self.store, most, |key, state| {
            if query.admits(state.revision.main, state.create_revision) {
                let record = match query.is_answered_by_index() {
                    true => without_value(key, &state, &mut buffer),
                    false => Bytes::new(),
                };
                found.push(Found { state, record });
            }
        })?;
        Ok(found)
    }

    /// Bounds and sorts: looks at all keys of the range, unless the first ones decide.
    fn select(
        &self,
        mut cursor: Cursor,
        query: &RangeQuery,
        result: &mut RangeResult,
    ) -> Result<(), Error> {
        let limit = query.limit();
        let only_first = query.is_default_order() && !query.is_bounded();
        let fetch = if only_first { limit.saturating_add(1) } else { usize::MAX };
        let mut found = Vec::new();
        while !cursor.is_done() && found.len() < fetch {
            found.extend(self.find(&mut cursor, fetch - found.len(), query)?);
        }
        result.more = found.len() > limit;
        if query.sort_target == SortTarget::Value {
            let kvs = self.load(cursor.revision(), query, found)?;
            result.kvs = sorted_by_value(query.sort_order, kvs)?;
            result.kvs.truncate(limit);
            return strip(query, &mut result.kvs);
        }
        sort(query.sort_order, query.sort_target, &mut found);
        found.truncate(limit);
        result.kvs = self.load(cursor.revision(), query, found)?;
        Ok(())
    }

    /// The answers of what was found: the index's own, or the stored ones.
    fn load(&self, at: i64, query: &RangeQuery, found: Vec<Found>) -> Result<Vec<Bytes>, Error> {
        if query.is_answered_by_index() {
            return Ok(found.into_iter().map(|found| found.record).collect());
        }
        let revisions: Vec<_> = found.iter().map(|found| found.state.revision).collect();
        self.records(at, &revisions)
    }
}

/// Encodes an answer that needs no value behind what `buffer` holds, and cuts it off.
fn without_value(key: &[u8], state: &KeyState, buffer: &mut BytesMut) -> Bytes {
    let KeyState { revision, create_revision, version, .. } = *state;
    record::encode_without_value(key, create_revision, revision.main, version, buffer);
    buffer.split().freeze()
}

/// Takes the values out again where they were loaded only to sort by them.
fn strip(query: &RangeQuery, kvs: &mut [Bytes]) -> Result<(), Error> {
    if query.content == Content::KeysOnly && !query.is_answered_by_index() {
        for kv in kvs {
            *kv = record::strip_value(&parse(Revision::default(), kv)?);
        }
    }
    Ok(())
}

/// Sorts keys that come in key order; ties stay so.
fn sort(order: SortOrder, target: SortTarget, found: &mut [Found]) {
    let by = |found: &Found| match target {
        SortTarget::Version => found.state.version,
        SortTarget::Create => found.state.create_revision,
        SortTarget::Mod => found.state.revision.main,
        SortTarget::Key | SortTarget::Value => 0,
    };
    match (target, order) {
        (SortTarget::Key, SortOrder::Descend) => found.reverse(),
        (_, SortOrder::Descend) => found.sort_by_key(|found| std::cmp::Reverse(by(found))),
        _ => found.sort_by_key(by),
    }
}

/// The same by the values of stored key-values.
fn sorted_by_value(order: SortOrder, kvs: Vec<Bytes>) -> Result<Vec<Bytes>, Error> {
    let with_value = |kv: Bytes| -> Result<(Bytes, Bytes), Error> {
        let value = kv.slice_ref(parse(Revision::default(), &kv)?.value);
        Ok((value, kv))
    };
    let mut with_values = kvs.into_iter().map(with_value).collect::<Result<Vec<_>, Error>>()?;
    match order {
        SortOrder::Descend => with_values.sort_by(|(a, _), (b, _)| b.cmp(a)),
        _ => with_values.sort_by(|(a, _), (b, _)| a.cmp(b)),
    }
    Ok(with_values.into_iter().map(|(_, kv)| kv).collect())
}
