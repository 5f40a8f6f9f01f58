//! What processes have used, as the kernel counts it.

use std::fs;
use std::ops::Sub;

use anyhow::{Context, Result};

/// Sums over some processes, since they started.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Usage {
    /// Seconds on a processor, in user and kernel mode.
    pub(crate) cpu_seconds: f64,
    /// Bytes that went to the disk, file system and its cache's late writes included.
    pub(crate) written_bytes: u64,
}

impl Usage {
    /// Of one process.
    pub(crate) fn of(process: u32) -> Result<Usage> {
        let stat = read(process, "stat")?;
        // The fields follow the program's name, which stands in parentheses.
        let fields = stat.rsplit(") ").next().unwrap_or_default();
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
        let ticks: u64 = ticks.sum::<Result<_, _>>().context("reading a process's times")?;
        let io = read(process, "io")?;
        let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
        let written_bytes = written.context("the kernel counts no written bytes")?.parse()?;
        let ticks_a_second = rustix::param::clock_ticks_per_second() as f64;
        Ok(Usage { cpu_seconds: ticks as f64 / ticks_a_second, written_bytes })
    }

    /// Of several.
    pub(crate) fn of_all(processes: impl IntoIterator<Item = u32>) -> Result<Usage> {
        let mut sum = Usage::default();
        for process in processes {
            let usage = Usage::of(process)?;
            sum.cpu_seconds += usage.cpu_seconds;
            sum.written_bytes += usage.written_bytes;
        }
        Ok(sum)
    }

    /// Of this process, the one that makes the load.
    pub(crate) fn own() -> Result<Usage> {
        Usage::of(std::process::id())
    }
}

impl Sub for Usage {
    type Output = Usage;

    fn sub(self, earlier: Usage) -> Usage {
        Usage {
            cpu_seconds: self.cpu_seconds - earlier.cpu_seconds,
            written_bytes: self.written_bytes - earlier.written_bytes,
        }
    }
}

/// Bytes of memory that the process has resident.
pub(crate) fn resident_bytes(process: u32) -> Result<u64> {
    let status = read(process, "status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next());
    let kibibytes: u64 = kibibytes.context("the process has no memory")?.parse()?;
    Ok(kibibytes << 10)
}

fn read(process: u32, file: &str) -> Result<String> {
    let path = format!("/proc/{process}/{file}");
    fs::read_to_string(&path).with_context(|| format!("reading {path}"))
}
