//! A file of rows: blocks end to end, never changed once they are written.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::block::{self, Block, HEADER, Header, ROW_HEADER, Rows};
use super::key::RowKey;
use super::part::Part;
use super::record::Record;
use crate::Error;

/// A file that is not smaller is closed, and another one begun.
pub(super) const FILE_BYTES: u32 = 32 << 20;

const PREFIX: &str = "revisions-";

/// One of the files, by its number.
#[derive(Debug)]
pub(crate) struct RowFile {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    file: File,
}

impl RowFile {
    pub(super) fn create(directory: &Path, number: u64) -> Result<RowFile, Error> {
        let mut options = OpenOptions::new();
        options.create_new(true).read(true).write(true);
        RowFile::with(directory, number, &options)
    }

    pub(super) fn open(directory: &Path, number: u64) -> Result<RowFile, Error> {
        RowFile::with(directory, number, OpenOptions::new().read(true).write(true))
    }

    fn with(directory: &Path, number: u64, options: &OpenOptions) -> Result<RowFile, Error> {
        let path = directory.join(name(number));
        let file = options.open(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::damaged(&path, "the file is missing"),
            _ => Error::from_io(&path, &error),
        })?;
        Ok(RowFile { number, path, file })
    }

    pub(super) fn write(&self, bytes: &[u8], offset: u32) -> Result<(), Error> {
        let written = self.file.write_all_at(bytes, u64::from(offset));
        written.map_err(|error| Error::from_io(&self.path, &error))
    }

    pub(super) fn read(&self, bytes: &mut [u8], offset: u32) -> Result<(), Error> {
        let read = self.file.read_exact_at(bytes, u64::from(offset));
        read.map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => Error::damaged(&self.path, "its end is missing"),
            _ => Error::from_io(&self.path, &error),
        })
    }

    pub(super) fn sync(&self) -> Result<(), Error> {
        self.file.sync_data().map_err(|error| Error::from_io(&self.path, &error))
    }

    /// Makes it appear in another directory, too; where the file system cannot do that, as a copy.
    pub(super) fn link(&self, directory: &Path) -> Result<(), Error> {
        let path = directory.join(name(self.number));
        let copy = || fs::copy(&self.path, &path).and_then(|_| File::open(&path)?.sync_all());
        let linked = fs::hard_link(&self.path, &path).or_else(|_| copy());
        linked.map_err(|error| Error::from_io(&path, &error))
    }

    /// Drops all but the first `bytes`.
    pub(super) fn cut(&self, bytes: u32) -> Result<(), Error> {
        let len = self.file.metadata().map(|metadata| metadata.len());
        let cut = len.and_then(|len| match len > u64::from(bytes) {
            true => self.file.set_len(u64::from(bytes)),
            false => Ok(()),
        });
        cut.map_err(|error| Error::from_io(&self.path, &error))
    }

    /// Whoever has it open may go on reading.
    pub(crate) fn remove(&self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "could not remove old revisions");
        }
    }

    /// The rows of the block at `offset`, which `block` is all of.
    pub(super) fn open_block<'b>(&self, block: &'b [u8], offset: u32) -> Result<&'b [u8], Error> {
        block::open(block, self.number, offset).ok_or_else(|| {
            Error::damaged(&self.path, format!("what was written at byte {offset} is unreadable"))
        })
    }

    /// Finds the blocks in as much of it as counts.
    pub(super) fn part(self, record: Record) -> Result<Part, Error> {
        let Record { bytes, rows, removed, .. } = record;
        let damaged = |reason: String| Error::damaged(&self.path, reason);
        let there = self.file.metadata().map_err(|error| Error::from_io(&self.path, &error))?.len();
        if there < u64::from(bytes) {
            return Err(damaged(format!("it had {bytes} bytes and has {there}")));
        }
        let mut blocks: Vec<Block> = Vec::new();
        let (mut offset, mut row) = (0, 0_u32);
        while offset < bytes {
            let found = self.read_beginning(offset, bytes)?;
            let ascends = |first: &RowKey| blocks.last().is_none_or(|last| last.first < *first);
            let Some((header, first)) = found.filter(|(_, first)| ascends(first)) else {
                return Err(damaged(format!("byte {offset} begins no block of rows")));
            };
            blocks.push(Block { first, offset, row });
            row = row.saturating_add(header.rows);
            offset += header.len + HEADER as u32;
        }
        if row != rows {
            return Err(damaged(format!("it had {rows} rows and has {row}")));
        }
        Ok(Part { file: self.into(), blocks: blocks.into(), removed: removed.into(), bytes, rows })
    }

    /// The header of the block at `offset` and its first row's key; nothing if it reaches beyond `end`.
    fn read_beginning(&self, offset: u32, end: u32) -> Result<Option<(Header, RowKey)>, Error> {
        let mut bytes = [0; HEADER + ROW_HEADER + RowKey::BYTES_MAX];
        let left = usize::try_from(end - offset).unwrap_or(usize::MAX);
        let there = left.min(bytes.len());
        self.read(&mut bytes[..there], offset)?;
        let Some((header, row)) = bytes.split_first_chunk::<HEADER>() else { return Ok(None) };
        let header = Header::read(header);
        let is_within = header
            .len
            .checked_add(HEADER as u32)
            .and_then(|len| len.checked_add(offset))
            .is_some_and(|block_end| block_end <= end);
        let key = Rows::first_key(row).and_then(RowKey::new);
        Ok(key.filter(|_| is_within).map(|key| (header, key)))
    }
}

pub(super) fn name(number: u64) -> String {
    format!("{PREFIX}{number:016x}")
}

/// The number of a file with this name, if it is one.
pub(super) fn parse_name(name: &str) -> Option<u64> {
    u64::from_str_radix(name.strip_prefix(PREFIX)?, 16).ok()
}
