//! The requests that crowds send.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use etcd_proto::etcdserverpb::RangeResponse;
use etcd_proto::etcdserverpb::response_op::Response;
use tonic::Status;

use crate::keys::{Keys, key, value};
use crate::load::{AsyncSend, Turn};
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
        wire::kv(turn.connection).put(wire::put(key, value)).await?;
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
        let answer = wire::kv(turn.connection).txn(txn).await?.into_inner();
        let revision = match answer.responses.into_iter().next().and_then(|one| one.response) {
            Some(Response::ResponsePut(_)) => answer.header.map_or(0, |header| header.revision),
            Some(Response::ResponseRange(range)) => {
                range.kvs.first().map_or(0, |pair| pair.mod_revision)
            }
            _ => return Err(Status::internal("neither put nor get was answered")),
        };
        known.store(revision, Ordering::Relaxed);
        Ok(1)
    }
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
        let answer = wire::kv(turn.connection).range(wire::get(&key, self.freshness)).await?;
        Ok(moved(answer.get_ref()))
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
        let answer = wire::kv(turn.connection).range(wire::list(from, self.limit)).await?;
        Ok(moved(answer.get_ref()))
    }
}

/// The list of everything as a stream.
#[derive(Clone)]
pub(crate) struct StreamedLists;

impl AsyncSend for StreamedLists {
    async fn send(&self, turn: Turn<'_>) -> Result<u64, Status> {
        let request = wire::list(Bytes::from_static(&[0]), 0);
        let mut chunks = wire::kv(turn.connection).range_stream(request).await?.into_inner();
        let mut bytes = 0;
        while let Some(chunk) = chunks.message().await? {
            bytes += chunk.range_response.as_ref().map_or(0, moved);
        }
        Ok(bytes)
    }
}

/// Keys and values of an answer, in bytes.
fn moved(answer: &RangeResponse) -> u64 {
    answer.kvs.iter().map(|pair| (pair.key.len() + pair.value.len()) as u64).sum()
}
