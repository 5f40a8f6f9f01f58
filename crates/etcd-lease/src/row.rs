//! A lease as it is stored: etcd's row, byte for byte.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use etcd_proto::leasepb;
use etcd_storage::{Batch, Storage, Table};
use prost::Message as _;

use crate::Error;
use crate::state::Lease;

/// Writes a lease's row.
pub(crate) fn put(batch: &mut Batch, id: i64, lease: &Lease) {
    let row = leasepb::Lease { id, ttl: lease.ttl_seconds, remaining_ttl: lease.remaining_seconds };
    batch.put(Table::Lease, &id.to_be_bytes(), &row.encode_to_vec());
}

/// Removes it.
pub(crate) fn delete(batch: &mut Batch, id: i64) {
    batch.delete(Table::Lease, &id.to_be_bytes());
}

/// Reads all leases; they have no keys yet.
pub(crate) fn load(storage: &Storage) -> Result<BTreeMap<i64, Lease>, Error> {
    let mut leases = BTreeMap::new();
    let mut failure = Ok(());
    storage.scan(Table::Lease, &[]..&[], |key, value| match leasepb::Lease::decode(value) {
        Ok(row) if row.id.to_be_bytes() == *key => {
            leases.insert(row.id, Lease::loaded(row.ttl, row.remaining_ttl));
            ControlFlow::Continue(())
        }
        Ok(row) => {
            failure = Err(Error::Damaged(format!("lease {:x} stands at {key:02x?}", row.id)));
            ControlFlow::Break(())
        }
        Err(error) => {
            failure = Err(Error::Damaged(error.to_string()));
            ControlFlow::Break(())
        }
    })?;
    failure.map(|()| leases)
}
