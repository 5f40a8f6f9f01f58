//! Who may do what, asked before and while a request is served.

use crate::{Identity, Refusal, Right, Store};

impl Store {
    /// Whether a caller may do what only administrators do. What it proved long ago counts, too.
    ///
    /// # Errors
    /// `UserEmpty` for nobody, `UserNotFound` for one who is gone, `PermissionDenied`.
    pub fn check_admin(&self, caller: &Identity) -> Result<(), Refusal> {
        if !self.is_enabled {
            return Ok(());
        }
        if caller.user.is_empty() {
            return Err(Refusal::UserEmpty);
        }
        if self.account(&caller.user)?.is_admin() { Ok(()) } else { Err(Refusal::PermissionDenied) }
    }

    /// Whether a caller has proved to be somebody, whoever it is.
    ///
    /// # Errors
    /// `UserEmpty` for nobody.
    pub fn check_somebody(&self, caller: &Identity) -> Result<(), Refusal> {
        if self.is_enabled && caller.is_nobody() { Err(Refusal::UserEmpty) } else { Ok(()) }
    }

    /// Whether a caller may do this to every key of a range: one key without a `range_end`, all
    /// later ones with a `range_end` of one zero byte.
    ///
    /// # Errors
    /// `UserEmpty` for nobody, `OldRevision` when users or roles have changed since, and
    /// `PermissionDenied`, also for a user who is gone.
    pub fn check_keys(
        &self,
        caller: &Identity,
        right: Right,
        key: &[u8],
        range_end: &[u8],
    ) -> Result<(), Refusal> {
        if !self.is_enabled {
            return Ok(());
        }
        if caller.revision == 0 {
            return Err(Refusal::UserEmpty);
        }
        if caller.revision < self.revision {
            return Err(Refusal::OldRevision);
        }
        let Some(account) = self.users.get(&caller.user) else {
            return Err(Refusal::PermissionDenied);
        };
        if account.is_admin() || account.access(&self.roles).allows(right, key, range_end) {
            return Ok(());
        }
        Err(Refusal::PermissionDenied)
    }

    /// Whether what was read may still be told: users and roles are those of the check before. A
    /// caller who proved nothing had nothing checked that could have changed.
    ///
    /// # Errors
    /// `OldRevision`.
    pub fn check_unchanged(&self, caller: &Identity) -> Result<(), Refusal> {
        if caller.revision != 0 && caller.revision != self.revision {
            return Err(Refusal::OldRevision);
        }
        Ok(())
    }

    /// Whether a caller may read about a user: administrators and the user itself.
    ///
    /// # Errors
    /// As [`Store::check_admin`].
    pub fn check_get_user(&self, caller: &Identity, name: &str) -> Result<(), Refusal> {
        let result = self.check_admin(caller);
        if caller.user == name { Ok(()) } else { result }
    }

    /// Whether a caller may read a role: administrators and those who have it.
    ///
    /// # Errors
    /// As [`Store::check_admin`].
    pub fn check_get_role(&self, caller: &Identity, role: &str) -> Result<(), Refusal> {
        let result = self.check_admin(caller);
        let is_held = self.users.get(&caller.user).is_some_and(|account| account.has_role(role));
        if is_held { Ok(()) } else { result }
    }

    /// The identity of whatever the member itself must do, above all permissions.
    pub fn root(&self) -> Identity {
        match self.is_enabled {
            true => Identity { user: crate::ROOT.to_owned(), revision: self.revision },
            false => Identity::nobody(),
        }
    }
}
