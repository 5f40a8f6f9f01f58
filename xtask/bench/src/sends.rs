//! The requests that crowds send.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use etcd_proto::etcdserverpb::{RangeRequest, TxnRequest};
use tonic::Status;

use crate::fields::{bytes, number};
use crate::keys::{Keys, key, value};
use crate::line::Line;
use crate::load::{AsyncSend, Turn};
use crate::pairs::{Pairs, Shape};
use crate::request_headers::Method;
use crate::streams::{Awaited, End};
use crate::wire::{self, Freshness};

/// Puts of values with one size.
#[derive(Clone)]
pub(crate) struct Puts {
    pub(crate) keys: Keys,
    pub(crate) clients: u64,
    pub(crate) value_bytes: usize,
}

impl AsyncSend for Puts {
    async fn send(&self, turn: Turn<'_>) -> Result<u64, Status> {
        let key = self.keys.next(turn.random, turn.client, self.clients, turn.number);
        let value = value(turn.random, self.value_bytes);
        let bytes = key.len() + value.len();
        turn.line.ask(Method::Put, &wire::put(key, value)).await?;
        Ok(bytes as u64)
    }
}

/// Updates as a Kubernetes API server makes them: guarded by the object's revision, which the
/// client knows from its last update. Each client has objects of its own.
#[derive(Clone)]
pub(crate) struct GuardedPuts {
    value_bytes: usize,
    revisions: Arc<Vec<AtomicI64>>,
}

impl GuardedPuts {
    pub(crate) fn new(clients: u64, value_bytes: usize) -> GuardedPuts {
        let revisions = (0..clients).map(|_| AtomicI64::new(0)).collect();
        GuardedPuts { value_bytes, revisions: Arc::new(revisions) }
    }
}

impl AsyncSend for GuardedPuts {
    async fn send(&self, turn: Turn<'_>) -> Result<u64, Status> {
        let known = &self.revisions[turn.client as usize];
        let value = value(turn.random, self.value_bytes);
        let txn = wire::guarded_put(key(turn.client), value, known.load(Ordering::Relaxed));
        known.store(update(turn.line, &txn).await?, Ordering::Relaxed);
        Ok(1)
    }
}

/// Makes a guarded put, and answers the revision that the object has then.
pub(crate) async fn update(line: &Line, guarded_put: &TxnRequest) -> Result<i64, Status> {
    revision_after(line.ask(Method::Txn, guarded_put).await?.message())
}

/// The revision that the object has after the guarded put of which this is the answer.
fn revision_after(txn: &[u8]) -> Result<i64, Status> {
    // TxnResponse: header 1, succeeded 2, responses 3. ResponseHeader: revision 3.
    if number(txn, 2)? != 0 {
        return Ok(number(bytes(txn, 1)?, 3)? as i64);
    }
    // ResponseOp: response_range 1. RangeResponse: kvs 2. KeyValue: mod_revision 3.
    let pair = bytes(bytes(bytes(txn, 3)?, 1)?, 2)?;
    Ok(number(pair, 3)? as i64)
}

/// Gets of single keys.
#[derive(Clone)]
pub(crate) struct Gets {
    pub(crate) keys: Keys,
    pub(crate) clients: u64,
    pub(crate) freshness: Freshness,
}

impl AsyncSend for Gets {
    async fn send(&self, turn: Turn<'_>) -> Result<u64, Status> {
        let key = self.keys.next(turn.random, turn.client, self.clients, turn.number);
        let pairs = range(turn.line, &wire::get(&key, self.freshness), Shape::Answer).await?;
        if pairs.count == 1 { Ok(pairs.bytes) } else { Err(Status::not_found("no such key")) }
    }
}

/// Lists from a key on, in one answer.
#[derive(Clone)]
pub(crate) struct Lists {
    pub(crate) keys: Keys,
    /// Most keys of an answer; 0 is all.
    pub(crate) limit: i64,
}

impl AsyncSend for Lists {
    async fn send(&self, turn: Turn<'_>) -> Result<u64, Status> {
        let from = match self.limit {
            0 => Bytes::from_static(&[0]),
            _ => self.keys.next(turn.random, turn.client, 1, turn.number),
        };
        let list = wire::list(from, self.limit);
        Ok(range(turn.line, &list, Shape::Answer).await?.bytes)
    }
}

/// The list of everything as a stream.
#[derive(Clone)]
pub(crate) struct StreamedLists;

impl AsyncSend for StreamedLists {
    async fn send(&self, turn: Turn<'_>) -> Result<u64, Status> {
        let request = wire::list(Bytes::from_static(&[0]), 0);
        Ok(range(turn.line, &request, Shape::Chunks).await?.bytes)
    }
}

/// Asks for a range and counts what comes, without keeping it.
pub(crate) async fn range(
    line: &Line,
    request: &RangeRequest,
    shape: Shape,
) -> Result<Pairs, Status> {
    let method = match shape {
        Shape::Answer => Method::Range,
        Shape::Chunks => Method::RangeStream,
    };
    let call = line.call(method).await?;
    call.send(request, End::Last);
    let mut pairs = Pairs::new(shape);
    let mut part = Vec::new();
    // An answer of one pair comes at once, and is looked at once.
    let awaited = if request.range_end.is_empty() { Awaited::End } else { Awaited::Bytes };
    loop {
        let end = call.take(&mut part, awaited).await?;
        pairs.feed(&part)?;
        if end == End::Last {
            pairs.finish()?;
            return Ok(pairs);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etcd_proto::etcdserverpb::response_op::Response;
    use etcd_proto::etcdserverpb::{
        PutResponse, RangeResponse, ResponseHeader, ResponseOp, TxnResponse,
    };
    use etcd_proto::mvccpb::KeyValue;
    use prost::Message;

    #[test]
    fn a_guarded_put_learns_the_revision_from_either_answer() {
        let header = Some(ResponseHeader { revision: 300, ..ResponseHeader::default() });
        let after = |succeeded, response| {
            let responses = vec![ResponseOp { response: Some(response) }];
            let txn = TxnResponse { header, succeeded, responses };
            revision_after(&txn.encode_to_vec()).expect("an answer")
        };
        assert_eq!(after(true, Response::ResponsePut(PutResponse::default())), 300);
        let pair = KeyValue { mod_revision: 200, ..KeyValue::default() };
        let found = RangeResponse { kvs: vec![pair], ..RangeResponse::default() };
        assert_eq!(after(false, Response::ResponseRange(found)), 200);
        assert_eq!(after(false, Response::ResponseRange(RangeResponse::default())), 0);
    }
}
