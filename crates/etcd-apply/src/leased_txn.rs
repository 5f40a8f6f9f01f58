//! A write transaction on keys that keeps their leases in step.

use etcd_mvcc::{
    DeleteOutcome, KeyRange, Previous, PutArgs, PutOutcome, RangeQuery, RangeResult, Reader,
    TxnOutcome, WriteTxn,
};

use crate::Error;

/// Changes keys, and ties them to their leases or loosens them.
#[derive(Debug)]
pub(crate) struct LeasedTxn<'a> {
    keys: WriteTxn<'a>,
    leases: &'a mut etcd_lease::Writer,
}

impl<'a> LeasedTxn<'a> {
    pub(crate) fn new(keys: WriteTxn<'a>, leases: &'a mut etcd_lease::Writer) -> LeasedTxn<'a> {
        LeasedTxn { keys, leases }
    }

    /// See [`WriteTxn::finish`].
    pub(crate) fn finish(self) -> TxnOutcome {
        self.keys.finish()
    }

    /// Whether there is such a lease.
    pub(crate) fn has_lease(&self, id: i64) -> bool {
        self.leases.contains(id)
    }

    /// See [`WriteTxn::revision`].
    pub(crate) fn revision(&self) -> i64 {
        self.keys.revision()
    }

    /// See [`WriteTxn::reader`].
    pub(crate) fn reader(&self) -> Reader<'_> {
        self.keys.reader()
    }

    /// See [`WriteTxn::count_reads`].
    pub(crate) fn count_reads(&mut self, reads: u64) {
        self.keys.count_reads(reads);
    }

    /// See [`WriteTxn::count_range`].
    pub(crate) fn count_range(&mut self) {
        self.keys.count_range();
    }

    /// See [`WriteTxn::range`].
    pub(crate) fn range(&mut self, query: &RangeQuery) -> Result<RangeResult, Error> {
        Ok(self.keys.range(query)?)
    }

    /// Puts one key, which belongs to no other lease from then on than to the one put with it. That
    /// the lease is there was checked before.
    pub(crate) fn put(&mut self, args: PutArgs<'_>) -> Result<PutOutcome, Error> {
        let outcome = self.keys.put(args)?;
        let PutOutcome { previous_lease, lease, .. } = outcome;
        if previous_lease != 0 && previous_lease != lease {
            self.leases.detach(previous_lease, args.key);
        }
        if lease != 0 {
            self.leases.attach(lease, args.key);
        }
        Ok(outcome)
    }

    /// Deletes the live keys of a range; their leases lose them.
    pub(crate) fn delete_range(
        &mut self,
        range: KeyRange,
        previous: Previous,
    ) -> Result<DeleteOutcome, Error> {
        let outcome = self.keys.delete_range(range, previous)?;
        for (lease, key) in &outcome.detached {
            self.leases.detach(*lease, key);
        }
        Ok(outcome)
    }
}
