//! The names of the state's tables and how their rows are told apart.

/// A table of the state: etcd's buckets, and one for raft's own record.
///
/// The rows of a table have a one-byte prefix in RocksDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Revisions of keys (etcd's bucket `key`).
    Key = 0x10,
    /// Compaction marks (etcd's bucket `meta`).
    Meta = 0x20,
    /// Granted leases.
    Lease = 0x21,
    /// Active alarms.
    Alarm = 0x22,
    /// Whether authentication is on, and its revision.
    Auth = 0x23,
    /// Users.
    AuthUsers = 0x24,
    /// Roles.
    AuthRoles = 0x25,
    /// Members of the cluster.
    Members = 0x26,
    /// Ids that may never come back.
    MembersRemoved = 0x27,
    /// Cluster version and downgrade.
    Cluster = 0x28,
    /// The applied position and the membership at it.
    Raft = 0x30,
}

impl Table {
    /// Every table, in the order of its rows.
    pub const ALL: [Table; 11] = [
        Table::Key,
        Table::Meta,
        Table::Lease,
        Table::Alarm,
        Table::Auth,
        Table::AuthUsers,
        Table::AuthRoles,
        Table::Members,
        Table::MembersRemoved,
        Table::Cluster,
        Table::Raft,
    ];

    /// The name that snapshots and hashes give it: etcd's, where etcd has such a bucket.
    pub fn name(self) -> &'static str {
        match self {
            Table::Key => "key",
            Table::Meta => "meta",
            Table::Lease => "lease",
            Table::Alarm => "alarm",
            Table::Auth => "auth",
            Table::AuthUsers => "authUsers",
            Table::AuthRoles => "authRoles",
            Table::Members => "members",
            Table::MembersRemoved => "members_removed",
            Table::Cluster => "cluster",
            Table::Raft => "raft",
        }
    }

    /// The row's key in RocksDB.
    pub(crate) fn row(self, key: &[u8]) -> Vec<u8> {
        let mut row = Vec::with_capacity(key.len() + 1);
        row.push(self as u8);
        row.extend_from_slice(key);
        row
    }

    /// The first key after the table's last row.
    pub(crate) fn end(self) -> Vec<u8> {
        vec![self as u8 + 1]
    }

    /// The end of a range given as a key of the table: empty means the table's end.
    pub(crate) fn range_end(self, end: &[u8]) -> Vec<u8> {
        if end.is_empty() { self.end() } else { self.row(end) }
    }
}
