//! What a user may read and write: the permissions of all its roles together.

use etcd_proto::authpb::permission::Type;
use etcd_proto::authpb::{Permission, Role};

use crate::intervals::{Interval, Intervals, OPEN_END};
use crate::search_tree::SearchTree;

/// What can be done to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Reading and watching.
    Read,
    /// Putting and deleting.
    Write,
}

/// Keys that some permissions name together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Keys {
    union: Intervals,
    /// For ranges that end before they begin.
    tree: SearchTree,
}

/// The keys a user may read, and those it may write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Access {
    read: Keys,
    write: Keys,
}

impl Access {
    /// The access that these roles give together.
    pub(crate) fn of<'r>(roles: impl Iterator<Item = &'r Role>) -> Access {
        let (mut read, mut write) = (Vec::new(), Vec::new());
        for permission in roles.flat_map(|role| &role.key_permission) {
            let interval = Interval::of(&permission.key, &permission.range_end);
            if gives(permission, Right::Read) {
                read.extend(interval.clone());
            }
            if gives(permission, Right::Write) {
                write.extend(interval);
            }
        }
        Access { read: Keys::of(read), write: Keys::of(write) }
    }

    /// Whether all keys of the range are open to it.
    pub(crate) fn allows(&self, right: Right, key: &[u8], range_end: &[u8]) -> bool {
        match right {
            Right::Read => self.read.hold(key, range_end),
            Right::Write => self.write.hold(key, range_end),
        }
    }
}

impl Keys {
    fn of(intervals: Vec<Interval>) -> Keys {
        let tree = SearchTree::of(&intervals);
        Keys { union: Intervals::union(intervals), tree }
    }

    fn hold(&self, key: &[u8], range_end: &[u8]) -> bool {
        let ends_before = !range_end.is_empty() && range_end != OPEN_END && range_end < key;
        match ends_before {
            true => self.tree.finds(key, range_end),
            false => self.union.cover(key, range_end),
        }
    }
}

/// A type that does not exist gives nothing.
fn gives(permission: &Permission, right: Right) -> bool {
    match Type::try_from(permission.perm_type) {
        Ok(Type::Readwrite) => true,
        Ok(Type::Read) => right == Right::Read,
        Ok(Type::Write) => right == Right::Write,
        Err(_) => false,
    }
}
