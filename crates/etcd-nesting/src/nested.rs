//! The messages that hold others of their own kind.

use etcd_proto::etcdserverpb::request_op::Request;
use etcd_proto::etcdserverpb::response_op::Response;
use etcd_proto::etcdserverpb::{InternalRaftRequest, ResponseOp, TxnRequest, TxnResponse};

/// A message that may hold txns which hold txns.
pub trait Nested {
    /// What is nested in it, and nests on.
    type Inner: Nested<Inner = Self::Inner> + Default + 'static;

    /// What is nested right in it.
    fn inner(&self) -> impl Iterator<Item = &Self::Inner>;

    /// The same, to be taken out.
    fn inner_mut(&mut self) -> impl Iterator<Item = &mut Self::Inner>;
}

impl Nested for TxnRequest {
    type Inner = TxnRequest;

    fn inner(&self) -> impl Iterator<Item = &TxnRequest> {
        let operations = self.success.iter().chain(&self.failure);
        operations.filter_map(|operation| match &operation.request {
            Some(Request::RequestTxn(txn)) => Some(txn),
            _ => None,
        })
    }

    fn inner_mut(&mut self) -> impl Iterator<Item = &mut TxnRequest> {
        let operations = self.success.iter_mut().chain(&mut self.failure);
        operations.filter_map(|operation| match &mut operation.request {
            Some(Request::RequestTxn(txn)) => Some(txn),
            _ => None,
        })
    }
}

impl Nested for TxnResponse {
    type Inner = TxnResponse;

    fn inner(&self) -> impl Iterator<Item = &TxnResponse> {
        self.responses.iter().filter_map(|response| match &response.response {
            Some(Response::ResponseTxn(txn)) => Some(txn),
            _ => None,
        })
    }

    fn inner_mut(&mut self) -> impl Iterator<Item = &mut TxnResponse> {
        self.responses.iter_mut().filter_map(|ResponseOp { response }| match response {
            Some(Response::ResponseTxn(txn)) => Some(txn),
            _ => None,
        })
    }
}

impl Nested for InternalRaftRequest {
    type Inner = TxnRequest;

    fn inner(&self) -> impl Iterator<Item = &TxnRequest> {
        self.txn.iter()
    }

    fn inner_mut(&mut self) -> impl Iterator<Item = &mut TxnRequest> {
        self.txn.iter_mut()
    }
}

/// How many messages of the kind stand inside each other, `message` included.
pub(crate) fn levels<T: Nested>(message: &T) -> usize {
    let mut deepest = 1;
    let mut open: Vec<(&T::Inner, usize)> = message.inner().map(|inner| (inner, 2)).collect();
    while let Some((message, level)) = open.pop() {
        deepest = deepest.max(level);
        open.extend(message.inner().map(|inner| (inner, level + 1)));
    }
    deepest
}

/// Drops what is nested in `message`, level by level.
pub(crate) fn dismantle<T: Nested>(message: &mut T) {
    let mut open: Vec<T::Inner> = message.inner_mut().map(std::mem::take).collect();
    while let Some(mut message) = open.pop() {
        open.extend(message.inner_mut().map(std::mem::take));
    }
}
