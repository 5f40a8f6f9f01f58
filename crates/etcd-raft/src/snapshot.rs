//! A whole state on its way to a member that is too far behind for entries.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use etcd_figures::Lap;
use etcd_proto::raftpb::snapshot_chunk::Part;
use etcd_proto::raftpb::{Message, SnapshotChunk, SnapshotEnd, SnapshotFile};
use etcd_storage::Storage;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, Streaming};

use crate::link::{Connect, Route, admitted, client};
use crate::openraft_types::Vote;
use crate::reservation::Reservation;
use crate::{Applied, Figures, codec};

/// Bytes of a file that travel in one message.
const CHUNK_BYTES: usize = 256 << 10;
/// Chunks read and not yet sent: what a snapshot takes of memory, in chunks.
const CHUNKS_IN_FLIGHT: usize = 4;

/// The files of a snapshot: none yet on the member that has the state, since a checkpoint is only
/// made when another member needs it; a directory on the member that received them.
#[derive(Debug)]
pub(crate) enum SnapshotFiles {
    /// To be made from the state as it is when it is sent. The entries after the position that raft
    /// knows it by are reserved, since that is where it goes on.
    Deferred(Reservation),
    /// Received, checked and complete.
    Received(Scratch),
}

/// A directory that goes with its owner, unless it was moved elsewhere before.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Gone already once installed. After a failure the next start removes what is left.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Why a snapshot was not sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error(transparent)]
    Raft(#[from] crate::Error),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{}", .0.message())]
    Peer(#[from] Status),
}

/// Makes a checkpoint of the state as it is now, sends it, and answers what the member said once it
/// had installed it.
pub(crate) async fn send(
    storage: &Storage,
    vote: &Vote,
    route: &Route,
    connect: &Connect,
) -> Result<Message, SendError> {
    let from = storage.clone();
    let directory = scratch_directory(storage, "sending");
    let (scratch, applied) = blocking(move || {
        from.checkpoint(&directory).map_err(crate::Error::from)?;
        let scratch = Scratch(directory);
        let applied = Applied::load_checkpoint(&scratch.0)?;
        Ok::<_, SendError>((scratch, applied))
    })
    .await?;
    let header = Message {
        from: route.from.0,
        to: route.to.0,
        ..codec::snapshot_to_wire(vote, applied.position)
    };
    let index = applied.position.index;
    tracing::info!(peer = %route.to, index, "sending database snapshot");
    let (chunks, stream) = mpsc::channel(CHUNKS_IN_FLIGHT);
    let reading = tokio::task::spawn_blocking(move || {
        let read = read_files(header, &scratch.0, &chunks);
        drop(scratch);
        read
    });
    let request = admitted(Request::new(ReceiverStream::new(stream)), route);
    let channel = connect(&route.urls.current()).map_err(Status::unavailable)?;
    let answer = client(channel).snapshot(request).await;
    let answer = answer.inspect_err(|status| route.note_refusal(status))?;
    let bytes = reading.await.map_err(std::io::Error::other)??;
    tracing::info!(peer = %route.to, index, bytes, "sent database snapshot");
    Ok(answer.into_inner())
}

/// Sends the files of `directory` and answers how many bytes they hold. Ends early, without error,
/// when the receiver has gone: the call itself then says why.
fn read_files(
    header: Message,
    directory: &Path,
    chunks: &mpsc::Sender<SnapshotChunk>,
) -> std::io::Result<u64> {
    let send = |part| chunks.blocking_send(SnapshotChunk { part: Some(part) }).is_ok();
    let mut bytes = 0;
    let mut checksum = 0;
    if !send(Part::Header(header)) {
        return Ok(bytes);
    }
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let mut file = std::fs::File::open(entry.path())?;
        let size = file.metadata()?.len();
        if !send(Part::File(SnapshotFile { name, size })) {
            return Ok(bytes);
        }
        loop {
            let mut chunk = Vec::with_capacity(CHUNK_BYTES);
            let read = (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
            if read == 0 {
                break;
            }
            bytes += read as u64;
            checksum = crc32c::crc32c_append(checksum, &chunk);
            if !send(Part::Data(Bytes::from(chunk))) {
                return Ok(bytes);
            }
        }
    }
    send(Part::End(SnapshotEnd { crc32c: checksum, bytes }));
    Ok(bytes)
}

/// Receives a snapshot into a directory beside the state, complete and checked.
pub(crate) async fn receive(
    storage: &Storage,
    figures: &Arc<Figures>,
    mut chunks: Streaming<SnapshotChunk>,
) -> Result<(Message, Applied, SnapshotFiles), Status> {
    let begun = Lap::begin();
    let header = match chunks.message().await?.and_then(|chunk| chunk.part) {
        Some(Part::Header(header)) => header,
        _ => return Err(Status::invalid_argument("a snapshot starts with its header")),
    };
    let directory = scratch_directory(storage, "receiving");
    let scratch = Scratch(directory);
    let (parts, mut received) = mpsc::channel::<Part>(CHUNKS_IN_FLIGHT);
    let timed = figures.clone();
    let writing = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&scratch.0)?;
        let mut writer = Writer::new(&scratch.0, &timed);
        while let Some(part) = received.blocking_recv() {
            writer.write(part)?;
        }
        writer.finish()?;
        Ok::<_, std::io::Error>(scratch)
    });
    while let Some(chunk) = chunks.message().await? {
        let Some(part) = chunk.part else { continue };
        if parts.send(part).await.is_err() {
            // The writer failed, and says why below.
            break;
        }
    }
    drop(parts);
    let written = writing.await.map_err(|error| Status::internal(error.to_string()))?;
    let scratch = written.map_err(|error| Status::internal(error.to_string()))?;
    figures.snapshot_saves.note_time(begun.so_far());
    let loaded = blocking(move || (Applied::load_checkpoint(&scratch.0), scratch)).await;
    let (applied, scratch) = loaded;
    let applied = applied.map_err(|error| Status::internal(error.to_string()))?;
    Ok((header, applied, SnapshotFiles::Received(scratch)))
}

