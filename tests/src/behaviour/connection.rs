//! Calls whose messages are bytes, so that a script can send what no stub would.

use bytes::{Buf as _, BufMut as _, Bytes};
use std::time::Duration;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{AsciiMetadataKey, MetadataMap, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};

/// Longer than any server takes for an answer, on a slow machine too.
const DEADLINE: Duration = Duration::from_secs(20);

/// What stands beside the messages of a call.
pub type Metadata = Vec<(String, Bytes)>;

/// A connection to one member.
#[derive(Clone)]
pub struct Connection {
    channel: Channel,
}

impl Connection {
    /// A connection that is made at the first call, inside a runtime.
    ///
    /// # Panics
    ///
    /// When `url` is none.
    pub fn new(url: &str) -> Connection {
        let endpoint = Endpoint::from_shared(url.to_owned()).expect("a URL");
        Connection { channel: endpoint.connect_lazy() }
    }

    /// Sends one message, and returns all that come back and how the call failed, if it did.
    pub async fn call(
        &self,
        method: &str,
        message: Bytes,
        metadata: &Metadata,
    ) -> (Vec<Bytes>, Option<Status>) {
        let mut messages = Vec::new();
        let receive = async {
            let mut stream = self.open(method, tokio_stream::once(message), metadata).await?;
            while let Some(message) = stream.message().await? {
                messages.push(message);
            }
            Ok(())
        };
        let outcome = tokio::time::timeout(DEADLINE, receive).await;
        let failure = outcome
            .unwrap_or_else(|_| Err(Status::unknown(format!("no end within {DEADLINE:?}"))))
            .err();
        (messages, failure)
    }

    /// Begins a call, whose messages come as they are ready.
    ///
    /// # Errors
    ///
    /// How it failed, when it did at once.
    pub async fn open(
        &self,
        method: &str,
        messages: impl tokio_stream::Stream<Item = Bytes> + Send + 'static,
        metadata: &Metadata,
    ) -> Result<Streaming<Bytes>, Status> {
        let mut client = Grpc::new(self.channel.clone())
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX);
        client.ready().await.map_err(|error| Status::unknown(format!("no server: {error}")))?;
        let prefix = if method.starts_with('/') { "" } else { "/etcdserverpb." };
        let path = PathAndQuery::try_from(format!("{prefix}{method}"));
        let path = path.map_err(|error| Status::unknown(format!("{method}: {error}")))?;
        let mut request = Request::new(messages);
        add(request.metadata_mut(), metadata)?;
        Ok(client.streaming(request, path, Raw).await?.into_inner())
    }
}

fn add(map: &mut MetadataMap, metadata: &Metadata) -> Result<(), Status> {
    for (name, value) in metadata {
        let key: AsciiMetadataKey =
            name.parse().map_err(|_| Status::unknown(format!("no name of metadata: {name}")))?;
        let value = MetadataValue::try_from(value.as_ref())
            .map_err(|_| Status::unknown(format!("no value of metadata: {value:?}")))?;
        map.append(key, value);
    }
    Ok(())
}

/// Messages as they are on the wire.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
