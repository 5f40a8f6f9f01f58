//! Tells by a file's metadata whether it is still the one that was read.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long ago a file must have changed for a later change to be sure to show. A file system's
/// clock ticks in steps of milliseconds, a second or, with FAT, two seconds.
const SETTLED: Duration = Duration::from_secs(3);

/// What the system says of a file at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stamp {
    /// There is no file, or it cannot be looked at.
    Absent,
    /// It changed so lately that the next change may look the same.
    Fresh,
    /// Whatever changes from now on will show.
    Settled { device: u64, inode: u64, size: u64, modified: (i64, i64), changed: (i64, i64) },
}

impl Stamp {
    /// Of the file that is now at this path, be it behind links. To be taken before it is read.
    pub(crate) fn of(file: &Path) -> Stamp {
        match fs::metadata(file) {
            Ok(found) => Stamp::of_metadata(&found, SystemTime::now()),
            Err(_) => Stamp::Absent,
        }
    }

    fn of_metadata(found: &fs::Metadata, now: SystemTime) -> Stamp {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let changed = Duration::from_secs(u64::try_from(found.ctime()).unwrap_or_default());
        // A change in the future comes from another clock, which tells nothing.
        if now < changed + SETTLED {
            return Stamp::Fresh;
        }
        Stamp::Settled {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    /// Whether the file is surely the one that had the `earlier` stamp.
    pub(crate) fn is_still(self, earlier: Stamp) -> bool {
        self != Stamp::Fresh && self == earlier
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stamp a file will have once its last change is long ago.
    fn later(file: &Path) -> Stamp {
        let found = fs::metadata(file).expect("a file");
        Stamp::of_metadata(&found, SystemTime::now() + SETTLED * 2)
    }

    #[test]
    fn a_file_is_still_the_same_until_it_is_written_or_replaced() {
        let directory = tempfile::tempdir().expect("a directory");
        let [file, other] = ["file", "other"].map(|name| directory.path().join(name));
        assert!(Stamp::of(&file).is_still(Stamp::Absent), "it is still not there");
        fs::write(&file, "one").expect("written");
        let written = later(&file);
        assert!(later(&file).is_still(written));
        assert!(!Stamp::of(&file).is_still(Stamp::Absent));

        fs::write(&other, "two").expect("written");
        let modified = fs::metadata(&file).and_then(|found| found.modified()).expect("a time");
        fs::File::options()
            .write(true)
            .open(&other)
            .expect("open")
            .set_modified(modified)
            .expect("set");
        fs::rename(&other, &file).expect("renamed");
        assert!(!later(&file).is_still(written), "same size, same time, another file");
    }

    #[test]
    fn a_file_that_changed_just_now_is_never_taken_for_the_same() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("file");
        fs::write(&file, "one").expect("written");
        let stamp = Stamp::of(&file);
        assert_eq!(stamp, Stamp::Fresh);
        assert!(!stamp.is_still(stamp));
    }
}
