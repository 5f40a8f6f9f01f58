//! The stream of a snapshot: the state as a file of etcd's, made while it is sent.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use etcd_figures::Lap;
use etcd_proto::etcdserverpb::SnapshotResponse;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::{Api, Error};

/// The most bytes of the file in a message (etcd's number).
const CHUNK_BYTES: usize = 32 << 10;
/// Messages made ahead of a client that reads slowly.
const MESSAGES_AHEAD: usize = 4;

/// What a call of Snapshot answers with.
pub(crate) type Messages = ReceiverStream<Result<SnapshotResponse, Status>>;

/// Sends the state of this moment, as fast as the client takes it. Nothing is written to disk and
/// no write waits: the storage keeps what is replaced meanwhile until the stream ends.
pub(crate) fn start(api: Arc<Api>) -> Messages {
    let (sender, messages) = mpsc::channel(MESSAGES_AHEAD);
    tokio::task::spawn_blocking(move || {
        let begun = Lap::begin();
        let sent = send(&api, &sender);
        if sent.is_ok() {
            api.views.figures.copies.note_time(begun.so_far());
        }
        tell(sent, &sender);
    });
    ReceiverStream::new(messages)
}

fn tell(
    sent: Result<u64, etcd_apply::Error>,
    sender: &mpsc::Sender<Result<SnapshotResponse, Status>>,
) {
    match sent {
        Ok(bytes) => tracing::info!(bytes, "sent a snapshot to a client"),
        Err(_) if sender.is_closed() => tracing::info!("a client left before its snapshot's end"),
        Err(error) => {
            // The client may leave just now: then nobody is left to tell.
            let _ = sender.blocking_send(Err(Error::from(error).into()));
        }
    }
}

fn send(
    api: &Api,
    sender: &mpsc::Sender<Result<SnapshotResponse, Status>>,
) -> Result<u64, etcd_apply::Error> {
    api.views.buckets(|buckets| {
        let layout = buckets.measure()?;
        let version = buckets.storage_version().unwrap_or_default().to_owned();
        let mut chunks = Chunks::new(sender, layout.byte_size(), version);
        buckets.write(layout, &mut chunks)?;
        chunks.finish().map_err(etcd_bolt::Error::from)?;
        Ok(layout.byte_size())
    })
}

/// Cuts the file into messages.
struct Chunks<'s> {
    sender: &'s mpsc::Sender<Result<SnapshotResponse, Status>>,
    /// Bytes of the file that no message has brought yet.
    remaining: u64,
    version: String,
    digest: Sha256,
    buffer: BytesMut,
}

impl<'s> Chunks<'s> {
    fn new(
        sender: &'s mpsc::Sender<Result<SnapshotResponse, Status>>,
        remaining: u64,
        version: String,
    ) -> Chunks<'s> {
        let digest = Sha256::new();
        Chunks { sender, remaining, version, digest, buffer: BytesMut::new() }
    }

    /// Sends what is left, and the digest over everything as a message of its own.
    fn finish(mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.send_buffer()?;
        }
        let digest = Bytes::copy_from_slice(&self.digest.finalize_reset());
        self.send(digest)
    }

    fn send_buffer(&mut self) -> io::Result<()> {
        let blob = self.buffer.split().freeze();
        self.digest.update(&blob);
        self.remaining -= blob.len() as u64;
        self.send(blob)
    }

    fn send(&self, blob: Bytes) -> io::Result<()> {
        let (remaining_bytes, version) = (self.remaining, self.version.clone());
        let message = SnapshotResponse { header: None, remaining_bytes, blob, version };
        let sent = self.sender.blocking_send(Ok(message));
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl io::Write for Chunks<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.reserve(CHUNK_BYTES - self.buffer.len());
        let taken = bytes.len().min(CHUNK_BYTES - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == CHUNK_BYTES {
            self.send_buffer()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
