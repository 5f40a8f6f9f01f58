//! Users: how they come, change and go.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use etcd_proto::authpb::{User, UserAddOptions};
use etcd_proto::etcdserverpb::{
    AuthUserAddRequest, AuthUserChangePasswordRequest, AuthUserGrantRoleRequest,
    AuthUserRevokeRoleRequest,
};
use etcd_storage::Batch;

use crate::account::Account;
use crate::store::ROOT;
use crate::{Refusal, Store, rows};

impl Store {
    /// Adds a user, whose password comes as a hash.
    ///
    /// # Errors
    /// `UserEmpty`, `UserExists`, or `NoPasswordUser` when the hash is not base64.
    pub fn add_user(
        &mut self,
        request: &AuthUserAddRequest,
        batch: &mut Batch,
    ) -> Result<(), Refusal> {
        if request.name.is_empty() {
            return Err(Refusal::UserEmpty);
        }
        if self.users.contains_key(&request.name) {
            return Err(Refusal::UserExists);
        }
        let options = request.options.unwrap_or(UserAddOptions { no_password: false });
        let password = match options.no_password {
            true => Bytes::new(),
            false => decode_hash(&request.hashed_password)?,
        };
        let name = request.name.clone().into();
        let user = User { name, password, roles: Vec::new(), options: Some(options) };
        self.put_user(user, batch);
        self.count_change(batch);
        Ok(())
    }

    /// Removes a user.
    ///
    /// # Errors
    /// `InvalidManagement` for `root` while it is needed, `UserNotFound`.
    pub fn delete_user(&mut self, name: &str, batch: &mut Batch) -> Result<(), Refusal> {
        if self.is_enabled && name == ROOT {
            return Err(Refusal::InvalidManagement);
        }
        self.users.remove(name).ok_or(Refusal::UserNotFound)?;
        rows::delete_user(batch, name);
        self.count_change(batch);
        Ok(())
    }

    /// Sets a user's password, which comes as a hash; no hash means that no password will do. A
    /// user without a password stays so.
    ///
    /// # Errors
    /// `UserNotFound`, or `NoPasswordUser` when the hash is not base64.
    pub fn change_password(
        &mut self,
        request: &AuthUserChangePasswordRequest,
        batch: &mut Batch,
    ) -> Result<(), Refusal> {
        let account = self.account(&request.name)?;
        let password = match account.has_password() {
            true => decode_hash(&request.hashed_password)?,
            false => Bytes::new(),
        };
        let user = User { password, ..account.row.clone() };
        self.put_user(user, batch);
        self.count_change(batch);
        Ok(())
    }

    /// Gives a user a role. Nothing changes when it has the role already, and that is no error.
    ///
    /// # Errors
    /// `UserNotFound`, or `RoleNotFound`, which `root` always passes.
    pub fn grant_role(
        &mut self,
        request: &AuthUserGrantRoleRequest,
        batch: &mut Batch,
    ) -> Result<(), Refusal> {
        let account = self.account(&request.user)?;
        if request.role != ROOT && !self.roles.contains_key(&request.role) {
            return Err(Refusal::RoleNotFound);
        }
        let mut user = account.row.clone();
        match user.roles.binary_search(&request.role) {
            Ok(_) => return Ok(()),
            Err(at) => user.roles.insert(at, request.role.clone()),
        }
        self.put_user(user, batch);
        self.count_change(batch);
        Ok(())
    }

    /// Takes a role from a user.
    ///
    /// # Errors
    /// `InvalidManagement` for `root`'s role `root` while it is needed, `UserNotFound`,
    /// `RoleNotGranted`.
    pub fn revoke_role(
        &mut self,
        request: &AuthUserRevokeRoleRequest,
        batch: &mut Batch,
    ) -> Result<(), Refusal> {
        if self.is_enabled && request.name == ROOT && request.role == ROOT {
            return Err(Refusal::InvalidManagement);
        }
        let mut user = self.account(&request.name)?.row.clone();
        let held = user.roles.len();
        user.roles.retain(|role| *role != request.role);
        if user.roles.len() == held {
            return Err(Refusal::RoleNotGranted);
        }
        self.put_user(user, batch);
        self.count_change(batch);
        Ok(())
    }

    /// A user's roles, sorted.
    ///
    /// # Errors
    /// `UserNotFound`.
    pub fn roles_of(&self, name: &str) -> Result<Vec<String>, Refusal> {
        Ok(self.account(name)?.row.roles.clone())
    }

    /// All users' names, sorted.
    pub fn user_names(&self) -> Vec<String> {
        self.users.keys().cloned().collect()
    }

    /// The hash that a user's password must fit to let it in.
    ///
    /// # Errors
    /// `NotEnabled`, `AuthFailed` for an unknown user, `NoPasswordUser`.
    pub fn password_hash(&self, name: &str) -> Result<Bytes, Refusal> {
        self.check_login(name)?;
        Ok(self.account(name)?.row.password.clone())
    }

    /// Whether a user can authenticate with a password at all.
    ///
    /// # Errors
    /// As [`Store::password_hash`].
    pub fn check_login(&self, name: &str) -> Result<(), Refusal> {
        if !self.is_enabled {
            return Err(Refusal::NotEnabled);
        }
        let account = self.users.get(name).ok_or(Refusal::AuthFailed)?;
        if account.has_password() { Ok(()) } else { Err(Refusal::NoPasswordUser) }
    }

    /// Whether a user is in both stores and has not got another password between them. Every hash of
    /// a password is another one, so that a user who went and came back differs.
    pub(crate) fn has_same_password(&self, other: &Store, name: &str) -> bool {
        match (self.users.get(name), other.users.get(name)) {
            (Some(here), Some(there)) => here.row.password == there.row.password,
            _ => false,
        }
    }

    pub(crate) fn account(&self, name: &str) -> Result<&Arc<Account>, Refusal> {
        self.users.get(name).ok_or(Refusal::UserNotFound)
    }

    pub(crate) fn put_user(&mut self, user: User, batch: &mut Batch) {
        rows::put_user(batch, &user);
        let name = String::from_utf8(user.name.to_vec()).expect("a name came in as text");
        self.users.insert(name, Account::new(user));
    }
}

/// A command carries the hash of a password as base64. That it cannot be read is told as etcd does.
fn decode_hash(hash: &str) -> Result<Bytes, Refusal> {
    let bytes = BASE64_STANDARD.decode(hash).map_err(|_| Refusal::NoPasswordUser)?;
    Ok(bytes.into())
}
