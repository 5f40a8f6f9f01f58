//! The life of one key: its changes that are not yet compacted, and what they add up to.

use crate::Revision;
use crate::revision::Kind;

/// A live key as it stood at some revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyState {
    /// The last put.
    pub revision: Revision,
    /// The main revision of the put that created the key, or created it again.
    pub create_revision: i64,
    /// Puts since the creation, from 1.
    pub version: i64,
    /// The lease, if the index still knows it: only that of the newest put is kept in memory.
    pub(crate) lease: Option<i64>,
}

/// What happens to a key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    /// It gets a value and, unless zero, a lease.
    Put { lease: i64 },
    /// It goes.
    Tombstone,
    /// A record is read from storage at the start: its fields count where older ones are gone.
    Load { create_revision: i64, version: i64, lease: i64 },
}

/// The changes of one key, oldest first, cut into generations: runs of puts, each but the last
/// closed by a tombstone.
///
/// Nearly all keys have one retained put, so that one lies inline: 40 bytes and no allocation.
#[derive(Debug)]
pub(crate) enum Generations {
    /// One retained change, a put.
    One {
        /// `Revision::sub`, narrowed.
        sub: u32,
        /// `Revision::main`.
        main: i64,
        create_revision: i64,
        version: i64,
        lease: i64,
    },
    /// Any other life.
    Many(Box<Many>),
}

#[derive(Debug)]
pub(crate) struct Many {
    /// Of the oldest step, if that is a put; all later generations are retained whole, so theirs
    /// follow from the steps.
    create_revision: i64,
    version: i64,
    /// Of the newest step.
    lease: i64,
    /// Invariant: ascending and never empty.
    steps: Vec<Step>,
    /// Invariant: the places of the tombstones in `steps`, ascending.
    ends: Vec<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    main: i64,
    sub: u32,
    kind: Kind,
}

impl Step {
    fn new(revision: Revision, kind: Kind) -> Step {
        Step { main: revision.main, sub: narrow(revision.sub), kind }
    }

    fn revision(self) -> Revision {
        Revision { main: self.main, sub: i64::from(self.sub) }
    }
}

/// The index keeps 32 bits of a change's place in its transaction; the storage keeps 64.
fn narrow(sub: i64) -> u32 {
    u32::try_from(sub).expect("a transaction has fewer than 2^32 changes")
}

impl Generations {
    /// The life that begins with `change`.
    pub(super) fn begin(revision: Revision, change: Change) -> Generations {
        let Revision { main, sub } = revision;
        match change {
            Change::Put { lease } => Generations::One {
                main,
                sub: narrow(sub),
                create_revision: main,
                version: 1,
                lease,
            },
            Change::Load { create_revision, version, lease } => {
                Generations::One { main, sub: narrow(sub), create_revision, version, lease }
            }
            Change::Tombstone => Generations::Many(Box::new(Many {
                create_revision: 0,
                version: 0,
                lease: 0,
                steps: vec![Step::new(revision, Kind::Tombstone)],
                ends: vec![0],
            })),
        }
    }

    /// Adds a change, which must be newer than all others.
    pub(super) fn push(&mut self, revision: Revision, change: Change) {
        let (kind, lease) = match change {
            Change::Put { lease } | Change::Load { lease, .. } => (Kind::Put, lease),
            Change::Tombstone => (Kind::Tombstone, 0),
        };
        let many = self.spill();
        let step = Step::new(revision, kind);
        debug_assert!(many.last().revision() < revision, "changes come in revision order");
        if kind == Kind::Tombstone {
            many.ends.push(u32::try_from(many.steps.len()).expect("fewer than 2^32 changes"));
        }
        many.steps.push(step);
        many.lease = lease;
    }

    /// The key as it stood after all changes of the main revision `at`; `None` when absent.
    pub(crate) fn at(&self, at: i64) -> Option<KeyState> {
        match self {
            Generations::One { main, .. } => {
                if *main <= at {
                    self.newest()
                } else {
                    None
                }
            }
            Generations::Many(many) => {
                let seen = match many.last().main <= at {
                    true => many.steps.len(),
                    false => many.steps.partition_point(|step| step.main <= at),
                };
                many.state(seen.checked_sub(1)?)
            }
        }
    }

    /// The same, but `None` also for a key that was deleted and put again at `at` itself: in etcd a
    /// compaction there looks at the life that ended, and keeps nothing of it.
    pub(crate) fn kept_at(&self, at: i64) -> Option<KeyState> {
        let begins_anew = match self {
            Generations::One { .. } => false,
            Generations::Many(many) => {
                let mut ends = many.ends.iter().rev().map(|&end| many.steps[end as usize].main);
                ends.find(|&end| end <= at) == Some(at)
            }
        };
        if begins_anew { None } else { self.at(at) }
    }

    /// The key after all its changes; `None` when absent.
    pub(crate) fn newest(&self) -> Option<KeyState> {
        match self {
            &Generations::One { main, sub, create_revision, version, lease } => Some(KeyState {
                revision: Revision { main, sub: i64::from(sub) },
                create_revision,
                version,
                lease: Some(lease),
            }),
            Generations::Many(many) => many.state(many.steps.len() - 1),
        }
    }

