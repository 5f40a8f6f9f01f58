//! Gives back the pages of code that a process only needed to start.
//!
//! A start runs through more code than what comes after it, and around each page that it touches the
//! kernel maps others. All of them count as resident for as long as the process lives.

use std::ffi::c_void;

use procfs::ProcError;
use procfs::process::{MMPermissions, MMapPath, MemoryMap, Process};
use rustix::io::Errno;
use rustix::mm::{Advice, madvise};

/// Why nothing, or not everything, could be given back. The process is as well off as before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system does not tell what is mapped where.
    #[error("cannot read /proc/self/smaps: {0}")]
    Unreadable(#[from] ProcError),
    /// The system keeps the pages: they may be locked in memory.
    #[error("cannot give back pages: {0}")]
    Kept(#[from] Errno),
}

/// Gives back all pages of code and constants that equal what is in their files. Those that are
/// still wanted are mapped again when they are next touched: they stay in the cache of files, so
/// that this costs a microsecond for each 64 KiB. Returns the bytes that were resident.
///
/// # Errors
/// The system tells nothing of its mappings, or keeps a page.
pub fn give_back_code() -> Result<u64, Error> {
    let mut bytes = 0;
    for map in &Process::myself()?.smaps()?.0 {
        if is_as_in_its_file(map) {
            give_back(map)?;
            bytes += resident_bytes(map);
        }
    }
    Ok(bytes)
}

/// Whether nothing in it can differ from its file: nobody can write to it, and what the loader wrote
/// before that, such as addresses, would be pages of the process's own.
fn is_as_in_its_file(map: &MemoryMap) -> bool {
    let is_private = map.perms.contains(MMPermissions::PRIVATE | MMPermissions::READ);
    let own = map.extension.map.get("Anonymous");
    matches!(map.pathname, MMapPath::Path(_))
        && is_private
        && !map.perms.contains(MMPermissions::WRITE)
        && own == Some(&0)
}

fn resident_bytes(map: &MemoryMap) -> u64 {
    map.extension.map.get("Rss").copied().unwrap_or(0)
}

/// Drops the pages of a mapping of which [`is_as_in_its_file`] holds.
#[allow(unsafe_code, reason = "the system's call has no safe form")]
fn give_back(map: &MemoryMap) -> Result<(), Errno> {
    let (begin, end) = map.address;
    let len = usize::try_from(end - begin).expect("a mapping fits into memory");
    // SAFETY: whoever reads here reads the same bytes as before, from the file. That holds as long as
    // the mapping is still the one that was looked at: such mappings end when a library is unloaded,
    // and libraries stay loaded here.
    unsafe { madvise(begin as *mut c_void, len, Advice::LinuxDontNeed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is resident of mappings that may be given back.
    fn resident() -> u64 {
        let maps = Process::myself().unwrap().smaps().unwrap();
        maps.0.iter().filter(|map| is_as_in_its_file(map)).map(resident_bytes).sum()
    }

    #[test]
    fn what_is_given_back_is_no_longer_resident_and_still_runs() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(own.starts_with(b"\x7fELF"));
        let before = resident();
        let given_back = give_back_code().unwrap();
        let after = resident();
        assert!(given_back > 0 && after < before, "{given_back} of {before}, then {after}");
        // Code and constants are there as ever.
        assert_eq!(format!("{:?}", [1.5, 2.25]), "[1.5, 2.25]");
        assert!(std::fs::read(std::env::current_exe().unwrap()).unwrap() == own);
    }

    #[test]
    fn what_the_process_wrote_itself_is_kept() {
        let maps = Process::myself().unwrap().smaps().unwrap();
        let written =
            |map: &&MemoryMap| map.extension.map.get("Anonymous").is_some_and(|&own| own > 0);
        let kept: Vec<_> = maps.0.iter().filter(written).collect();
        assert!(!kept.is_empty(), "there is a heap at least");
        assert!(kept.iter().all(|map| !is_as_in_its_file(map)));
    }
}
