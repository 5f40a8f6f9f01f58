//! The raft log: one writer thread, one sync for all that waits.
//!
//! Entries come in order and go in order, so they lie one after the other in segment files of a
//! fixed size. Entries that were purged take their segments with them, which are then written anew
//! from their beginning. That is less to copy and to sync than in any table.

mod contents;
mod conversion;
mod directory;
mod frame;
mod queue;
mod recovery;
mod writer;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use parking_lot::RwLock;

use crate::{Error, LogFigures};
use contents::Contents;
use directory::Directory;
pub use queue::{Done, LogOperation};
use queue::{LogQueue, Submission};
use writer::Writer;

/// How the log is written.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// Whether a write reaches the disk before it is reported done. Only ever `false` by the user's
    /// explicit wish (`--unsafe-no-fsync`): a power failure may then lose acknowledged writes.
    pub sync: bool,
}

impl Default for LogOptions {
    fn default() -> LogOptions {
        LogOptions { sync: true }
    }
}

/// The raft log of one member in files of its own.
///
/// Operations take effect in the order of their submission. Those with a [`Done`] are synced before
/// it is called; those without ride along with the next sync, or are written unsynced soon after.
pub struct Log {
    path: PathBuf,
    contents: Arc<RwLock<Contents>>,
    queue: Arc<LogQueue>,
    figures: Arc<LogFigures>,
    /// `None` only while dropping.
    writer: Option<JoinHandle<()>>,
}

impl Log {
    /// Opens the log in `directory`, or makes an empty one.
    ///
    /// A write that was under way when the process died is dropped: it was never reported done.
    ///
    /// # Errors
    /// `InUse`, `Foreign`, `Damaged` (anything that was written is unreadable, unless it was the
    /// very last) or `Io`.
    pub fn open(directory: &Path, options: &LogOptions) -> Result<Log, Error> {
        let files = Directory::open(directory, options.sync)?;
        let (queue, figures) = (Arc::new(LogQueue::default()), Arc::new(LogFigures::default()));
        let (writer, contents) = Writer::open(files, options.sync, figures.clone())?;
        let submissions = queue.clone();
        let writer = std::thread::Builder::new()
            .name("raft-log".to_owned())
            .spawn(move || writer.run(&submissions))
            .map_err(|error| Error::from_io(directory, &error))?;
        Ok(Log { path: directory.to_owned(), contents, queue, figures, writer: Some(writer) })
    }

    /// Hands operations to the writer thread and returns at once.
    pub fn submit(&self, operations: Vec<LogOperation>, done: Option<Done>) {
        self.queue.push(Submission { operations, done });
    }

    /// The indexes of the entries that have been written; empty when there is none.
    pub fn indexes(&self) -> Range<u64> {
        self.contents.read().indexes()
    }

    /// The records of `range` that have been written.
    ///
    /// # Errors
    /// `Damaged` when one of them is missing or is not what was written.
    pub fn read(&self, range: Range<u64>) -> Result<Vec<Bytes>, Error> {
        let contents = self.contents.read();
        let found: Vec<_> = range.map(|index| (index, contents.find(index))).collect();
        drop(contents);
        let records = found.into_iter().map(|(index, found)| {
            let damaged = |what| Error::damaged(&self.path, format!("entry {index} is {what}"));
            let record = found.ok_or_else(|| damaged("missing"))?.read();
            let record = record.map_err(|error| Error::from_io(&self.path, &error))?;
            record.ok_or_else(|| damaged("unreadable"))
        });
        records.collect()
    }

    /// The value of a named mark.
    pub fn mark(&self, name: &str) -> Option<Bytes> {
        self.contents.read().mark(name).cloned()
    }

    /// What it has counted and timed of its work since it was opened.
    pub fn figures(&self) -> &LogFigures {
        &self.figures
    }

    /// How many files there are.
    pub fn segments(&self) -> usize {
        self.contents.read().segments()
    }

    /// How many groups of operations wait to be written.
    pub fn queue_len(&self) -> usize {
        self.queue.len()
    }

    /// The directory, for messages about it.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Log").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take() {
            writer.join().expect("the writer thread does not panic");
        }
    }
}
