//! A log file that ends when it is full, and what is kept of those before it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{Days, Local, NaiveDateTime, Utc};
use etcd_config::LogRotation;
use flate2::Compression;
use flate2::write::GzEncoder;

/// The time in an old file's name: `etcd-2006-01-02T15-04-05.000.log`.
const TIME: &str = "%Y-%m-%dT%H-%M-%S%.3f";
/// What is appended to the name of one that is compressed.
const COMPRESSED: &str = ".gz";
/// The size at which a file ends where none is given, in MiB.
const DEFAULT_MAX_SIZE: u64 = 100;
/// The name of the thread that looks after old files.
const TIDIER: &str = "log-rotation";

/// The file that lines go to. When the next line would make it too large, it gets a name with the
/// time and a new one begins. Old files are named, kept and compressed as etcd's are.
pub(super) struct RotatingFile {
    file: File,
    len: u64,
    max_len: u64,
    old: Arc<OldFiles>,
}

impl RotatingFile {
    /// Goes on with the file at `path`, or begins it.
    pub(super) fn open(path: &Path, rotation: &LogRotation) -> io::Result<RotatingFile> {
        let max_size = match rotation.max_size {
            0 => DEFAULT_MAX_SIZE,
            given => given,
        };
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let len = file.metadata()?.len();
        let old = OldFiles::of(path, rotation);
        old.tidy_up()?;
        Ok(RotatingFile { file, len, max_len: max_size.saturating_mul(1 << 20), old })
    }

    fn rotate(&mut self) -> io::Result<()> {
        fs::rename(&self.old.path, self.old.next_name())?;
        self.file = OpenOptions::new().create(true).append(true).open(&self.old.path)?;
        self.len = 0;
        self.old.tidy_up()
    }
}

impl Write for RotatingFile {
    /// Takes a whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let len = line.len() as u64;
        if self.len > 0 && self.len.saturating_add(len) > self.max_len {
            // A line is worth more than a bound: without a new file the old one goes on.
            let _ = self.rotate();
        }
        self.file.write_all(line)?;
        self.len += len;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The files that were full.
struct OldFiles {
    path: PathBuf,
    rotation: LogRotation,
    /// Held by whoever tidies up.
    turn: Mutex<()>,
}

/// One of them.
#[derive(Debug)]
struct OldFile {
    path: PathBuf,
    since: NaiveDateTime,
    is_compressed: bool,
}

impl OldFiles {
    fn of(path: &Path, rotation: &LogRotation) -> Arc<OldFiles> {
        let (path, rotation) = (path.to_owned(), rotation.clone());
        Arc::new(OldFiles { path, rotation, turn: Mutex::new(()) })
    }

    /// Now, by the clock that names go by.
    fn now(&self) -> NaiveDateTime {
        if self.rotation.local_time { Local::now().naive_local() } else { Utc::now().naive_utc() }
    }

    /// The name of the file that ends now.
    fn next_name(&self) -> PathBuf {
        let mut since = self.now();
        loop {
            let name = self.named(since);
            if !name.exists() {
                return name;
            }
            // Two files that end in the same millisecond keep their order.
            since += chrono::Duration::milliseconds(1);
        }
    }

    fn named(&self, since: NaiveDateTime) -> PathBuf {
        let (stem, extension) = self.parts();
        self.path.with_file_name(format!("{stem}-{}{extension}", since.format(TIME)))
    }

    /// The name without and the extension with its dot.
    fn parts(&self) -> (String, String) {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match name.rfind('.') {
            Some(dot) => (name[..dot].to_owned(), name[dot..].to_owned()),
            None => (name, String::new()),
        }
    }

    /// Deletes and compresses beside the log's writers.
    fn tidy_up(self: &Arc<OldFiles>) -> io::Result<()> {
        let old = Arc::clone(self);
        let tidy_up = move || {
            let _turn = old.turn.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = old.keep_wanted() {
                tracing::warn!(%error, "cannot delete or compress old log files");
            }
        };
        std::thread::Builder::new().name(TIDIER.to_owned()).spawn(tidy_up).map(drop)
    }

    fn keep_wanted(&self) -> io::Result<()> {
        let mut files = self.list()?;
        files.sort_by_key(|file| std::cmp::Reverse(file.since));
        let LogRotation { max_age, max_backups, compress, .. } = self.rotation;
        let count = usize::try_from(max_backups).ok().filter(|count| *count > 0);
        let oldest = self.now().checked_sub_days(Days::new(max_age)).filter(|_| max_age > 0);
        for (number, file) in files.into_iter().enumerate() {
            let is_one_too_many = count.is_some_and(|count| number >= count);
            if is_one_too_many || oldest.is_some_and(|oldest| file.since < oldest) {
                fs::remove_file(file.path)?;
            } else if compress && !file.is_compressed {
                pack(&file.path)?;
            }
        }
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<OldFile>> {
        let folder = match self.path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if let Some((since, is_compressed)) = self.age(&path) {
                files.push(OldFile { path, since, is_compressed });
            }
        }
        Ok(files)
    }

