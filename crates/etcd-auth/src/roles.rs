//! Roles and their permissions: how they come, change and go.

use std::sync::Arc;

use bytes::Bytes;
use etcd_proto::authpb::permission::Type;
use etcd_proto::authpb::{Permission, Role, User};
use etcd_proto::etcdserverpb::{AuthRoleGrantPermissionRequest, AuthRoleRevokePermissionRequest};
use etcd_storage::Batch;

use crate::account::Account;
use crate::store::ROOT;
use crate::{Refusal, Store, rows};

impl Store {
    /// Adds a role without permissions.
    ///
    /// # Errors
    /// `RoleEmpty`, `RoleExists`.
    pub fn add_role(&mut self, name: &str, batch: &mut Batch) -> Result<(), Refusal> {
        if name.is_empty() {
            return Err(Refusal::RoleEmpty);
        }
        if self.roles.contains_key(name) {
            return Err(Refusal::RoleExists);
        }
        let name = Bytes::copy_from_slice(name.as_bytes());
        self.put_role(Role { name, key_permission: Vec::new() }, batch);
        self.count_change(batch);
        Ok(())
    }

    /// Removes a role, also from every user that has it.
    ///
    /// # Errors
    /// `InvalidManagement` for `root` while it is needed, `RoleNotFound`.
    pub fn delete_role(&mut self, name: &str, batch: &mut Batch) -> Result<(), Refusal> {
        if self.is_enabled && name == ROOT {
            return Err(Refusal::InvalidManagement);
        }
        self.roles.remove(name).ok_or(Refusal::RoleNotFound)?;
        rows::delete_role(batch, name);
        let holders: Vec<User> = self.holders(name).map(|account| account.row.clone()).collect();
        for mut user in holders {
            user.roles.retain(|role| role != name);
            self.put_user(user, batch);
        }
        self.count_change(batch);
        Ok(())
    }

    /// Gives a role a permission, or another type to one that it has.
    ///
    /// Of several permissions that begin with the same key etcd finds the first alone: another one,
    /// given again, is then there twice. That is in its rows and its answers, so it is here too.
    ///
    /// # Errors
    /// `PermissionNotGiven`, `InvalidManagement` for a range that is none, `RoleNotFound`.
    pub fn grant_permission(
        &mut self,
        request: &AuthRoleGrantPermissionRequest,
        batch: &mut Batch,
    ) -> Result<(), Refusal> {
        let permission = request.perm.as_ref().ok_or(Refusal::PermissionNotGiven)?;
        if !is_range(&permission.key, &permission.range_end) {
            return Err(Refusal::InvalidManagement);
        }
        let mut role = self.role(&request.name)?.clone();
        let permissions = &mut role.key_permission;
        let first = permissions.partition_point(|held| held.key < permission.key);
        match permissions.get_mut(first) {
            Some(held) if is_of(held, &permission.key, &permission.range_end) => {
                held.perm_type = permission.perm_type;
            }
            _ => {
                let behind = permissions.partition_point(|held| held.key <= permission.key);
                permissions.insert(behind, permission.clone());
            }
        }
        self.change_role(role, batch);
        Ok(())
    }

    /// Takes a permission from a role.
    ///
    /// # Errors
    /// `RoleNotFound`, `PermissionNotGranted` when none has exactly this range.
    pub fn revoke_permission(
        &mut self,
        request: &AuthRoleRevokePermissionRequest,
        batch: &mut Batch,
    ) -> Result<(), Refusal> {
        let mut role = self.role(&request.role)?.clone();
        let held = role.key_permission.len();
        role.key_permission
            .retain(|permission| !is_of(permission, &request.key, &request.range_end));
        if role.key_permission.len() == held {
            return Err(Refusal::PermissionNotGranted);
        }
        self.change_role(role, batch);
        Ok(())
    }

    /// A role's permissions by key; all keys for `root`, whatever its row says.
    ///
    /// # Errors
    /// `RoleNotFound`.
    pub fn permissions_of(&self, name: &str) -> Result<Vec<Permission>, Refusal> {
        let role = self.role(name)?;
        if name == ROOT {
            let perm_type = Type::Readwrite as i32;
            let range_end = Bytes::from_static(&[0]);
            return Ok(vec![Permission { perm_type, key: Bytes::new(), range_end }]);
        }
        Ok(role.key_permission.clone())
    }

    /// All roles' names, sorted.
    pub fn role_names(&self) -> Vec<String> {
        self.roles.keys().cloned().collect()
    }

    fn role(&self, name: &str) -> Result<&Role, Refusal> {
        self.roles.get(name).map(|role| &**role).ok_or(Refusal::RoleNotFound)
    }

    fn holders<'s>(&'s self, role: &'s str) -> impl Iterator<Item = &'s Arc<Account>> {
        self.users.values().filter(move |account| account.has_role(role))
    }

    fn put_role(&mut self, role: Role, batch: &mut Batch) {
        rows::put_role(batch, &role);
        let name = String::from_utf8(role.name.to_vec()).expect("a name came in as text");
        self.roles.insert(name, Arc::new(role));
    }

    /// Puts a role whose permissions have changed; what its users derived from it goes.
    fn change_role(&mut self, role: Role, batch: &mut Batch) {
        let name = String::from_utf8(role.name.to_vec()).expect("a name came in as text");
        self.put_role(role, batch);
        for account in self.users.values_mut().filter(|account| account.has_role(&name)) {
            *account = account.renewed();
        }
        self.count_change(batch);
    }
}

/// Whether a permission may name this: a key, and an end that leaves something between.
fn is_range(key: &[u8], range_end: &[u8]) -> bool {
    !key.is_empty() && (range_end.is_empty() || range_end == [0] || key < range_end)
}

fn is_of(permission: &Permission, key: &[u8], range_end: &[u8]) -> bool {
    permission.key == key && permission.range_end == range_end
}
