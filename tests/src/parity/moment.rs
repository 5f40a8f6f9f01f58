//! Revisions that are told relative to where the store is when a request is sent, so that a
//! request keeps its meaning when others before it are left out.

use etcd_proto::etcdserverpb::compare::TargetUnion;
use etcd_proto::etcdserverpb::request_op::Request;
use etcd_proto::etcdserverpb::{RangeRequest, TxnRequest};

/// Stands for the store's newest revision; numbers close to it for revisions close to that.
pub const NEWEST: i64 = 1 << 40;
/// Stands for the revision of the last compaction, likewise.
pub const COMPACTED: i64 = 1 << 41;

/// How far a number may be from those to be meant so.
const NEAR: i64 = 1 << 20;

/// Where a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The newest revision.
    pub newest: i64,
    /// The revision of the last compaction; 0 when there was none.
    pub compacted: i64,
}

impl Position {
    /// Of a store in which nothing was written.
    pub const EMPTY: Position = Position { newest: 1, compacted: 0 };

    /// The number that is sent.
    pub fn resolve(self, number: i64) -> i64 {
        let is_near = |mark| (mark - NEAR..mark + NEAR).contains(&number);
        if is_near(NEWEST) {
            self.newest + (number - NEWEST)
        } else if is_near(COMPACTED) {
            self.compacted + (number - COMPACTED)
        } else {
            number
        }
    }

    pub(crate) fn resolve_range(self, range: &mut RangeRequest) {
        for number in [
            &mut range.revision,
            &mut range.min_mod_revision,
            &mut range.max_mod_revision,
            &mut range.min_create_revision,
            &mut range.max_create_revision,
        ] {
            *number = self.resolve(*number);
        }
    }

    pub(crate) fn resolve_txn(self, txn: &mut TxnRequest) {
        for compare in &mut txn.compare {
            if let Some(
                TargetUnion::Version(number)
                | TargetUnion::CreateRevision(number)
                | TargetUnion::ModRevision(number)
                | TargetUnion::Lease(number),
            ) = &mut compare.target_union
            {
                *number = self.resolve(*number);
            }
        }
        for operation in txn.success.iter_mut().chain(&mut txn.failure) {
            match &mut operation.request {
                Some(Request::RequestRange(range)) => self.resolve_range(range),
                Some(Request::RequestTxn(nested)) => self.resolve_txn(nested),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_near_the_marks_follow_the_store_and_others_stay() {
        let position = Position { newest: 20, compacted: 7 };
        let numbers = [NEWEST, NEWEST - 5, NEWEST + 1, COMPACTED, COMPACTED - 1, 0, i64::MIN, 9];
        assert_eq!(
            numbers.map(|number| position.resolve(number)),
            [20, 15, 21, 7, 6, 0, i64::MIN, 9]
        );
    }
}
