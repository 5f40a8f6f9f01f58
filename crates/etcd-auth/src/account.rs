//! A user as the store holds it: the row, and what follows from it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use etcd_proto::authpb::{Role, User};

use crate::access::Access;
use crate::store::ROOT;

/// A user. Replaced whenever its row or one of its roles changes, so that what was derived never
/// outlives what it was derived from.
pub(crate) struct Account {
    pub(crate) row: User,
    access: OnceLock<Access>,
}

impl Account {
    pub(crate) fn new(row: User) -> Arc<Account> {
        Arc::new(Account { row, access: OnceLock::new() })
    }

    /// The same user, who has to ask anew what its roles give.
    pub(crate) fn renewed(&self) -> Arc<Account> {
        Account::new(self.row.clone())
    }

    /// Whether the user is above all permissions.
    pub(crate) fn is_admin(&self) -> bool {
        self.has_role(ROOT)
    }

    pub(crate) fn has_role(&self, role: &str) -> bool {
        self.row.roles.binary_search_by(|held| held.as_str().cmp(role)).is_ok()
    }

    pub(crate) fn has_password(&self) -> bool {
        !self.row.options.is_some_and(|options| options.no_password)
    }

    /// What the user's roles give; derived when it is first asked for.
    pub(crate) fn access(&self, roles: &BTreeMap<String, Arc<Role>>) -> &Access {
        self.access.get_or_init(|| {
            let held = self.row.roles.iter().filter_map(|name| roles.get(name));
            Access::of(held.map(|role| &**role))
        })
    }
}