    /// Whether the key is present after all its changes.
    pub(crate) fn is_live(&self) -> bool {
        match self {
            Generations::One { .. } => true,
            Generations::Many(many) => many.last().kind == Kind::Put,
        }
    }

    /// Whether a compaction at `compacted` keeps the change made at `revision`.
    pub(crate) fn needs(&self, compacted: i64, revision: Revision) -> bool {
        match self {
            &Generations::One { main, sub, .. } => {
                revision == Revision { main, sub: i64::from(sub) }
            }
            Generations::Many(many) => many
                .steps
                .get(many.first_needed(compacted))
                .is_some_and(|first| first.revision() <= revision),
        }
    }

    /// Whether a compaction at `compacted` keeps any change up to its revision: the key's last one,
    /// unless that is an older deletion.
    pub(crate) fn keeps_any(&self, compacted: i64) -> bool {
        match self {
            Generations::One { main, .. } => *main <= compacted,
            Generations::Many(many) => {
                let first = many.steps.get(many.first_needed(compacted));
                first.is_some_and(|first| first.main <= compacted)
            }
        }
    }

    /// Forgets what no read at `revision` or later needs, and appends it to `dropped`. A tombstone
    /// exactly at `revision` stays. True when nothing of the key is left.
    pub(super) fn compact(&mut self, revision: i64, dropped: &mut Vec<(Revision, Kind)>) -> bool {
        let Generations::Many(many) = self else { return false };
        many.compact(revision, dropped);
        let &[only] = &many.steps[..] else { return many.steps.is_empty() };
        if let Some(KeyState { create_revision, version, .. }) = many.state(0) {
            let (main, sub, lease) = (only.main, only.sub, many.lease);
            *self = Generations::One { sub, main, create_revision, version, lease };
        }
        false
    }

    fn spill(&mut self) -> &mut Many {
        if let &mut Generations::One { main, sub, create_revision, version, lease } = self {
            // Most lives have two steps at most, between one compaction and the next.
            let mut steps = Vec::with_capacity(2);
            steps.push(Step { main, sub, kind: Kind::Put });
            let many = Many { create_revision, version, lease, steps, ends: Vec::new() };
            *self = Generations::Many(Box::new(many));
        }
        match self {
            Generations::Many(many) => many,
            Generations::One { .. } => unreachable!("just replaced"),
        }
    }
}

impl Many {
    fn last(&self) -> Step {
        self.steps[self.steps.len() - 1]
    }

    /// The key after the step at `place`; `None` when that is a tombstone.
    fn state(&self, place: usize) -> Option<KeyState> {
        let step = self.steps[place];
        if step.kind == Kind::Tombstone {
            return None;
        }
        let ends_before = self.ends.partition_point(|&end| (end as usize) < place);
        let (create_revision, version) = match ends_before.checked_sub(1) {
            None => (self.create_revision, self.version + place as i64),
            Some(end) => {
                let first = self.ends[end] as usize + 1;
                (self.steps[first].main, (place - first) as i64 + 1)
            }
        };
        let lease = (place + 1 == self.steps.len()).then_some(self.lease);
        Some(KeyState { revision: step.revision(), create_revision, version, lease })
    }

    fn compact(&mut self, revision: i64, dropped: &mut Vec<(Revision, Kind)>) {
        let first = self.first_needed(revision);
        if first == 0 {
            return;
        }
        let state = if first < self.steps.len() { self.state(first) } else { None };
        (self.create_revision, self.version) =
            state.map_or((0, 0), |state| (state.create_revision, state.version));
        let kept = self.steps.split_off(first);
        let old = std::mem::replace(&mut self.steps, kept);
        dropped.extend(old.into_iter().map(|step| (step.revision(), step.kind)));
        self.ends.retain(|&end| end as usize >= first);
        for end in &mut self.ends {
            *end -= u32::try_from(first).expect("fewer than 2^32 changes");
        }
    }

