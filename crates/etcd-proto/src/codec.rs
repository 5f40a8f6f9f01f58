//! How the stubs read and write messages: protobuf in buffers that fit.

use std::marker::PhantomData;

use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

/// What a buffer has room for before its message is known. Most messages are smaller; for others it
/// grows. tonic's own 8 KiB for every message would cost more than all else that is done with it,
/// and what is decoded keeps the whole buffer as long as it lives.
const ROOM: usize = 512;
/// When the messages of a stream that wait together go out, in bytes; tonic's own value.
const ENOUGH: usize = 32 << 10;

/// tonic-prost's codec with [`ROOM`].
#[derive(Debug)]
pub(crate) struct FittingCodec<T, U>(PhantomData<(T, U)>);

/// Makes room for a message at once, not by doubling.
#[derive(Debug)]
pub(crate) struct FittingEncoder<T>(ProstEncoder<T>);

impl<T, U> Default for FittingCodec<T, U> {
    fn default() -> Self {
        FittingCodec(PhantomData)
    }
}

impl<T, U> Codec for FittingCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = FittingEncoder<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        FittingEncoder(ProstCodec::<T, U>::raw_encoder(buffer_settings()))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::raw_decoder(buffer_settings())
    }
}

impl<T: Message> Encoder for FittingEncoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, message: T, target: &mut EncodeBuf<'_>) -> Result<(), Status> {
        target.reserve(message.encoded_len());
        self.0.encode(message, target)
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
    }
}

/// The buffers that messages are read from and written to, for codecs of one's own too.
pub fn buffer_settings() -> BufferSettings {
    BufferSettings::new(ROOM, ENOUGH)
}
