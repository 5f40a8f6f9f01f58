//! Whether the caller of a command or a read may touch the keys that it names.

use bytes::Bytes;
use etcd_auth::{Identity, Refusal, Right, Store};
use etcd_lease::Lessor;
use etcd_proto::etcdserverpb::request_op::Request;
use etcd_proto::etcdserverpb::{DeleteRangeRequest, PutRequest, RequestOp, TxnRequest};

use crate::command::Command;

/// A caller before the rules of etcd 3.7.1. All checks pass while authentication is off.
pub(crate) struct Permits<'p> {
    pub(crate) store: &'p Store,
    pub(crate) lessor: &'p Lessor,
    pub(crate) caller: &'p Identity,
}

impl Permits<'_> {
    /// Whether the caller may give a command, before it is executed. What has its own rule at the
    /// member that takes the request (compactions, say) passes.
    pub(crate) fn command(&self, command: &Command) -> Result<(), Refusal> {
        if !self.store.is_enabled() {
            return Ok(());
        }
        match command {
            Command::Put(put) => self.put(put),
            Command::DeleteRange(delete) => self.delete_range(delete),
            Command::Txn(txn) => self.txn(txn),
            Command::LeaseRevoke(revoke) => self.write_leased(revoke.id),
            Command::Auth(command) => command.check(self.store, self.caller),
            _ => Ok(()),
        }
    }

    /// Whether the caller may read a range.
    pub(crate) fn range(&self, key: &[u8], range_end: &[u8]) -> Result<(), Refusal> {
        self.store.check_keys(self.caller, Right::Read, key, range_end)
    }

    /// Whether the caller may execute a txn whichever way it goes: conditions first, then both
    /// lists, down to the last nested one.
    pub(crate) fn txn(&self, txn: &TxnRequest) -> Result<(), Refusal> {
        for compare in &txn.compare {
            self.range(&compare.key, &compare.range_end)?;
        }
        txn.success.iter().chain(&txn.failure).try_for_each(|operation| self.operation(operation))
    }

    fn operation(&self, operation: &RequestOp) -> Result<(), Refusal> {
        match &operation.request {
            Some(Request::RequestRange(range)) => self.range(&range.key, &range.range_end),
            Some(Request::RequestPut(put)) => self.put(put),
            Some(Request::RequestDeleteRange(delete)) => self.delete_range(delete),
            Some(Request::RequestTxn(txn)) => self.txn(txn),
            None => Ok(()),
        }
    }

    /// A put that joins a lease gives its key into the hands of whoever may end the lease: they must
    /// not be other hands than those that may write what the lease holds already.
    fn put(&self, put: &PutRequest) -> Result<(), Refusal> {
        self.write(&put.key, b"")?;
        if put.lease != 0 {
            self.write_leased(put.lease)?;
        }
        if put.prev_kv { self.range(&put.key, b"") } else { Ok(()) }
    }

    fn delete_range(&self, delete: &DeleteRangeRequest) -> Result<(), Refusal> {
        self.write(&delete.key, &delete.range_end)?;
        if delete.prev_kv { self.range(&delete.key, &delete.range_end) } else { Ok(()) }
    }

    fn write(&self, key: &[u8], range_end: &[u8]) -> Result<(), Refusal> {
        self.store.check_keys(self.caller, Right::Write, key, range_end)
    }

    /// Whether the caller may end or renew a lease: it may write every key of it, or is an
    /// administrator.
    pub(crate) fn write_leased(&self, lease: i64) -> Result<(), Refusal> {
        if self.store.check_admin(self.caller).is_ok() {
            return Ok(());
        }
        self.lessor.keys(lease).iter().try_for_each(|key| self.write(key, b""))
    }

    /// Whether the caller may know the keys of a lease: it may read every one, or is an
    /// administrator.
    pub(crate) fn read_all(&self, keys: &[Bytes]) -> Result<(), Refusal> {
        if self.store.check_admin(self.caller).is_ok() {
            return Ok(());
        }
        keys.iter().try_for_each(|key| self.range(key, b""))
    }
}