    /// The place of the oldest step that compaction at `revision` keeps.
    fn first_needed(&self, revision: i64) -> usize {
        let seen = self.steps.partition_point(|step| step.main <= revision);
        let Some(mut first) = seen.checked_sub(1) else { return 0 };
        let is_tombstone = |place: usize| self.steps[place].kind == Kind::Tombstone;
        if is_tombstone(first) && self.steps[first].main < revision {
            return seen;
        }
        // A key deleted and put again by one transaction: its tombstone is at the revision too.
        while first > 0 && is_tombstone(first - 1) && self.steps[first - 1].main == revision {
            first -= 1;
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUT: Change = Change::Put { lease: 0 };

    fn life(changes: &[(i64, i64, Change)]) -> Generations {
        let at = |&(main, sub, change): &(i64, i64, Change)| (Revision { main, sub }, change);
        let (revision, change) = at(&changes[0]);
        let mut life = Generations::begin(revision, change);
        for (revision, change) in changes[1..].iter().map(at) {
            life.push(revision, change);
        }
        life
    }

    /// (main, create, version) at a revision.
    fn seen(life: &Generations, at: i64) -> Option<(i64, i64, i64)> {
        life.at(at).map(|state| (state.revision.main, state.create_revision, state.version))
    }

    fn dropped(life: &mut Generations, revision: i64) -> (Vec<i64>, bool) {
        let mut dropped = Vec::new();
        let empty = life.compact(revision, &mut dropped);
        (dropped.into_iter().map(|(revision, _)| revision.main).collect(), empty)
    }

    #[test]
    fn a_single_put_needs_40_bytes() {
        assert_eq!(size_of::<Generations>(), 40);
    }

    #[test]
    fn create_and_version_come_from_the_generation() {
        let life = life(&[
            (2, 0, PUT),
            (4, 0, PUT),
            (6, 0, Change::Tombstone),
            (8, 0, Change::Put { lease: 5 }),
            (9, 0, PUT),
        ]);
        assert_eq!(seen(&life, 1), None);
        assert_eq!(seen(&life, 2), Some((2, 2, 1)));
        assert_eq!(seen(&life, 3), Some((2, 2, 1)));
        assert_eq!(seen(&life, 5), Some((4, 2, 2)));
        assert_eq!(seen(&life, 6), None);
        assert_eq!(seen(&life, 7), None);
        assert_eq!(seen(&life, 8), Some((8, 8, 1)));
        assert_eq!(seen(&life, 100), Some((9, 8, 2)));
        assert_eq!(life.newest().unwrap().lease, Some(0));
        assert_eq!(life.at(8).unwrap().lease, None, "an older put's lease is in its record");
    }

    #[test]
    fn the_highest_sub_of_a_main_revision_wins() {
        let life = life(&[(2, 0, PUT), (3, 0, PUT), (3, 4, Change::Tombstone)]);
        assert_eq!(seen(&life, 3), None);
        assert_eq!(seen(&life, 2), Some((2, 2, 1)));
    }

    #[test]
    fn compaction_keeps_the_newest_change_at_its_revision() {
        let mut life = life(&[(2, 0, PUT), (4, 0, PUT), (6, 0, PUT), (8, 0, PUT)]);
        assert_eq!(dropped(&mut life, 6), (vec![2, 4], false));
        assert_eq!(seen(&life, 6), Some((6, 2, 3)));
        assert_eq!(seen(&life, 8), Some((8, 2, 4)));
        assert_eq!(dropped(&mut life, 7), (vec![], false));
        assert_eq!(dropped(&mut life, 20), (vec![6], false));
        assert!(matches!(life, Generations::One { version: 4, create_revision: 2, .. }));
    }

    #[test]
    fn compaction_keeps_a_tombstone_at_its_revision_until_the_next() {
        let mut life = life(&[(2, 0, PUT), (4, 0, Change::Tombstone)]);
        assert_eq!(dropped(&mut life, 4), (vec![2], false));
        assert_eq!(seen(&life, 4), None);
        assert!(!life.is_live());
        assert_eq!(dropped(&mut life, 5), (vec![4], true));
    }

    #[test]
    fn a_generation_that_ended_before_goes_whole() {
        let mut life = life(&[(2, 0, PUT), (3, 0, Change::Tombstone), (5, 0, PUT), (6, 0, PUT)]);
        assert_eq!(dropped(&mut life, 4), (vec![2, 3], false));
        assert_eq!(seen(&life, 4), None);
        assert_eq!(seen(&life, 5), Some((5, 5, 1)));
        assert_eq!(seen(&life, 6), Some((6, 5, 2)));
    }

    #[test]
    fn a_key_put_again_after_a_kept_tombstone_starts_over() {
        let mut life = life(&[(2, 0, PUT), (4, 0, Change::Tombstone), (7, 0, PUT)]);
        assert_eq!(dropped(&mut life, 4), (vec![2], false));
        assert_eq!(seen(&life, 7), Some((7, 7, 1)));
        assert_eq!(dropped(&mut life, 7), (vec![4], false));
        assert_eq!(seen(&life, 7), Some((7, 7, 1)));
    }

    #[test]
    fn a_key_deleted_and_put_by_one_transaction_survives_compaction_at_it() {
        let mut life = life(&[(2, 0, PUT), (3, 0, Change::Tombstone), (3, 1, PUT)]);
        assert_eq!(dropped(&mut life, 3), (vec![2], false));
        assert_eq!(seen(&life, 3), Some((3, 3, 1)));
        assert_eq!(dropped(&mut life, 4), (vec![3], false));
        assert_eq!(seen(&life, 4), Some((3, 3, 1)));
    }

    #[test]
    fn loaded_records_carry_what_is_gone_before_them() {
        let load = Change::Load { create_revision: 2, version: 7, lease: 3 };
        let mut life = life(&[(9, 0, load)]);
        assert_eq!(seen(&life, 9), Some((9, 2, 7)));
        assert_eq!(life.newest().unwrap().lease, Some(3));
        life.push(Revision { main: 10, sub: 0 }, PUT);
        assert_eq!(seen(&life, 10), Some((10, 2, 8)));
    }
}