/// Writes the parts of a snapshot to files, and checks that they are all there and unchanged.
struct Writer<'d> {
    directory: &'d Path,
    figures: &'d Figures,
    file: Option<(std::fs::File, u64)>,
    bytes: u64,
    checksum: u32,
    complete: bool,
}

impl<'d> Writer<'d> {
    fn new(directory: &'d Path, figures: &'d Figures) -> Writer<'d> {
        Writer { directory, figures, file: None, bytes: 0, checksum: 0, complete: false }
    }

    fn write(&mut self, part: Part) -> std::io::Result<()> {
        match part {
            Part::Header(_) => Err(invalid("a second header")),
            Part::File(file) => self.start(&file),
            Part::Data(data) => {
                let (file, left) = self.file.as_mut().ok_or_else(|| invalid("data of no file"))?;
                *left = left
                    .checked_sub(data.len() as u64)
                    .ok_or_else(|| invalid("a file longer than announced"))?;
                self.bytes += data.len() as u64;
                self.checksum = crc32c::crc32c_append(self.checksum, &data);
                file.write_all(&data)
            }
            Part::End(end) => {
                self.close()?;
                if (end.bytes, end.crc32c) != (self.bytes, self.checksum) {
                    return Err(invalid("a wrong checksum"));
                }
                self.complete = true;
                Ok(())
            }
        }
    }

    fn start(&mut self, file: &SnapshotFile) -> std::io::Result<()> {
        self.close()?;
        // A name is a plain file name: nothing outside the directory may be written.
        let plain = Path::new(&file.name).file_name().is_some_and(|name| name == &file.name[..]);
        if !plain {
            return Err(invalid("a file name with a path"));
        }
        let created = std::fs::File::create_new(self.directory.join(&file.name))?;
        self.file = Some((created, file.size));
        Ok(())
    }

    fn close(&mut self) -> std::io::Result<()> {
        match self.file.take() {
            Some((file, 0)) => {
                let begun = Lap::begin();
                file.sync_all()?;
                self.figures.snapshot_syncs.note_time(begun.so_far());
                Ok(())
            }
            Some(_) => Err(invalid("a file shorter than announced")),
            None => Ok(()),
        }
    }

    fn finish(self) -> std::io::Result<()> {
        if !self.complete {
            return Err(invalid("no end"));
        }
        std::fs::File::open(self.directory)?.sync_all()
    }
}

fn invalid(what: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, format!("the snapshot has {what}"))
}

/// A name that no other snapshot on its way uses.
fn scratch_directory(storage: &Storage, what: &str) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    storage.scratch_directory(&format!("{what}-{number}"))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let work = tokio::task::spawn_blocking(work);
    work.await.expect("the work does not panic and is not cancelled")
}
