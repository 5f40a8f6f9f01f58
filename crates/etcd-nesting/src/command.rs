//! Commands as the log holds them.

use bytes::{Buf as _, Bytes};
use etcd_proto::etcdserverpb::{InternalRaftRequest, PutRequest, RequestHeader, TxnRequest};
use prost::Message as _;
use prost::encoding::{DecodeContext, decode_key, message, uint64};

use crate::decode::{inner, merge_txn};
use crate::encode::{Backwards, Encode};
use crate::{Deep, Malformed};

/// The fields of a command that stand apart.
const HEADER: u32 = 100;
const ID: u32 = 1;
const PUT: u32 = 4;
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

/// A command in parts. There are many kinds of them, but nearly all commands are of two: those stand
/// apart, so that whoever reads one touches no memory for all the others.
#[derive(Debug, Default)]
pub struct CommandParts {
    /// Whose command it is.
    pub header: Option<RequestHeader>,
    /// Its number.
    pub id: u64,
    /// The put, if it is one.
    pub put: Option<PutRequest>,
    /// The txn, if it is one.
    pub txn: Option<Deep<TxnRequest>>,
    /// All its other fields, if it has any; in those above there is nothing here.
    pub rest: Option<Box<InternalRaftRequest>>,
}

impl From<CommandParts> for Deep<InternalRaftRequest> {
    fn from(parts: CommandParts) -> Deep<InternalRaftRequest> {
        let CommandParts { header, id, put, txn, rest } = parts;
        let rest = rest.map_or_else(InternalRaftRequest::default, |rest| *rest);
        Deep::new(InternalRaftRequest { header, id, put, txn: txn.map(Deep::into_inner), ..rest })
    }
}

/// Reads a command, whose fields share `bytes`. A txn that [`decode_txn`](crate::decode_txn) takes
/// is taken here too.
///
/// # Errors
/// Where the bytes are no command.
pub fn decode_command(bytes: Bytes) -> Result<Deep<InternalRaftRequest>, Malformed> {
    decode_parts(bytes).map(Deep::from)
}

/// The same, in parts.
///
/// # Errors
/// Where the bytes are no command.
pub fn decode_parts(mut bytes: Bytes) -> Result<CommandParts, Malformed> {
    let mut parts = CommandParts::default();
    while bytes.has_remaining() {
        let (field, wire_type) = decode_key(&mut bytes)?;
        let context = DecodeContext::default();
        match field {
            HEADER => {
                let header = parts.header.get_or_insert_default();
                message::merge(wire_type, header, &mut bytes, context)?;
            }
            ID => uint64::merge(wire_type, &mut parts.id, &mut bytes, context)?,
            PUT => {
                let put = parts.put.get_or_insert_default();
                message::merge(wire_type, put, &mut bytes, context)?;
            }
            TXN => {
                let inner = inner(wire_type, &mut bytes)?;
                let txn = parts.txn.take().map_or_else(TxnRequest::default, Deep::into_inner);
                parts.txn = Some(merge_txn(txn, inner)?);
            }
            _ => {
                let rest = parts.rest.get_or_insert_default();
                rest.merge_field(field, wire_type, &mut bytes, context)?;
            }
        }
    }
    Ok(parts)
}
