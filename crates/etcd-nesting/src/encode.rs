//! Writes txns from their last byte to their first. A message's length stands before it: written
//! forwards, each level would have to ask all levels below it for theirs, and a deep txn would take
//! time with the square of its depth.

use bytes::Bytes;
use etcd_proto::etcdserverpb::request_op::Request;
use etcd_proto::etcdserverpb::response_op::Response;
use etcd_proto::etcdserverpb::{TxnRequest, TxnResponse};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};

use crate::Nested;
use crate::nested::levels;
use crate::stack::with_room;

/// A message that writes its fields.
pub trait Encode: Nested + Message {
    /// Writes them, the last one first.
    fn write(&self, target: &mut Backwards);
}

/// Writes a message, however deep.
pub fn encode<T: Encode>(message: &T) -> Bytes {
    let levels = levels(message);
    if levels == 1 {
        return message.encode_to_vec().into();
    }
    let mut target = Backwards::default();
    with_room(levels, || message.write(&mut target));
    target.finish()
}

/// What was written so far, with the last byte first.
#[derive(Debug, Default)]
pub struct Backwards {
    reversed: Vec<u8>,
    scratch: Vec<u8>,
}

impl Backwards {
    /// The message, with its first byte first.
    pub(crate) fn finish(mut self) -> Bytes {
        self.reversed.reverse();
        self.reversed.into()
    }

    /// Writes the fields of a message that is not deep.
    pub(crate) fn fields(&mut self, message: &impl Message) {
        self.scratched(|scratch| message.encode_raw(scratch));
    }

    /// Writes a message that is not deep, as a field.
    pub(crate) fn leaf(&mut self, field: u32, message: &impl Message) {
        self.message(field, |target| target.fields(message));
    }

    /// Writes a message as a field, whose own fields are written by `write`.
    pub(crate) fn message(&mut self, field: u32, write: impl FnOnce(&mut Backwards)) {
        let before = self.reversed.len();
        write(self);
        let length = self.reversed.len() - before;
        self.scratched(|scratch| {
            encode_key(field, WireType::LengthDelimited, scratch);
            encode_varint(length as u64, scratch);
        });
    }

    fn scratched(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.scratch.clear();
        write(&mut self.scratch);
        self.reversed.extend(self.scratch.iter().rev());
    }
}

impl Encode for TxnRequest {
    fn write(&self, target: &mut Backwards) {
        for (field, list) in [(3, &self.failure), (2, &self.success)] {
            for operation in list.iter().rev() {
                target.message(field, |target| match &operation.request {
                    Some(Request::RequestTxn(txn)) => target.message(4, |target| txn.write(target)),
                    _ => target.fields(operation),
                });
            }
        }
        for compare in self.compare.iter().rev() {
            target.leaf(1, compare);
        }
    }
}

impl Encode for TxnResponse {
    fn write(&self, target: &mut Backwards) {
        for response in self.responses.iter().rev() {
            target.message(3, |target| match &response.response {
                Some(Response::ResponseTxn(txn)) => target.message(4, |target| txn.write(target)),
                _ => target.fields(response),
            });
        }
        let TxnResponse { succeeded, ref header, .. } = *self;
        target.fields(&TxnResponse { succeeded, ..TxnResponse::default() });
        if let Some(header) = header {
            target.leaf(1, header);
        }
    }
}
