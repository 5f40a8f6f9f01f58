//! What happened in the store so far, as a watcher of everything saw it.

use bytes::Bytes;
use etcd_proto::etcdserverpb::WatchCreateRequest;
use etcd_proto::mvccpb::Event;
use etcd_proto::mvccpb::event::EventType;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    key: Bytes,
    is_delete: bool,
}

/// All changes by their revisions.
#[derive(Debug, Default)]
pub(crate) struct Events {
    revisions: BTreeMap<i64, Vec<Change>>,
}

impl Events {
    pub(crate) fn add(&mut self, event: &Event) {
        let Some(kv) = &event.kv else { return };
        let is_delete = event.r#type == EventType::Delete as i32;
        let change = Change { key: kv.key.clone(), is_delete };
        self.revisions.entry(kv.mod_revision).or_default().push(change);
    }

    /// The newest revision in it.
    pub(crate) fn newest(&self) -> i64 {
        self.revisions.last_key_value().map_or(0, |(revision, _)| *revision)
    }

    /// How many events of these revisions a watcher gets. `compacted` is the last compaction's
    /// revision: it left of each key only what its last change in that revision made of it.
    pub(crate) fn count(
        &self,
        watcher: &WatchCreateRequest,
        revisions: RangeInclusive<i64>,
        compacted: i64,
    ) -> usize {
        // The map refuses a range that is none.
        if revisions.is_empty() {
            return 0;
        }
        let wanted = |change: &&Change| watches(watcher, change);
        let revisions = self.revisions.range(revisions);
        let count = revisions.map(|(revision, changes)| match *revision == compacted {
            false => changes.iter().filter(wanted).count(),
            true => {
                let is_last =
                    |at: usize| changes[at + 1..].iter().all(|later| later.key != changes[at].key);
                let kept = changes.iter().enumerate().filter(|(at, _)| is_last(*at));
                kept.map(|(_, change)| change).filter(wanted).count()
            }
        });
        count.sum()
    }

    /// Whether a revision deletes a key and then puts it again. Once a real etcd has compacted at
    /// such a revision, the next read of the key ends its process: the put is removed with the
    /// rest, but not from the index.
    pub(crate) fn puts_again(&self, revision: i64) -> bool {
        let changes = self.revisions.get(&revision).map_or(&[][..], Vec::as_slice);
        changes.iter().enumerate().any(|(at, change)| {
            let mut later = changes[at + 1..].iter();
            change.is_delete && later.any(|later| later.key == change.key && !later.is_delete)
        })
    }
}

fn watches(watcher: &WatchCreateRequest, change: &Change) -> bool {
    // A watcher of the empty key watches the smallest one.
    let start = if watcher.key.is_empty() { &[0][..] } else { &watcher.key[..] };
    let in_range = match &watcher.range_end[..] {
        [] => change.key == start,
        [0] => change.key >= start,
        end => change.key >= start && change.key < end,
    };
    in_range && !watcher.filters.contains(&i32::from(change.is_delete))
}

#[cfg(test)]
mod tests {
    use super::*;
    use etcd_proto::mvccpb::KeyValue;

    fn events(changes: &[(i64, &'static str, EventType)]) -> Events {
        let mut events = Events::default();
        for &(mod_revision, key, kind) in changes {
            let kv = KeyValue { key: key.into(), mod_revision, ..KeyValue::default() };
            events.add(&Event { r#type: kind as i32, kv: Some(kv), prev_kv: None });
        }
        events
    }

    fn watcher(key: &'static str, range_end: &'static str, filters: &[i32]) -> WatchCreateRequest {
        let (key, range_end, filters) = (key.into(), range_end.into(), filters.to_vec());
        WatchCreateRequest { key, range_end, filters, ..WatchCreateRequest::default() }
    }

    #[test]
    fn a_watcher_gets_what_is_in_its_range_and_not_filtered() {
        use EventType::{Delete, Put};
        let events = events(&[(2, "a", Put), (3, "b", Put), (3, "a", Delete), (4, "c", Put)]);
        let count = |watcher| events.count(&watcher, 2..=4, 0);
        assert_eq!(count(watcher("a", "", &[])), 2);
        assert_eq!(count(watcher("a", "c", &[])), 3);
        assert_eq!(count(watcher("a", "c", &[0])), 1);
        assert_eq!(count(watcher("a", "c", &[1, 7])), 2);
        assert_eq!(count(watcher("b", "\0", &[])), 2);
        assert_eq!(count(watcher("", "\0", &[])), 4);
        assert_eq!(count(watcher("", "", &[])), 0);
        assert_eq!(events.count(&watcher("a", "c", &[]), 5..=5, 0), 0);
    }

    #[test]
    fn a_compaction_leaves_the_last_change_of_its_revision() {
        use EventType::{Delete, Put};
        let events = events(&[(2, "a", Put), (3, "a", Put), (3, "b", Put), (3, "a", Delete)]);
        assert_eq!(events.count(&watcher("a", "c", &[]), 3..=3, 2), 3);
        assert_eq!(events.count(&watcher("a", "c", &[]), 3..=3, 3), 2);
        assert!(!events.puts_again(3));
    }

    #[test]
    fn a_put_after_a_delete_in_one_revision_is_seen() {
        use EventType::{Delete, Put};
        let events = events(&[(2, "a", Delete), (2, "b", Put), (3, "b", Delete), (3, "b", Put)]);
        assert!(!events.puts_again(2));
        assert!(events.puts_again(3));
    }
}