    /// Since when a file is old, and whether it is compressed; none if it is no old log file.
    fn age(&self, path: &Path) -> Option<(NaiveDateTime, bool)> {
        let (stem, extension) = self.parts();
        let name = path.file_name()?.to_str()?;
        let (name, is_compressed) = match name.strip_suffix(COMPRESSED) {
            Some(name) => (name, true),
            None => (name, false),
        };
        let time = name.strip_prefix(&stem)?.strip_prefix('-')?.strip_suffix(&extension)?;
        Some((NaiveDateTime::parse_from_str(time, TIME).ok()?, is_compressed))
    }
}

/// Puts a compressed file into a file's place. One that was left half done is made anew.
fn pack(path: &Path) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(COMPRESSED);
    let mut encoder = GzEncoder::new(File::create(&name)?, Compression::default());
    io::copy(&mut File::open(path)?, &mut encoder)?;
    encoder.finish()?.sync_all()?;
    fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn rotation(max_backups: u64, max_age: u64, compress: bool) -> LogRotation {
        LogRotation { max_backups, max_age, compress, ..LogRotation::default() }
    }

    /// The names in a folder, sorted; times are left out.
    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("the folder is there");
        let name = |entry: io::Result<fs::DirEntry>| {
            entry.expect("an entry").file_name().to_string_lossy().into_owned()
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    fn old_files(folder: &Path, rotation: &LogRotation, days_ago: &[u64]) -> Arc<OldFiles> {
        let old = OldFiles::of(&folder.join("etcd.log"), rotation);
        for days in days_ago {
            let since = old.now().checked_sub_days(Days::new(*days)).expect("a date");
            fs::write(old.named(since), days.to_string()).expect("a file");
        }
        old
    }

    #[test]
    fn a_full_file_gets_a_name_with_the_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("etcd.log");
        let mut file = RotatingFile::open(&path, &rotation(0, 0, false)).expect("it opens");
        file.max_len = 6;
        for line in ["one\n", "2\n", "three\n", "a long line\n", "5\n"] {
            file.write_all(line.as_bytes()).expect("a line");
        }
        let names = names(folder.path());
        let old: Vec<&String> = names.iter().filter(|name| *name != "etcd.log").collect();
        let text = |name: &str| fs::read_to_string(folder.path().join(name)).expect("text");
        let texts: Vec<String> = old.iter().map(|name| text(name)).collect();
        assert_eq!(texts, ["one\n2\n", "three\n", "a long line\n"]);
        assert_eq!(text("etcd.log"), "5\n");
        for name in old {
            assert_eq!(name.len(), "etcd-2006-01-02T15-04-05.000.log".len(), "{name}");
        }
    }

    #[test]
    fn what_is_there_counts_when_a_file_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        fs::write(&path, vec![b'x'; 1 << 20]).expect("a full file");
        let one = LogRotation { max_size: 1, ..LogRotation::default() };
        let mut file = RotatingFile::open(&path, &one).expect("it opens");
        file.write_all(b"line\n").expect("a line");
        assert_eq!(fs::read(&path).expect("bytes"), b"line\n");
        assert_eq!(names(folder.path()).len(), 2);
    }

    #[test]
    fn files_that_are_too_many_or_too_old_go() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("etcd-notes.log"), "").expect("a file of somebody else");
        let old = old_files(folder.path(), &rotation(3, 5, false), &[0, 1, 2, 3]);
        old.keep_wanted().expect("files go");
        assert_eq!(names(folder.path()).len(), 4, "three, and somebody's");
        old_files(folder.path(), &rotation(0, 0, false), &[4, 6, 7]);
        old_files(folder.path(), &rotation(0, 5, false), &[]).keep_wanted().expect("files go");
        assert_eq!(names(folder.path()).len(), 5, "two that are older than five days are gone");
    }

    #[test]
    fn compressed_files_hold_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let old = old_files(folder.path(), &rotation(2, 0, true), &[1, 2, 3]);
        old.keep_wanted().expect("files are packed");
        let names = names(folder.path());
        assert!(
            names.len() == 2 && names.iter().all(|name| name.ends_with(".log.gz")),
            "{names:?}"
        );
        let file = File::open(folder.path().join(&names[1])).expect("the newest");
        let mut text = String::new();
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("text");
        assert_eq!(text, "1");
        old.keep_wanted().expect("nothing is left to do");
    }

    #[test]
    fn names_go_by_the_clock_that_was_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let local = LogRotation { local_time: true, ..LogRotation::default() };
        let (local, utc) = (local, LogRotation::default());
        let path = folder.path().join("etcd.log");
        let between = OldFiles::of(&path, &local).now() - OldFiles::of(&path, &utc).now();
        let offset = i64::from(Local::now().offset().local_minus_utc());
        assert!((between.num_seconds() - offset).abs() <= 2, "{between}");
    }
}
