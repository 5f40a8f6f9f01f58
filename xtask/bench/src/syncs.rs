//! How often members make the disk sync, counted by strace: nothing else tells it of one process.
//!
//! Only these calls stop for it (a filter in the kernel lets all others pass), but they do stop. So
//! it happens in members of its own, on which nothing else is measured.

use std::path::Path;
use std::process::{Command, Stdio};

/// The calls that count.
const CALLS: [&str; 3] = ["fsync", "fdatasync", "msync"];

/// Whether strace is there.
pub(crate) fn can_be_counted() -> bool {
    let version = Command::new("strace").arg("--version").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// The program with each of its syncs written to `trace`. It stays a child of this process:
/// strace stands beside it and ends with it.
pub(crate) fn traced(program: &Path, trace: &Path) -> Command {
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "--seccomp-bpf", "-qq", "-o"]).arg(trace);
    command.arg("-e").arg(format!("trace={}", CALLS.join(","))).arg("--").arg(program);
    command
}

/// The syncs that strace wrote down. A call during which another thread was seen stands in two
/// lines, of which the second one says "resumed" and does not count.
pub(crate) fn count(trace: &str) -> u64 {
    let calls = trace.lines().filter_map(|line| {
        let (process, call) = line.split_once(' ')?;
        process.parse::<u32>().ok()?;
        call.trim_start().split_once('(').map(|(name, _)| name)
    });
    calls.filter(|name| CALLS.contains(name)).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_in_two_lines_is_one() {
        let trace = "\
17937 fdatasync(16)                     = 0
17937 fdatasync(16 <unfinished ...>
17940 fsync(7 <unfinished ...>
17937 <... fdatasync resumed>)          = 0
17940 <... fsync resumed>)              = 0
17941 msync(0x7f0000000000, 4096, MS_SYNC) = 0
";
        assert_eq!(count(trace), 4);
    }

    #[test]
    fn other_lines_are_no_syncs() {
        let trace = "\
17931 +++ killed by SIGKILL +++
17931 --- SIGTERM {si_signo=SIGTERM} ---
17931 sync_file_range(9, 0, 4096, 0)    = 0
17931 fsync_like(9)                     = 0
fsync(
";
        assert_eq!(count(trace), 0);
    }
}
