//! The thread that owns all writes of the log.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use etcd_figures::Lap;
use parking_lot::RwLock;

use super::contents::{Contents, Segment};
use super::conversion::{self, Row};
use super::directory::{Directory, SEGMENT_BYTES};
use super::frame::{END_BYTES, FrameWriter, Stamp};
use super::queue::{LogOperation, LogQueue};
use super::recovery::{End, recover};
use crate::{Error, LogFigures};

/// Bytes that one group commit may hold: more waiting operations go into the next one, so that the
/// first of them need not wait for a write of any length.
const GROUP_BYTES: usize = 4 << 20;

pub(super) struct Writer {
    directory: Directory,
    contents: Arc<RwLock<Contents>>,
    sync: bool,
    end: End,
    /// The number of the last frame that is known to be on disk; zero if none is.
    synced: u64,
    group: FrameWriter,
    /// Invariant: once a write failed, no later one is tried, or the log could have a gap.
    failed: Option<Error>,
    figures: Arc<LogFigures>,
}

impl Writer {
    /// Reads what is there and is ready to go on behind it.
    pub(super) fn open(
        directory: Directory,
        sync: bool,
        figures: Arc<LogFigures>,
    ) -> Result<(Writer, Arc<RwLock<Contents>>), Error> {
        let converts = conversion::is_due(directory.path());
        if converts {
            // It was begun before, and did not come to an end.
            directory.segments()?.into_iter().try_for_each(|number| directory.remove(number))?;
        }
        let recovered = recover(&directory)?;
        let contents = Arc::new(RwLock::new(recovered.contents));
        let mut end = recovered.end;
        let synced = end.frame;
        if end.frame == 0 {
            end.frame = Stamp::any_number();
        }
        let mut writer = Writer {
            directory,
            contents: contents.clone(),
            sync,
            end,
            synced,
            group: FrameWriter::default(),
            failed: None,
            figures,
        };
        if converts {
            writer.take_over()?;
        }
        Ok((writer, contents))
    }

    /// Writes down what an earlier version's log holds, and removes that.
    fn take_over(&mut self) -> Result<(), Error> {
        let path = self.directory.path().to_owned();
        tracing::info!(path = %path.display(), "taking over the raft log of an earlier version");
        self.group.clear();
        conversion::read(&path, |row| {
            match row {
                Row::Entry { index, record } => self.group.add_entry(index, &record),
                Row::Mark { name, value } => self.group.add_mark(&name, value),
            }
            if self.group.len() < GROUP_BYTES {
                return Ok(());
            }
            self.put_down()?;
            self.group.clear();
            Ok(())
        })?;
        let segment = self.put_down()?;
        self.synced(&segment)?;
        conversion::remove(&path).map_err(|error| Error::from_io(&path, &error))
    }

    pub(super) fn run(mut self, submissions: &LogQueue) {
        let mut waiting = Vec::new();
        while let Some(first) = submissions.wait() {
            let mut lap = Lap::begin();
            self.group.clear();
            let mut next = Some(first);
            let (mut purges, mut truncates) = (false, false);
            while let Some(submission) = next {
                for operation in submission.operations {
                    purges |= matches!(operation, LogOperation::PurgeThrough(_));
                    truncates |= matches!(operation, LogOperation::TruncateFrom(_));
                    self.group.add(operation);
                }
                waiting.extend(submission.done);
                next = (self.group.len() < GROUP_BYTES).then(|| submissions.next()).flatten();
            }
            // What was purged must stay gone once its files are, and what was truncated once the state
            // has what came instead.
            let syncs = purges || truncates || !waiting.is_empty();
            let result = self.unless_failed(|writer| writer.keep(syncs, &mut lap));
            for done in waiting.drain(..) {
                done(result.clone());
            }
            // If it fails, whoever writes next is told.
            if purges
                && result.is_ok()
                && let Err(error) = self.unless_failed(Writer::remove_obsolete)
            {
                tracing::warn!(%error, "what was purged of the raft log is still there");
            }
        }
    }

    fn unless_failed(
        &mut self,
        work: impl FnOnce(&mut Writer) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let done = work(self);
        self.failed = done.clone().err();
        done
    }

    /// Has the group written.
    fn keep(&mut self, syncs: bool, lap: &mut Lap) -> Result<(), Error> {
        self.figures.bytes.add(self.group.len() as u64);
        let segment = self.put_down()?;
        self.figures.groups.note_time(lap.end());
        if syncs {
            self.synced(&segment)?;
            self.figures.syncs.note_time(lap.end());
        }
        Ok(())
    }

    /// Removes the segments that hold nothing any more. First it is put down that they may be missing.
    fn remove_obsolete(&mut self) -> Result<(), Error> {
        let obsolete = self.contents.write().take_obsolete();
        let Some((segments, (name, value))) = obsolete else { return Ok(()) };
        self.group.clear();
        self.group.add_mark(name, value);
        let segment = self.put_down()?;
        self.synced(&segment)?;
        segments.into_iter().try_for_each(|segment| self.directory.retire(segment))
    }

    /// Writes the group where there is room for it, and says where that is.
    fn put_down(&mut self) -> Result<Segment, Error> {
        let segment = self.room()?;
        self.write(&segment)?;
        Ok(segment)
    }

    /// The segment into which the group goes.
    fn room(&mut self) -> Result<Segment, Error> {
        let wanted = self.end.offset + (self.group.whole_len() + END_BYTES) as u64;
        match self.end.segment.take() {
            Some(segment) if wanted <= SEGMENT_BYTES => {
                self.end.segment = Some(segment.clone());
                Ok(segment)
            }
            full => self.begin_segment(full),
        }
    }

    /// Ends a segment and begins the next. That the one is whole is on disk before the other is there.
    fn begin_segment(&mut self, full: Option<Segment>) -> Result<Segment, Error> {
        let group = std::mem::take(&mut self.group);
        if let Some(full) = full {
            self.group.clear();
            self.group.add_end();
            self.write(&full)?;
            self.synced(&full)?;
        }
        let segment = self.directory.begin_segment(self.end.number + 1)?;
        (self.end.number, self.end.offset) = (segment.number, 0);
        self.end.segment = Some(segment.clone());
        self.group.clear();
        let mut contents = self.contents.write();
        contents.push_segment(segment.clone());
        contents.marks().for_each(|(name, value)| self.group.add_mark(name, value.clone()));
        drop(contents);
        self.write(&segment)?;
        self.group = group;
        Ok(segment)
    }

    /// Writes the group at the end of a segment.
    fn write(&mut self, segment: &Segment) -> Result<(), Error> {
        let (number, offset) = (self.end.frame + 1, self.end.offset);
        let stamp = Stamp { segment: segment.number, number, synced: self.synced };
        let bytes = self.group.seal(stamp);
        let written = segment.file.write_all_at(bytes, offset);
        let len = bytes.len() as u64;
        written.map_err(|error| self.error(segment, &error))?;
        (self.end.frame, self.end.offset) = (number, offset + len);
        self.contents.write().apply(segment.number, offset, self.group.changes());
        Ok(())
    }

    fn synced(&mut self, segment: &Segment) -> Result<(), Error> {
        if self.sync {
            segment.file.sync_data().map_err(|error| self.error(segment, &error))?;
            self.synced = self.end.frame;
        }
        Ok(())
    }

    fn error(&self, segment: &Segment, error: &std::io::Error) -> Error {
        Error::from_io(&self.directory.segment_path(segment.number), error)
    }
}
