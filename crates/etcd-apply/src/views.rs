//! What everybody but the applier may look at, and the reads that need no log entry.

use std::sync::Arc;

use arc_swap::ArcSwap;
use etcd_auth::Auth;
use etcd_lease::Lessor;
use etcd_membership::MemberId;
use etcd_mvcc::{KeyValues, Mvcc, Operations, RangeQuery, RangeResult, Reader};
use etcd_proto::etcdserverpb::response_op::Response;
use etcd_proto::etcdserverpb::{RangeRequest, RangeResponse, ResponseOp, TxnRequest, TxnResponse};
use etcd_raft::Position;
use etcd_storage::Storage;
use etcd_watch::Hub;
use parking_lot::RwLock;

use crate::plan::{Plan, Step};
use crate::{Buckets, Cluster, Error, Figures, List, Quota, Refusal, range};

/// How often a read begins anew when a compaction or a snapshot overtakes it. Each needs a whole
/// one to finish meanwhile.
const READ_ATTEMPTS: usize = 16;

/// The applied state, for reading beside the applier. Cheap to clone.
///
/// A command's effects show here before its reply is given, and not before its batch is committed.
#[derive(Debug, Clone)]
pub struct Views {
    /// The keys.
    pub mvcc: Mvcc,
    /// Where changes of keys are told.
    pub hub: Hub,
    /// The leases, and on the member that leads their clocks.
    pub lessor: Lessor,
    /// Users, roles and tokens.
    pub auth: Auth,
    /// Where all of it is stored: for its size and for copies.
    pub storage: Storage,
    /// How much room is left there.
    pub quota: Quota,
    /// What is timed of it.
    pub figures: Arc<Figures>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    cluster: ArcSwap<Cluster>,
    applied: RwLock<Position>,
}

impl Views {
    pub(crate) fn new(
        mvcc: Mvcc,
        hub: Hub,
        lessor: Lessor,
        auth: Auth,
        storage: Storage,
        cluster: Arc<Cluster>,
        applied: Position,
    ) -> Views {
        let quota = Quota::new(storage.clone());
        let shared = Shared { cluster: ArcSwap::new(cluster), applied: RwLock::new(applied) };
        let figures = Arc::default();
        Views { mvcc, hub, lessor, auth, storage, quota, figures, shared: Arc::new(shared) }
    }

    /// Shows what was committed up to `applied`.
    pub(crate) fn advance(&self, cluster: &Arc<Cluster>, applied: Position) {
        if !Arc::ptr_eq(&self.shared.cluster.load(), cluster) {
            self.shared.cluster.store(Arc::clone(cluster));
        }
        *self.shared.applied.write() = applied;
    }

    /// Members, alarms and the cluster's version.
    pub fn cluster(&self) -> Arc<Cluster> {
        self.shared.cluster.load_full()
    }

    /// Whether a member is known to have no vote.
    pub fn is_learner(&self, member: MemberId) -> bool {
        let cluster = self.shared.cluster.load();
        cluster.members.get(member).is_some_and(|member| member.is_learner)
    }

    /// The last applied entry: its term is the one that response headers carry.
    pub fn applied(&self) -> Position {
        *self.shared.applied.read()
    }

    /// Lets `read` look at everything as it is at this moment, in etcd's own form. Commands are
    /// applied meanwhile. May block on storage.
    ///
    /// # Errors
    /// Those of `read`, and those of the storage.
    pub fn buckets<T, E: From<Error>>(
        &self,
        read: impl FnOnce(&Buckets<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.storage.at_one_moment(|view| read(&Buckets::of(view)?))
    }

    /// Answers a range request from this member's state. May block on storage.
    ///
    /// # Errors
    /// `Refused` with `Compacted` or `FutureRevision` for the revision asked for; the others when
    /// the storage fails.
    pub fn range(&self, request: &RangeRequest) -> Result<RangeResponse, Error> {
        range::response(self.stored_range(request)?)
    }

    /// The same with its key-values as they are stored: each is an encoded `mvccpb.KeyValue`.
    ///
    /// # Errors
    /// As [`Views::range`].
    pub fn stored_range(&self, request: &RangeRequest) -> Result<RangeResult, Error> {
        self.attempt(request, Mvcc::range)
    }

    /// The same for a range that may be long.
    ///
    /// # Errors
    /// As [`Views::range`].
    pub fn long_range(&self, request: &RangeRequest) -> Result<RangeResult<KeyValues>, Error> {
        self.attempt(request, Mvcc::long_range)
    }

    fn attempt<T>(
        &self,
        request: &RangeRequest,
        read: impl Fn(&Mvcc, &RangeQuery) -> Result<T, etcd_mvcc::Error>,
    ) -> Result<T, Error> {
        let query = range::query(request);
        self.mvcc.figures().ranges.raise();
        let mut left = READ_ATTEMPTS;
        loop {
            left -= 1;
            match read(&self.mvcc, &query) {
                // Nobody asked for a revision that could be gone: a compaction was faster.
                Err(etcd_mvcc::Error::Compacted) if request.revision <= 0 && left > 0 => {}
                Err(etcd_mvcc::Error::Missing(_)) if left > 0 => {}
                result => return Ok(result?),
            }
        }
    }

    /// Begins a range in key order that is answered piece by piece. Sort and revision filters of the
    /// request do not count.
    ///
    /// # Errors
    /// As [`Views::range`].
    pub fn list(&self, request: &RangeRequest) -> Result<List, Error> {
        self.mvcc.figures().ranges.raise();
        Ok(List::new(self.mvcc.list(&range::query(request))?))
    }

    /// Executes a txn that only reads, on one revision of this member's state. May block on
    /// storage.
    ///
    /// # Errors
    /// `Refused` as [`Views::range`], or with `Unsupported` when the txn writes.
    pub fn read_txn(&self, request: &TxnRequest) -> Result<TxnResponse, Error> {
        let mut left = READ_ATTEMPTS;
        loop {
            left -= 1;
            let reader = self.mvcc.reader();
            let response = Plan::of(&reader, request).and_then(|plan| {
                plan.check(&reader, &|id| self.lessor.contains(id))?;
                Ok((read(&reader, &plan)?, plan.reads() + plan.steps.len() as u64))
            });
            match response {
                Err(error) if left > 0 && is_overtaken(&error, &reader, &self.mvcc) => {}
                response => {
                    let (response, ranges) = response?;
                    self.mvcc.figures().count(Operations::of_ranges(ranges));
                    return Ok(response);
                }
            }
        }
    }
}

/// Whether `reader` failed because what it reads went away meanwhile, not because what was asked
/// for is gone for good: then compactions have passed the revision that it reads at.
fn is_overtaken(error: &Error, reader: &Reader<'_>, mvcc: &Mvcc) -> bool {
    match error {
        Error::Refused(Refusal::Compacted) => mvcc.compact_revision() > reader.revision(),
        Error::Mvcc(etcd_mvcc::Error::Missing(_)) => true,
        _ => false,
    }
}

fn read(reader: &Reader<'_>, plan: &Plan<'_>) -> Result<TxnResponse, Error> {
    let mut responses = Vec::with_capacity(plan.steps.len());
    for step in &plan.steps {
        let Step::Range(request) = step else {
            return Err(Refusal::Unsupported("write in a read-only txn").into());
        };
        let result = reader.range(&range::query(request))?;
        let response = Some(Response::ResponseRange(range::response(result)?));
        responses.push(ResponseOp { response });
    }
    let header = range::header(reader.revision());
    Ok(TxnResponse { header, succeeded: plan.succeeded, responses })
}
