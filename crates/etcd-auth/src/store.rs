//! The replicated part: users, roles, whether they count, and the revision of it all.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use etcd_proto::authpb::{Role, User};
use etcd_storage::{Batch, Storage, Table};

use crate::account::Account;
use crate::{Error, Refusal, rows};

/// The user that authentication cannot be on without, and the role that is above all permissions.
pub const ROOT: &str = "root";

/// The revision of a store that nobody has changed.
const FIRST_REVISION: u64 = 1;

/// Users and roles. Cheap to clone: what a clone changes, it alone changes.
///
/// Every change is written to a batch and made here at once, or refused without a trace. What
/// decides is the store and the request, so that it comes out alike on every member.
#[derive(Clone, Default)]
pub struct Store {
    pub(crate) is_enabled: bool,
    pub(crate) revision: u64,
    /// By name.
    pub(crate) users: BTreeMap<String, Arc<Account>>,
    /// By name. The role `root` works without being here.
    pub(crate) roles: BTreeMap<String, Arc<Role>>,
}

impl std::fmt::Debug for Store {
    /// Counts, and no hash of a password.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Store")
            .field("is_enabled", &self.is_enabled)
            .field("revision", &self.revision)
            .field("users", &self.users.len())
            .field("roles", &self.roles.len())
            .finish()
    }
}

impl Store {
    /// Reads what was stored. A storage that holds no store yet gets the first revision written,
    /// as etcd does on its first start.
    ///
    /// # Errors
    /// Those of the storage, and `Damaged` for rows that cannot be read.
    pub fn open(storage: &Storage) -> Result<Store, Error> {
        let mut store = Store {
            is_enabled: rows::load_enabled(storage)?,
            revision: rows::load_revision(storage)?.unwrap_or(0),
            ..Store::default()
        };
        let users = load(storage, Table::AuthUsers, "authUsers", rows::decode::<User>)?;
        for user in users {
            let name = rows::name(&user.name, "authUsers")?;
            store.users.insert(name, Account::new(user));
        }
        for role in load(storage, Table::AuthRoles, "authRoles", rows::decode::<Role>)? {
            let name = rows::name(&role.name, "authRoles")?;
            store.roles.insert(name, Arc::new(role));
        }
        if store.revision == 0 {
            let mut batch = Batch::new();
            store.revision = FIRST_REVISION;
            rows::put_revision(&mut batch, store.revision);
            storage.commit(batch)?;
        }
        Ok(store)
    }

    /// Whether users and permissions count.
    pub fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    /// Counts the changes. Turning authentication on is none, turning it off is one.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Lets users and permissions count from now on; does nothing when they do already.
    ///
    /// # Errors
    /// `RootUserMissing` or `RootRoleMissing`: nobody could turn it off again.
    pub fn enable(&mut self, batch: &mut Batch) -> Result<(), Refusal> {
        if self.is_enabled {
            return Ok(());
        }
        let root = self.users.get(ROOT).ok_or(Refusal::RootUserMissing)?;
        if !root.is_admin() {
            return Err(Refusal::RootRoleMissing);
        }
        self.is_enabled = true;
        rows::put_enabled(batch, self.is_enabled);
        Ok(())
    }

    /// Lets everybody do everything from now on; does nothing when they do already.
    pub fn disable(&mut self, batch: &mut Batch) {
        if !self.is_enabled {
            return;
        }
        self.is_enabled = false;
        rows::put_enabled(batch, self.is_enabled);
        self.count_change(batch);
    }

    pub(crate) fn count_change(&mut self, batch: &mut Batch) {
        self.revision += 1;
        rows::put_revision(batch, self.revision);
    }
}

fn load<T>(
    storage: &Storage,
    table: Table,
    name: &'static str,
    decode: impl Fn(&[u8], &'static str) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut loaded = Ok(Vec::new());
    storage.scan(table, &[]..&[], |_, value| match (&mut loaded, decode(value, name)) {
        (Ok(rows), Ok(row)) => {
            rows.push(row);
            ControlFlow::Continue(())
        }
        (_, Err(error)) => {
            loaded = Err(error);
            ControlFlow::Break(())
        }
        (Err(_), Ok(_)) => ControlFlow::Break(()),
    })?;
    loaded
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
