//! Which of several directories holds the state now: the atomic swap behind a snapshot's install.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::Error;

/// The file that names the current generation. Replaced by rename, so it is always whole.
const POINTER: &str = "generation";

/// The numbered directories of one store.
#[derive(Debug)]
pub(crate) struct Generations {
    root: PathBuf,
}

impl Generations {
    /// Looks at `root`, which is created when missing.
    pub(crate) fn open(root: &Path) -> Result<Generations, Error> {
        fs::create_dir_all(root).map_err(|error| Error::from_io(root, &error))?;
        Ok(Generations { root: root.to_owned() })
    }

    /// The number of the current generation: 1 when nothing was ever stored here.
    ///
    /// # Errors
    /// `Foreign` when the directory has contents but no pointer, `Damaged` when the pointer is no
    /// number or names a directory that is gone.
    pub(crate) fn current(&self) -> Result<u64, Error> {
        let pointer = self.root.join(POINTER);
        match fs::read_to_string(&pointer) {
            Ok(text) => {
                let number = text.trim().parse().map_err(|_| {
                    Error::damaged(&pointer, format!("{:?} is no generation number", text.trim()))
                })?;
                if !self.path(number).is_dir() {
                    let reason = format!("it names generation {number}, which is missing");
                    return Err(Error::damaged(&pointer, reason));
                }
                Ok(number)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.refuse_foreign()?;
                Ok(1)
            }
            Err(error) => Err(Error::from_io(&pointer, &error)),
        }
    }

    /// The directory of a generation.
    pub(crate) fn path(&self, number: u64) -> PathBuf {
        self.root.join(format!("{number:08}"))
    }

    /// Makes `number` the current generation, durably.
    pub(crate) fn point_to(&self, number: u64) -> Result<(), Error> {
        let next = self.root.join("generation.next");
        let write = || -> std::io::Result<()> {
            let mut file = fs::File::create(&next)?;
            writeln!(file, "{number}")?;
            file.sync_all()?;
            fs::rename(&next, self.root.join(POINTER))?;
            fs::File::open(&self.root)?.sync_all()
        };
        write().map_err(|error| Error::from_io(&next, &error))
    }

    /// Removes every generation but `number`: what an interrupted install left behind.
    pub(crate) fn remove_others(&self, number: u64) {
        let keep = self.path(number);
        for entry in fs::read_dir(&self.root).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && path != keep {
                let removed = fs::remove_dir_all(&path);
                tracing::info!(path = %path.display(), ok = removed.is_ok(), "removed old state");
            }
        }
    }

    /// Without a pointer only the first generation of a start that was cut short may be here.
    fn refuse_foreign(&self) -> Result<(), Error> {
        let first = self.path(1);
        let entries =
            fs::read_dir(&self.root).map_err(|error| Error::from_io(&self.root, &error))?;
        for entry in entries.flatten() {
            if entry.path() != first && entry.file_name() != "generation.next" {
                let reason = format!("found {:?}", entry.file_name());
                return Err(Error::foreign(&self.root, reason));
            }
        }
        Ok(())
    }
}
