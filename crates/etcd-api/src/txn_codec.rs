//! Txns between the wire and memory: of all messages the only ones that can be deep.

use bytes::{Buf as _, BufMut as _};
use etcd_nesting::{Deep, Malformed, decode_txn, encode};
use etcd_proto::buffer_settings;
use etcd_proto::etcdserverpb::{TxnRequest, TxnResponse};
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use crate::rewording;

/// Reads requests and writes responses without running out of stack.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TxnCodec;

impl Codec for TxnCodec {
    type Encode = Deep<TxnResponse>;
    type Decode = Deep<TxnRequest>;
    type Encoder = TxnCodec;
    type Decoder = TxnCodec;

    fn encoder(&mut self) -> TxnCodec {
        TxnCodec
    }

    fn decoder(&mut self) -> TxnCodec {
        TxnCodec
    }
}

impl Decoder for TxnCodec {
    type Item = Deep<TxnRequest>;
    type Error = tonic::Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Self::Error> {
        let message = source.copy_to_bytes(source.remaining());
        match decode_txn(message) {
            Ok(txn) => Ok(Some(txn)),
            Err(Malformed::TooDeep) => Err(rewording::too_deep()),
            Err(Malformed::Truncated | Malformed::Wire(_)) => Err(rewording::malformed()),
        }
    }

    fn buffer_settings(&self) -> BufferSettings {
        buffer_settings()
    }
}

impl Encoder for TxnCodec {
    type Item = Deep<TxnResponse>;
    type Error = tonic::Status;

    fn encode(
        &mut self,
        response: Self::Item,
        target: &mut EncodeBuf<'_>,
    ) -> Result<(), Self::Error> {
        target.put(encode(&*response));
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        buffer_settings()
    }
}
