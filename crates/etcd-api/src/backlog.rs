//! How far a member may be behind with its commands before it turns more of them away.

use etcd_apply::Kind;

/// The most entries that may be committed and not applied before commands are turned away.
const MAX_ENTRIES: u64 = 5000;
/// The same for those that go first.
const MAX_ENTRIES_FOR_FIRST: u64 = 2 * MAX_ENTRIES;

/// Whose commands are turned away when the member is behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Overload {
    /// Everybody's.
    #[default]
    ForAll,
    /// Ends of leases go on for longer, since they relieve the member (gate `PriorityRequest`).
    RevokesFirst,
}

impl Overload {
    /// Whether a command of this kind is taken while so many entries wait.
    pub(crate) fn admits(self, kind: Kind, entries: u64) -> bool {
        entries <= MAX_ENTRIES
            || self == Overload::RevokesFirst
                && kind == Kind::LeaseRevoke
                && entries <= MAX_ENTRIES_FOR_FIRST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revokes_go_first_if_that_is_wanted() {
        for (overload, kind, limit) in [
            (Overload::ForAll, Kind::Put, 5000),
            (Overload::ForAll, Kind::LeaseRevoke, 5000),
            (Overload::RevokesFirst, Kind::Put, 5000),
            (Overload::RevokesFirst, Kind::LeaseRevoke, 10_000),
        ] {
            assert!(overload.admits(kind, limit), "{overload:?} {kind:?}");
            assert!(!overload.admits(kind, limit + 1), "{overload:?} {kind:?}");
        }
    }
}
