//! The log's files: how they are named, begun, and used again.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::{Errno, retry_on_intr};

use super::contents::Segment;
use super::conversion;
use crate::Error;

/// Bytes of a segment, unless a single group takes more. All of them are set aside when it begins,
/// so that a sync need not write down where they are.
pub(super) const SEGMENT_BYTES: u64 = 16 << 20;

const LOCK: &str = "LOCK";
/// What the root of a file system may hold before anybody writes to it.
const MOUNTED: &str = "lost+found";
const SEGMENT: &str = "segment";
const SPARE: &str = "spare";
/// Files that wait to be used again: writing to one costs less than to a new one.
const SPARES: usize = 2;

/// The directory of one log, which is locked while it exists.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// Whether what must survive a crash of the machine is synced.
    sync: bool,
    spares: Vec<PathBuf>,
    _lock: File,
}

impl Directory {
    /// # Errors
    /// `InUse` by another process, `Foreign` when others' files are in it, or `Io`.
    pub(super) fn open(path: &Path, sync: bool) -> Result<Directory, Error> {
        std::fs::create_dir_all(path).map_err(|error| Error::from_io(path, &error))?;
        let list = || names(path).map_err(|error| Error::from_io(path, &error));
        refuse_foreign(path, &list()?)?;
        let lock = lock(path)?;
        // Until then another process may have used some of them.
        let names = list()?;
        let spares = names.iter().filter(|name| matches!(parse(name), Some((_, false))));
        let spares = spares.map(|name| path.join(name)).collect();
        Ok(Directory { path: path.to_owned(), sync, spares, _lock: lock })
    }

    /// The numbers of the segments, ascending.
    pub(super) fn segments(&self) -> Result<Vec<u64>, Error> {
        let names = names(&self.path).map_err(|error| self.error(&error))?;
        let mut numbers: Vec<_> = names
            .iter()
            .filter_map(|name| parse(name).filter(|(_, is_segment)| *is_segment))
            .map(|(number, _)| number)
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn segment_path(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:016x}.{SEGMENT}"))
    }

    /// An existing segment.
    pub(super) fn open_segment(&self, number: u64) -> Result<Segment, Error> {
        let path = self.segment_path(number);
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = file.map_err(|error| Error::from_io(&path, &error))?;
        Ok(Segment { number, file: Arc::new(file) })
    }

    /// A segment to be written from its beginning on; what is in it counts for nothing.
    pub(super) fn begin_segment(&mut self, number: u64) -> Result<Segment, Error> {
        let path = self.segment_path(number);
        let error_here = |error: io::Error| Error::from_io(&path, &error);
        if let Some(spare) = self.spares.pop() {
            std::fs::rename(spare, &path).map_err(error_here)?;
        } else {
            let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path);
            file.and_then(|file| set_aside(&file)).map_err(error_here)?;
        }
        self.sync_names()?;
        self.open_segment(number)
    }

    /// Has on disk what an earlier process wrote and perhaps did not sync. It is written again: when a
    /// disk refuses to take something, the system says so once, and shows it as written from then on.
    pub(super) fn keep(&self, segment: &Segment, bytes: &[u8], offset: u64) -> Result<(), Error> {
        if !self.sync {
            return Ok(());
        }
        let file = &segment.file;
        let kept = file.write_all_at(bytes, offset).and_then(|()| file.sync_all());
        kept.map_err(|error| Error::from_io(&self.segment_path(segment.number), &error))
    }

    /// Drops all from `offset` on, so that nothing of it is ever taken for what is written there next.
    pub(super) fn cut(&self, segment: &Segment, offset: u64) -> Result<(), Error> {
        let file = &segment.file;
        let cut = file.set_len(offset).and_then(|()| set_aside(file));
        cut.map_err(|error| Error::from_io(&self.segment_path(segment.number), &error))
    }

    /// Puts a segment that holds nothing any more aside to be used again, or removes it.
    pub(super) fn retire(&mut self, segment: Segment) -> Result<(), Error> {
        let Segment { number, file } = segment;
        let path = self.segment_path(number);
        // A larger one held a group of unusual size.
        let is_usual = file.metadata().is_ok_and(|metadata| metadata.size() == SEGMENT_BYTES);
        let is_read = Arc::into_inner(file).is_none();
        if is_usual && !is_read && self.spares.len() < SPARES {
            let spare = path.with_extension(SPARE);
            std::fs::rename(&path, &spare).map_err(|error| Error::from_io(&path, &error))?;
            self.spares.push(spare);
            return Ok(());
        }
        self.remove(number)
    }

    pub(super) fn remove(&self, number: u64) -> Result<(), Error> {
        let path = self.segment_path(number);
        std::fs::remove_file(&path).map_err(|error| Error::from_io(&path, &error))
    }

    fn sync_names(&self) -> Result<(), Error> {
        if !self.sync {
            return Ok(());
        }
        let synced = File::open(&self.path).and_then(|directory| directory.sync_all());
        synced.map_err(|error| self.error(&error))
    }

    fn error(&self, error: &io::Error) -> Error {
        Error::from_io(&self.path, error)
    }
}

/// Somebody else's files, and none of a log.
fn refuse_foreign(path: &Path, names: &[String]) -> Result<(), Error> {
    let is_ours = |name: &String| parse(name).is_some() || name == conversion::CURRENT;
    if names.iter().any(is_ours) {
        return Ok(());
    }
    match names.iter().find(|name| ![LOCK, MOUNTED].contains(&&***name)) {
        Some(other) => Err(Error::foreign(path, format!("found {other:?}"))),
        None => Ok(()),
    }
}

fn names(path: &Path) -> io::Result<Vec<String>> {
    std::fs::read_dir(path)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}

/// A file's number, and whether it is a segment or a spare one.
fn parse(name: &str) -> Option<(u64, bool)> {
    let (number, kind) = name.split_once('.')?;
    let is_segment = match kind {
        SEGMENT => true,
        SPARE => false,
        _ => return None,
    };
    (number.len() == 16).then(|| u64::from_str_radix(number, 16).ok())?.zip(Some(is_segment))
}

/// The system lets go of the lock when the process ends, however it does.
fn lock(directory: &Path) -> Result<File, Error> {
    let path = directory.join(LOCK);
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(|error| Error::from_io(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Error::InUse { path: directory.display().to_string() })
        }
        Err(TryLockError::Error(error)) => Err(Error::from_io(&path, &error)),
    }
}

/// Gives a file its whole length, with room on the disk for it where the file system can do that.
fn set_aside(file: &File) -> io::Result<()> {
    // A signal may end it early: those of a profile of processor time come a hundred times a second.
    match retry_on_intr(|| fallocate(file, FallocateFlags::empty(), 0, SEGMENT_BYTES)) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
            let len = file.metadata()?.len();
            if len < SEGMENT_BYTES { file.set_len(SEGMENT_BYTES) } else { Ok(()) }
        }
        done => done.map_err(io::Error::from),
    }
}
