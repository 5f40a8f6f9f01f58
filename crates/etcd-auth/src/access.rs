//! What a user may read and write: the permissions of all its roles together.

use etcd_proto::authpb::permission::Type;
use etcd_proto::authpb::{Permission, Role};

use crate::intervals::{Interval, Intervals};

/// What can be done to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Reading and watching.
    Read,
    /// Putting and deleting.
    Write,
}

/// The keys a user may read, and those it may write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Access {
    read: Intervals,
    write: Intervals,
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
        Access { read: Intervals::union(read), write: Intervals::union(write) }
    }

    /// Whether all keys of the range are open to it.
    pub(crate) fn allows(&self, right: Right, key: &[u8], range_end: &[u8]) -> bool {
        match right {
            Right::Read => self.read.cover(key, range_end),
            Right::Write => self.write.cover(key, range_end),
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
