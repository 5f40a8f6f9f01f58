//! The state as an etcd keeps it: ten buckets, byte for byte.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use etcd_bolt::{BoltWriter, Layout};
use etcd_raft::{Applied, Membership};
use etcd_storage::{Table, View};

use crate::cluster::VERSION;
use crate::{Error, Version};

/// etcd's buckets by name.
const BUCKETS: [Table; 10] = [
    Table::Alarm,
    Table::Auth,
    Table::AuthRoles,
    Table::AuthUsers,
    Table::Cluster,
    Table::Key,
    Table::Lease,
    Table::Members,
    Table::MembersRemoved,
    Table::Meta,
];

const CONSISTENT_INDEX: &str = "consistent_index";
const TERM: &str = "term";
const CONF_STATE: &str = "confState";
const STORAGE_VERSION: &str = "storageVersion";
/// What the hash leaves out: it may differ between members that hold the same.
const UNHASHED: [&str; 3] = [CONSISTENT_INDEX, TERM, STORAGE_VERSION];
/// The revision of users and roles, and its value in an etcd where none was ever made.
const AUTH_REVISION: &str = "authRevision";
const FIRST_AUTH_REVISION: u64 = 1;

/// The whole state at one moment as etcd's buckets. See [`Views::buckets`](crate::Views::buckets).
#[derive(Debug)]
pub struct Buckets<'v> {
    view: &'v View<'v>,
    applied: Applied,
    storage_version: Option<String>,
}

/// Takes buckets in name order, and after each its pairs in key order.
trait Visitor {
    fn bucket(&mut self, table: Table) -> Result<(), Error>;
    fn pair(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), Error>;
}

impl<'v> Buckets<'v> {
    pub(crate) fn of(view: &'v View<'v>) -> Result<Buckets<'v>, Error> {
        let version = view.get(Table::Cluster, VERSION)?;
        let version = version.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
        let storage_version =
            version.as_deref().and_then(Version::parse).and_then(Version::of_storage);
        let storage_version = storage_version.map(|version| version.to_string());
        Ok(Buckets { view, applied: Applied::load_view(view)?, storage_version })
    }

    /// The version of etcd that can read all of it, as "3.7.0"; none before the members agreed on
    /// one.
    pub fn storage_version(&self) -> Option<&str> {
        self.storage_version.as_deref()
    }

    /// The CRC-32C over names, keys and values by which members that hold the same are recognised
    /// (behaviour of etcd 3.7.1).
    ///
    /// # Errors
    /// Those of the storage.
    pub fn hash(&self) -> Result<u32, Error> {
        let mut hasher = Hasher { crc: 0 };
        self.visit(&mut hasher)?;
        Ok(hasher.crc)
    }

    /// Finds out how large the file is that [`write`](Buckets::write) writes.
    ///
    /// # Errors
    /// Those of the storage.
    pub fn measure(&self) -> Result<Layout, Error> {
        Layout::measure(|writer| self.visit(writer))
    }

    /// Writes it all as a file that etcd reads, front to back.
    ///
    /// # Errors
    /// Those of the storage, and `File` when the sink takes no more.
    pub fn write(&self, layout: Layout, sink: &mut dyn std::io::Write) -> Result<(), Error> {
        layout.write(sink, |writer| self.visit(writer))
    }

    fn visit(&self, visitor: &mut impl Visitor) -> Result<(), Error> {
        for table in BUCKETS {
            visitor.bucket(table)?;
            match table {
                Table::Meta => self.visit_merged(table, self.meta(), visitor)?,
                Table::Auth => self.visit_merged(table, first_auth(), visitor)?,
                table => self.visit_table(table, |key, value| visitor.pair(table, key, value))?,
            }
        }
        Ok(())
    }

    fn visit_table(
        &self,
        table: Table,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut outcome = Ok(());
        self.view.scan(table, &[]..&[], |key, value| {
            outcome = visit(key, value);
            if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        outcome
    }

    /// A table of few rows together with what this server keeps elsewhere; the rows win.
    fn visit_merged(
        &self,
        table: Table,
        elsewhere: BTreeMap<Vec<u8>, Vec<u8>>,
        visitor: &mut impl Visitor,
    ) -> Result<(), Error> {
        let mut rows = elsewhere;
        self.visit_table(table, |key, value| {
            rows.insert(key.to_vec(), value.to_vec());
            Ok(())
        })?;
        rows.iter().try_for_each(|(key, value)| visitor.pair(table, key, value))
    }

    /// What etcd keeps of raft, and which version the rest is of.
    fn meta(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let Applied { position, membership, .. } = &self.applied;
        let numbers = [(CONSISTENT_INDEX, position.index), (TERM, position.term)];
        let numbers = numbers.into_iter().filter(|(_, number)| *number > 0);
        let numbers = numbers.map(|(key, number)| (key, number.to_be_bytes().to_vec()));
        let conf_state = (!membership.members.is_empty()).then(|| conf_state(membership));
        let conf_state = conf_state.map(|json| (CONF_STATE, json.into_bytes()));
        let version = self.storage_version.clone();
        let version = version.map(|version| (STORAGE_VERSION, version.into_bytes()));
        let pairs = numbers.chain(conf_state).chain(version);
        pairs.map(|(key, value)| (key.as_bytes().to_vec(), value)).collect()
    }
}

/// What the bucket of authentication holds from the first start on.
fn first_auth() -> BTreeMap<Vec<u8>, Vec<u8>> {
    [(AUTH_REVISION.as_bytes().to_vec(), FIRST_AUTH_REVISION.to_be_bytes().to_vec())].into()
}

/// Who votes and who learns, as the JSON that etcd 3.7.1 makes of it.
fn conf_state(membership: &Membership) -> String {
    let list = |name: &str, learners: bool| {
        let members = membership.members.iter().filter(|(_, member)| member.is_learner == learners);
        let ids: Vec<String> = members.map(|(id, _)| id.0.to_string()).collect();
        if ids.is_empty() { String::new() } else { format!("\"{name}\":[{}],", ids.join(",")) }
    };
    format!("{{{}{}\"auto_leave\":false}}", list("voters", false), list("learners", true))
}

struct Hasher {
    crc: u32,
}

impl Visitor for Hasher {
    fn bucket(&mut self, table: Table) -> Result<(), Error> {
        self.crc = crc32c::crc32c_append(self.crc, table.name().as_bytes());
        Ok(())
    }

    fn pair(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), Error> {
        if table == Table::Meta && UNHASHED.iter().any(|unhashed| unhashed.as_bytes() == key) {
            return Ok(());
        }
        self.crc = crc32c::crc32c_append(self.crc, key);
        self.crc = crc32c::crc32c_append(self.crc, value);
        Ok(())
    }
}

impl Visitor for BoltWriter<'_> {
    fn bucket(&mut self, table: Table) -> Result<(), Error> {
        Ok(BoltWriter::bucket(self, table.name().as_bytes())?)
    }

    fn pair(&mut self, _: Table, key: &[u8], value: &[u8]) -> Result<(), Error> {
        Ok(BoltWriter::pair(self, key, value)?)
    }
}

#[cfg(test)]
#[path = "buckets_tests.rs"]
mod tests;
