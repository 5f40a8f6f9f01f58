//! The one who writes: new rows, and what a flush must know.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;

use super::block::{BLOCK_BYTES, Rows};
use super::contents::{Contents, Found};
use super::file::{FILE_BYTES, RowFile};
use super::key::RowKey;
use super::packer::Packer;
use super::part::Part;
use crate::Error;

/// Adds to the contents. There is one, and whoever changes the contents holds it.
#[derive(Debug)]
pub(crate) struct Appender {
    directory: PathBuf,
    contents: Arc<RwLock<Contents>>,
    /// The number of the next file.
    next: u64,
    /// The key of the newest row.
    newest: Option<RowKey>,
    packer: Packer,
    unsynced: Unsynced,
    /// Files of which a flush must put down anew what is in them.
    pub(super) changed: BTreeSet<u64>,
    /// Files without any row that counts, which the last flush may still need.
    pub(super) obsolete: Vec<Arc<RowFile>>,
    /// How many times anything changed since ever.
    pub(super) changes: u64,
}

/// What was written and not synced.
#[derive(Debug, Default)]
pub(crate) struct Unsynced {
    files: Vec<Arc<RowFile>>,
    /// Bytes that were written.
    pub(crate) bytes: usize,
    /// The directory that has new files.
    directory: Option<PathBuf>,
}

impl Unsynced {
    pub(crate) fn sync(self) -> Result<(), Error> {
        self.files.iter().try_for_each(|file| file.sync())?;
        let Some(directory) = self.directory else { return Ok(()) };
        let synced = File::open(&directory).and_then(|names| names.sync_all());
        synced.map_err(|error| Error::from_io(&directory, &error))
    }

    fn add(&mut self, file: &Arc<RowFile>, bytes: usize) {
        self.bytes += bytes;
        if !self.files.iter().any(|known| known.number == file.number) {
            self.files.push(file.clone());
        }
    }
}

impl Appender {
    pub(super) fn new(
        directory: &Path,
        contents: Arc<RwLock<Contents>>,
        next: u64,
        changes: u64,
    ) -> Result<Appender, Error> {
        let newest = contents.read().newest()?;
        let (packer, unsynced) = (Packer::default(), Unsynced::default());
        let (changed, obsolete) = (BTreeSet::new(), Vec::new());
        let directory = directory.to_owned();
        Ok(Appender {
            directory,
            contents,
            next,
            newest,
            packer,
            unsynced,
            changed,
            obsolete,
            changes,
        })
    }

    /// Adds rows, each of which comes after all that are there.
    ///
    /// # Errors
    /// `Io` when one does not, or when the disk fails: the caller must stop the process.
    pub(crate) fn append(&mut self, rows: &[u8]) -> Result<(), Error> {
        if rows.is_empty() {
            return Ok(());
        }
        self.check_order(rows)?;
        self.changes += 1;
        let mut left = rows;
        while !left.is_empty() {
            left = self.append_some(left)?;
        }
        Ok(())
    }

    fn check_order(&mut self, rows: &[u8]) -> Result<(), Error> {
        let before = self.newest;
        let mut newest = before.as_ref().map(RowKey::as_bytes);
        for row in Rows::of(rows) {
            if newest.is_some_and(|newest| row.key <= newest) {
                let reason = "a revision's row was put before the newest one".to_owned();
                return Err(Error::Io { path: self.directory.display().to_string(), reason });
            }
            newest = Some(row.key);
        }
        self.newest = newest.and_then(RowKey::new);
        Ok(())
    }

