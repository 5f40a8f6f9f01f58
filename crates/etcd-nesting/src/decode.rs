//! Reads a txn from the wire, level by level in a loop.

use std::ops::RangeInclusive;

use bytes::{Buf as _, Bytes};
use etcd_proto::etcdserverpb::request_op::Request;
use etcd_proto::etcdserverpb::{RequestOp, TxnRequest};
use prost::encoding::{DecodeContext, WireType, check_wire_type, decode_key, decode_varint};
use prost::{DecodeError, Message as _};

use crate::Deep;
use crate::nested::dismantle;

/// How many messages may stand inside each other, as etcd's own decoder has it. A txn and the
/// operation that holds it are two.
pub const LIMIT: usize = 10_000;

/// The field of a txn that holds conditions.
const COMPARE: u32 = 1;
/// Those that hold operations.
const SUCCESS: u32 = 2;
const FAILURE: u32 = 3;
/// The field of an operation that holds a txn.
const TXN: u32 = 4;
/// Those that hold something else.
const LEAVES: RangeInclusive<u32> = 1..=3;

/// Why bytes are no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// More than [`LIMIT`] messages stand inside each other.
    #[error("messages are nested too deep")]
    TooDeep,
    /// A message ends before it says so.
    #[error("a message is cut off")]
    Truncated,
    /// The bytes break the rules of protobuf in another way.
    #[error(transparent)]
    Wire(#[from] DecodeError),
}

/// Reads a txn, whose fields share `bytes`.
///
/// # Errors
/// Where the bytes are no txn, or one that is too deep.
pub fn decode_txn(bytes: Bytes) -> Result<Deep<TxnRequest>, Malformed> {
    merge_txn(TxnRequest::default(), bytes)
}

/// Reads on into `txn`: a message that comes in two pieces is one.
pub(crate) fn merge_txn(txn: TxnRequest, bytes: Bytes) -> Result<Deep<TxnRequest>, Malformed> {
    let mut reading = Reading { txns: vec![OpenTxn { txn, rest: bytes }], operations: Vec::new() };
    loop {
        let depth = reading.txns.len() + reading.operations.len();
        if let Some(operation) = reading.operation() {
            match operation.read(depth)? {
                Some(inner) => reading.txns.push(inner),
                None => reading.close_operation(),
            }
        } else {
            match reading.txn().read(depth)? {
                Some(operation) => reading.operations.push(operation),
                None => {
                    if let Some(txn) = reading.close_txn() {
                        return Ok(Deep::new(txn));
                    }
                }
            }
        }
    }
}

/// Messages of which not all was read, each inside the one before: txns and operations take turns,
/// a txn being the outermost.
struct Reading {
    /// Invariant: at least one, and as many as operations or one more.
    txns: Vec<OpenTxn>,
    operations: Vec<OpenOperation>,
}

/// A txn of which `rest` was not read yet.
struct OpenTxn {
    txn: TxnRequest,
    rest: Bytes,
}

/// An operation of which `rest` was not read yet.
struct OpenOperation {
    operation: RequestOp,
    rest: Bytes,
    list: List,
}

/// Which list of a txn an operation is in.
#[derive(Clone, Copy)]
enum List {
    Success,
    Failure,
}

impl Reading {
    fn txn(&mut self) -> &mut OpenTxn {
        self.txns.last_mut().expect("the outermost is closed last")
    }

    /// The operation that is read, unless a txn is.
    fn operation(&mut self) -> Option<&mut OpenOperation> {
        let is_innermost = self.operations.len() == self.txns.len();
        self.operations.last_mut().filter(|_| is_innermost)
    }

    fn close_operation(&mut self) {
        if let Some(OpenOperation { operation, list, .. }) = self.operations.pop() {
            let parent = &mut self.txn().txn;
            match list {
                List::Success => parent.success.push(operation),
                List::Failure => parent.failure.push(operation),
            }
        }
    }

    /// Puts the txn into its operation; the outermost has none and is returned.
    fn close_txn(&mut self) -> Option<TxnRequest> {
        let txn = self.txns.pop()?.txn;
        match self.operations.last_mut() {
            Some(parent) => {
                parent.operation.request = Some(Request::RequestTxn(txn));
                None
            }
            None => Some(txn),
        }
    }
}

impl Drop for Reading {
    /// What was read before the bytes turned out to be malformed may be deep.
    fn drop(&mut self) {
        for OpenTxn { txn, .. } in &mut self.txns {
            dismantle(txn);
        }
        for OpenOperation { operation, .. } in &mut self.operations {
            if let Some(Request::RequestTxn(txn)) = &mut operation.request {
                dismantle(txn);
            }
        }
    }
}

impl OpenTxn {
    /// Reads up to the next operation, or to the end. This is message number `depth`.
    fn read(&mut self, depth: usize) -> Result<Option<OpenOperation>, Malformed> {
        while self.rest.has_remaining() {
            let (field, wire_type) = decode_key(&mut self.rest)?;
            let list = match field {
                SUCCESS => List::Success,
                FAILURE => List::Failure,
                _ => {
                    if field == COMPARE {
                        check_depth(depth + 1)?;
                    }
                    let context = DecodeContext::default();
                    self.txn.merge_field(field, wire_type, &mut self.rest, context)?;
                    continue;
                }
            };
            let rest = inner(wire_type, &mut self.rest)?;
            check_depth(depth + 1)?;
            return Ok(Some(OpenOperation { operation: RequestOp::default(), rest, list }));
        }
        Ok(None)
    }
}

impl OpenOperation {
    /// Reads up to the next txn, or to the end. This is message number `depth`.
    fn read(&mut self, depth: usize) -> Result<Option<OpenTxn>, Malformed> {
        while self.rest.has_remaining() {
            let (field, wire_type) = decode_key(&mut self.rest)?;
            if field == TXN {
                let rest = inner(wire_type, &mut self.rest)?;
                check_depth(depth + 1)?;
                // A second piece of the same kind goes on, one of another kind gives way.
                let txn = match self.operation.request.take() {
                    Some(Request::RequestTxn(txn)) => txn,
                    _ => TxnRequest::default(),
                };
                return Ok(Some(OpenTxn { txn, rest }));
            }
            if LEAVES.contains(&field) {
                check_depth(depth + 1)?;
                if let Some(Request::RequestTxn(txn)) = &mut self.operation.request {
                    dismantle(txn);
                }
            }
            let context = DecodeContext::default();
            self.operation.merge_field(field, wire_type, &mut self.rest, context)?;
        }
        Ok(None)
    }
}

fn check_depth(depth: usize) -> Result<(), Malformed> {
    if depth > LIMIT { Err(Malformed::TooDeep) } else { Ok(()) }
}

/// Takes the bytes of an inner message off the front.
pub(crate) fn inner(wire_type: WireType, rest: &mut Bytes) -> Result<Bytes, Malformed> {
    check_wire_type(WireType::LengthDelimited, wire_type)?;
    let length = usize::try_from(decode_varint(rest)?).unwrap_or(usize::MAX);
    if length > rest.len() {
        return Err(Malformed::Truncated);
    }
    Ok(rest.split_to(length))
}

#[cfg(test)]
#[path = "decode_tests.rs"]
pub(crate) mod tests;
