//! Watchers of one feed that are told the past together.

use std::collections::VecDeque;
use std::sync::Arc;

use etcd_mvcc::{HistoryLimits, Mvcc};

use crate::Error;
use crate::changes::{Change, Changes, Part};
use crate::index::Index;
use crate::told::{Changed, Parts, Told};
use crate::watcher::Behind;

/// Most revisions that a watcher is told at once of the past (etcd's number for a response).
const REVISIONS: usize = 1000;
/// Weight of changes, in bytes, after which no new revision is begun.
pub(crate) const BYTES: usize = 1 << 20;

/// Some watchers that are behind, and who of them wants to know of which keys.
#[derive(Debug)]
pub(crate) struct Group {
    members: Vec<Behind>,
    /// Places in `members`.
    index: Index<usize>,
    /// What each member is to be told.
    parts: Vec<Vec<Part>>,
    /// Weight of it.
    bytes: usize,
}

impl Group {
    pub(crate) fn new(members: Vec<Behind>) -> Group {
        let mut index = Index::default();
        for (place, member) in members.iter().enumerate() {
            index.insert(&member.watcher.range, place);
        }
        let parts = members.iter().map(|_| Vec::new()).collect();
        Group { members, index, parts, bytes: 0 }
    }

    /// The first revision that any of them needs.
    pub(crate) fn first(&self) -> i64 {
        self.members.iter().map(|member| member.next).min().unwrap_or(i64::MAX)
    }

    /// Sorts out who is to be told of which revisions, until there is enough. All members have been
    /// told everything before `end` then, or before the first revision that was left out.
    pub(crate) fn fill<'c>(
        &mut self,
        revisions: impl IntoIterator<Item = &'c Arc<Changes>>,
        mut end: i64,
    ) {
        for changes in revisions {
            if self.is_full() {
                end = changes.revision;
                break;
            }
            self.add(changes);
        }
        for member in &mut self.members {
            member.next = member.next.max(end);
        }
    }

    /// Sorts out who is to be told of a revision.
    pub(crate) fn add(&mut self, changes: &Arc<Changes>) {
        let Group { members, index, parts, bytes } = self;
        let admits = |place: &usize, change: &Change| {
            let Behind { watcher, next } = &members[*place];
            *next <= changes.revision && watcher.admits(change)
        };
        let mut weight = changes.weight;
        index.deal(changes, admits, |place, picks| {
            // The changes are shared, what points to them is not.
            *bytes += std::mem::take(&mut weight) + size_of::<Part>();
            parts[*place].push(Part { changes: Arc::clone(changes), picks });
        });
    }

    fn is_full(&self) -> bool {
        self.bytes >= BYTES || self.parts.iter().any(|parts| parts.len() >= REVISIONS)
    }

    /// Sorts out what storage has from the first needed revision on, a bounded stretch of it.
    pub(crate) fn read(mut self, mvcc: &Mvcc) -> (Result<(), Error>, Group) {
        let result = self.read_history(mvcc);
        (result, self)
    }

    fn read_history(&mut self, mvcc: &Mvcc) -> Result<(), Error> {
        let limits = HistoryLimits { revisions: REVISIONS, bytes: BYTES, ..Default::default() };
        let history = mvcc.history(self.first(), &|key| self.index.wants(key), limits)?;
        self.fill(&Changes::of_history(history.events)?, history.next_revision);
        Ok(())
    }

    /// Parts with those members that are still alive: what they are told, at the store's current
    /// revision, goes into `ready`.
    pub(crate) fn end(
        self,
        revision: i64,
        ready: &mut VecDeque<Told>,
        is_alive: impl Fn(&Behind) -> bool,
    ) -> Vec<Behind> {
        let Group { mut members, parts, .. } = self;
        for (member, parts) in members.iter().zip(parts) {
            if !parts.is_empty() && is_alive(member) {
                let (id, parts) = (member.watcher.id, Parts::Many(parts));
                ready.push_back(Told::Changed(Changed { id, revision, parts }));
            }
        }
        members.retain(is_alive);
        members
    }
}