    /// Adds as many as the open file has room for, and returns the others.
    fn append_some<'r>(&mut self, rows: &'r [u8]) -> Result<&'r [u8], Error> {
        let contents = self.contents.clone();
        let (open, pending) = {
            let contents = contents.read();
            (contents.open.clone(), contents.pending.clone())
        };
        let Some(open) = open else {
            contents.write().open = Some(Part::empty(Arc::new(self.create()?)));
            return Ok(rows);
        };
        if pending.len() + rows.len() < BLOCK_BYTES {
            drop(pending);
            let contents = &mut *contents.write();
            Arc::make_mut(&mut contents.pending).extend_from_slice(rows);
            contents.pending_rows += number_of(rows);
            return Ok(&[]);
        }
        self.packer.begin(open.file.number, open.bytes, open.rows);
        Rows::of(&pending).for_each(|row| self.packer.push(row));
        let mut left = Rows::of(rows);
        while self.packer.end() < FILE_BYTES
            && let Some(row) = left.next()
        {
            self.packer.push(row);
        }
        self.write(open)?;
        Ok(left.rest())
    }

    /// Writes the packer's blocks and shows them to readers; its other rows go on waiting, unless the
    /// file is full.
    fn write(&mut self, mut open: Part) -> Result<(), Error> {
        let is_full = self.packer.end() >= FILE_BYTES;
        if is_full {
            self.packer.end_block();
        }
        let (blocks, pending, pending_rows) = self.packer.parts();
        open.file.write(blocks, open.bytes)?;
        self.unsynced.add(&open.file, blocks.len());
        self.changed.insert(open.file.number);
        let pending = Arc::new(pending.to_vec());
        let mut contents = self.contents.write();
        // The readers' copy apart, it is the only one.
        contents.open = None;
        Arc::make_mut(&mut open.blocks).append(&mut self.packer.blocks);
        (open.bytes, open.rows) = (self.packer.end(), self.packer.row);
        contents.open = Some(open);
        (contents.pending, contents.pending_rows) = (pending, pending_rows);
        if is_full {
            contents.close();
        }
        Ok(())
    }

    /// Has all rows in blocks, for a flush.
    pub(crate) fn end_block(&mut self) -> Result<(), Error> {
        let (open, pending) = {
            let contents = self.contents.read();
            (contents.open.clone(), contents.pending.clone())
        };
        let Some(open) = open.filter(|_| !pending.is_empty()) else { return Ok(()) };
        self.packer.begin(open.file.number, open.bytes, open.rows);
        Rows::of(&pending).for_each(|row| self.packer.push(row));
        self.packer.end_block();
        self.write(open)
    }

    /// Has nothing added to the files that there are.
    pub(crate) fn end_file(&mut self) -> Result<(), Error> {
        self.end_block()?;
        self.contents.write().close();
        Ok(())
    }

    /// A file of the next number.
    pub(super) fn create(&mut self) -> Result<RowFile, Error> {
        let file = RowFile::create(&self.directory, self.next)?;
        self.next += 1;
        self.unsynced.directory = Some(self.directory.clone());
        Ok(file)
    }

    /// Marks rows as removed.
    pub(crate) fn remove(&mut self, found: &[Found]) {
        if found.is_empty() {
            return;
        }
        self.changes += 1;
        self.changed.extend(found.iter().map(|found| found.file));
        self.contents.write().remove(found);
    }

    /// Puts one part, or nothing, where closed parts have been.
    pub(super) fn replace(&mut self, files: &[u64], part: Option<Part>) {
        let mut contents = self.contents.write();
        let closed = Arc::make_mut(&mut contents.closed);
        let Some(first) = closed.iter().position(|old| old.file.number == files[0]) else { return };
        if let Some(part) = &part {
            self.unsynced.add(&part.file, usize::try_from(part.bytes).unwrap_or(usize::MAX));
            self.changed.insert(part.file.number);
        }
        let old = closed.splice(first..first + files.len(), part);
        self.obsolete.extend(old.map(|part| part.file));
        self.changed.retain(|number| !files.contains(number));
        self.newest = self.newest.filter(|_| contents.parts().next().is_some());
    }

    /// Everything as it is.
    pub(crate) fn contents(&self) -> Contents {
        self.contents.read().clone()
    }

    /// Files to be removed once a flush has put down that they are not needed.
    pub(crate) fn take_obsolete(&mut self) -> Vec<Arc<RowFile>> {
        std::mem::take(&mut self.obsolete)
    }

    /// How many of them there are.
    pub(crate) fn obsolete(&self) -> usize {
        self.obsolete.len()
    }

    /// Bytes that a flush must sync.
    pub(crate) fn unsynced_bytes(&self) -> usize {
        self.unsynced.bytes
    }

    /// Files that a flush must sync.
    pub(crate) fn take_unsynced(&mut self) -> Unsynced {
        std::mem::take(&mut self.unsynced)
    }
}

impl Contents {
    /// Nothing is added to the open part any more, if it has anything.
    fn close(&mut self) {
        // They have their numbers as rows of this part, and go into no other.
        assert!(self.pending.is_empty(), "rows wait for the file that is closed");
        if let Some(open) = self.open.take_if(|open| !open.blocks.is_empty()) {
            Arc::make_mut(&mut self.closed).push(open);
        }
    }
}

fn number_of(rows: &[u8]) -> u32 {
    u32::try_from(Rows::of(rows).count()).expect("a block has few rows")
}
