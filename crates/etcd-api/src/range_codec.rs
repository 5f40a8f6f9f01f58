//! Ranges between memory and the wire.

use bytes::Buf as _;
use etcd_proto::buffer_settings;
use etcd_proto::etcdserverpb::RangeRequest;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use crate::range_answer::RangeAnswer;

/// The field of `RangeStreamResponse` that holds the `RangeResponse`.
const RANGE_RESPONSE: u32 = 1;

/// What one message holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RangeCodec {
    /// The answer.
    Unary,
    /// A part of it, as a `RangeStreamResponse`.
    Stream,
}

/// Reads requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RangeDecoder;

impl Codec for RangeCodec {
    type Encode = RangeAnswer;
    type Decode = RangeRequest;
    type Encoder = RangeCodec;
    type Decoder = RangeDecoder;

    fn encoder(&mut self) -> RangeCodec {
        *self
    }

    fn decoder(&mut self) -> RangeDecoder {
        RangeDecoder
    }
}

impl Decoder for RangeDecoder {
    type Item = RangeRequest;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        // What stays of it, in the request's keys, keeps no more than the message.
        let message = source.copy_to_bytes(source.remaining());
        // The gate puts it into etcd's words.
        let request = RangeRequest::decode(message);
        request.map(Some).map_err(|error| Status::internal(error.to_string()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        buffer_settings()
    }
}

impl Encoder for RangeCodec {
    type Item = RangeAnswer;
    type Error = Status;

    fn encode(&mut self, answer: RangeAnswer, target: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let len = answer.encoded_len();
        match self {
            RangeCodec::Unary => target.reserve(len),
            RangeCodec::Stream => {
                target.reserve(key_len(RANGE_RESPONSE) + encoded_len_varint(len as u64) + len);
                encode_key(RANGE_RESPONSE, WireType::LengthDelimited, target);
                encode_varint(len as u64, target);
            }
        }
        answer.encode(target);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        buffer_settings()
    }
}
