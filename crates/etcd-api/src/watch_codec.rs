//! Watches between memory and the wire.

use bytes::Buf as _;
use etcd_proto::buffer_settings;
use etcd_proto::etcdserverpb::WatchRequest;
use prost::Message as _;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use crate::watch_answer::{LastHeader, WatchAnswer};

/// What the messages of a call of Watch are made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WatchCodec;

/// Writes the answers of one stream.
#[derive(Debug, Default)]
pub(crate) struct WatchEncoder(LastHeader);

/// Reads requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WatchDecoder;

impl Codec for WatchCodec {
    type Encode = WatchAnswer;
    type Decode = WatchRequest;
    type Encoder = WatchEncoder;
    type Decoder = WatchDecoder;

    fn encoder(&mut self) -> WatchEncoder {
        WatchEncoder::default()
    }

    fn decoder(&mut self) -> WatchDecoder {
        WatchDecoder
    }
}

impl Decoder for WatchDecoder {
    type Item = WatchRequest;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        // What stays of it, in the watcher's range, keeps no more than the message.
        let message = source.copy_to_bytes(source.remaining());
        // Whoever asks for it puts it into etcd's words.
        let request = WatchRequest::decode(message);
        request.map(Some).map_err(|error| Status::internal(error.to_string()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        buffer_settings()
    }
}

impl Encoder for WatchEncoder {
    type Item = WatchAnswer;
    type Error = Status;

    fn encode(&mut self, answer: WatchAnswer, target: &mut EncodeBuf<'_>) -> Result<(), Status> {
        target.reserve(answer.encoded_len());
        answer.encode(&mut self.0, target);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        buffer_settings()
    }
}
