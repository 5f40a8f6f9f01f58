//! Commands as the log holds them.

use bytes::{Buf as _, Bytes};
use etcd_proto::etcdserverpb::InternalRaftRequest;
use prost::Message as _;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint};

use crate::decode::merge_txn;
use crate::encode::{Backwards, Encode};
use crate::{Deep, Malformed};

/// The field of a command that holds a txn.
const TXN: u32 = 6;

impl Encode for InternalRaftRequest {
    /// A command has one request: with a txn there is nothing else but the header.
    fn write(&self, target: &mut Backwards) {
        let InternalRaftRequest { id, ref header, .. } = *self;
        let header = header.clone();
        target.fields(&InternalRaftRequest { id, header, ..InternalRaftRequest::default() });
        if let Some(txn) = &self.txn {
            target.message(TXN, |target| txn.write(target));
        }
    }
}

/// Reads a command, whose fields share `bytes`. A txn that [`decode_txn`](crate::decode_txn) takes
/// is taken here too.
///
/// # Errors
/// Where the bytes are no command.
pub fn decode_command(mut bytes: Bytes) -> Result<Deep<InternalRaftRequest>, Malformed> {
    let mut command = Deep::new(InternalRaftRequest::default());
    while bytes.has_remaining() {
        let (field, wire_type) = decode_key(&mut bytes)?;
        if (field, wire_type) != (TXN, WireType::LengthDelimited) {
            command.merge_field(field, wire_type, &mut bytes, DecodeContext::default())?;
            continue;
        }
        let length = usize::try_from(decode_varint(&mut bytes)?).unwrap_or(usize::MAX);
        if length > bytes.len() {
            return Err(Malformed::Truncated);
        }
        let txn = command.txn.take().unwrap_or_default();
        command.txn = Some(merge_txn(txn, bytes.split_to(length))?.into_inner());
    }
    Ok(command)
}
