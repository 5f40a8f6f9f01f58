//! Questions of permission, asked beside the applier before and while something is read.

use bytes::Bytes;
use etcd_auth::Identity;
use etcd_proto::etcdserverpb::TxnRequest;

use crate::permits::Permits;
use crate::{Refusal, Views};

/// All of them pass while authentication is off. They are asked of the state as it is committed.
impl Views {
    /// Whether a caller may read a range.
    ///
    /// # Errors
    /// Those of [`etcd_auth::Store::check_keys`].
    pub fn check_range(
        &self,
        caller: &Identity,
        key: &[u8],
        range_end: &[u8],
    ) -> Result<(), Refusal> {
        self.ask(caller, |permits| permits.range(key, range_end))
    }

    /// Whether a caller may execute a txn whichever way it goes.
    ///
    /// # Errors
    /// As [`Views::check_range`].
    pub fn check_txn(&self, caller: &Identity, txn: &TxnRequest) -> Result<(), Refusal> {
        self.ask(caller, |permits| permits.txn(txn))
    }

    /// Whether a caller may renew a lease: it may write all its keys, or is an administrator.
    ///
    /// # Errors
    /// As [`Views::check_range`].
    pub fn check_renewal(&self, caller: &Identity, lease: i64) -> Result<(), Refusal> {
        self.ask(caller, |permits| permits.write_leased(lease))
    }

    /// Whether a caller may see the keys of a lease: it may read them all, or is an administrator.
    ///
    /// # Errors
    /// As [`Views::check_range`].
    pub fn check_lease_keys(&self, caller: &Identity, keys: &[Bytes]) -> Result<(), Refusal> {
        self.ask(caller, |permits| permits.read_all(keys))
    }

    /// Whether a caller may list the leases: it may read all keys of all of them, or is an
    /// administrator.
    ///
    /// # Errors
    /// As [`Views::check_range`].
    pub fn check_leases(&self, caller: &Identity) -> Result<(), Refusal> {
        self.ask(caller, |permits| {
            let mut leases = self.lessor.ids().into_iter();
            leases.try_for_each(|lease| permits.read_all(&self.lessor.keys(lease)))
        })
    }

    /// Whether a caller may do what only administrators do.
    ///
    /// # Errors
    /// Those of [`etcd_auth::Store::check_admin`].
    pub fn check_admin(&self, caller: &Identity) -> Result<(), Refusal> {
        self.ask(caller, |permits| permits.store.check_admin(caller))
    }

    /// Whether a caller has proved to be somebody.
    ///
    /// # Errors
    /// Those of [`etcd_auth::Store::check_somebody`].
    pub fn check_somebody(&self, caller: &Identity) -> Result<(), Refusal> {
        self.ask(caller, |permits| permits.store.check_somebody(caller))
    }

    /// Whether what was read after a check may be told: nothing has changed since that it depends
    /// on.
    ///
    /// # Errors
    /// Those of [`etcd_auth::Store::check_unchanged`].
    pub fn check_unchanged(&self, caller: &Identity) -> Result<(), Refusal> {
        if caller.is_nobody() {
            return Ok(());
        }
        self.ask(caller, |permits| permits.store.check_unchanged(caller))
    }

    fn ask(
        &self,
        caller: &Identity,
        question: impl FnOnce(&Permits<'_>) -> Result<(), etcd_auth::Refusal>,
    ) -> Result<(), Refusal> {
        let store = self.auth.store();
        Ok(question(&Permits { store: &store, lessor: &self.lessor, caller })?)
    }
}
