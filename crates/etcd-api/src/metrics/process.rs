//! Metrics of the process, as far as Linux tells.

use std::fs;

use rustix::process::{Resource, getrlimit};

use crate::metrics::families::{Labels, Page};

/// How much time a tick of the kernel's clock for processes is: a hundredth of a second, for all
/// programs alike.
const TICKS_PER_SECOND: f64 = 100.0;

/// All of them; what is not told is left out.
pub(super) fn write(page: &mut Page) {
    let used = fs::read_dir("/proc/self/fd").map(|files| files.count() as f64);
    let limit = getrlimit(Resource::Nofile).current.map(|limit| limit as f64);
    for (name, help, value) in [
        ("os_fd_used", "Open files.", used.as_ref().ok().copied()),
        ("os_fd_limit", "The most open files.", limit),
        ("process_open_fds", "Open files.", used.as_ref().ok().copied()),
        ("process_max_fds", "The most open files.", limit),
    ] {
        page.gauges(name, help, value.map(|value| (Labels::new(), value)));
    }
    write_memory(page);
    write_time(page);
    write_network(page);
}

fn write_memory(page: &mut Page) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()
    };
    // Without a limit it is as much as numbers of 64 bits can say.
    let limit = getrlimit(Resource::As).current.map_or(u64::MAX as f64, |limit| limit as f64);
    let bytes = |name| kilobytes(name).map(|kilobytes| kilobytes * 1024.0);
    for (name, help, value) in [
        ("process_resident_memory_bytes", "Bytes of memory in use.", bytes("VmRSS")),
        ("process_virtual_memory_bytes", "Bytes of addresses in use.", bytes("VmSize")),
        ("process_virtual_memory_max_bytes", "The most bytes of addresses.", Some(limit)),
    ] {
        page.gauges(name, help, value.map(|value| (Labels::new(), value)));
    }
}

fn write_time(page: &mut Page) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the process is in brackets and may hold anything.
    let fields: Vec<f64> = match stat.rsplit_once(')') {
        Some((_, rest)) => rest.split_whitespace().map(|f| f.parse().unwrap_or(0.0)).collect(),
        None => return,
    };
    // Counted from the state, which is the third of all.
    let (Some(user), Some(system), Some(start)) = (fields.get(11), fields.get(12), fields.get(19))
    else {
        return;
    };
    let seconds = (user + system) / TICKS_PER_SECOND;
    page.real_counter("process_cpu_seconds_total", "Seconds of work.", seconds);
    let boot = fs::read_to_string("/proc/stat").unwrap_or_default();
    let boot = boot.lines().find_map(|line| line.strip_prefix("btime ")?.parse::<f64>().ok());
    page.gauges(
        "process_start_time_seconds",
        "When it began, in seconds of Unix time.",
        boot.map(|boot| (Labels::new(), boot + start / TICKS_PER_SECOND)),
    );
}

/// Bytes of all sockets in the process's network namespace.
fn write_network(page: &mut Page) {
    let text = fs::read_to_string("/proc/self/net/netstat").unwrap_or_default();
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("IpExt:"));
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else { return };
    let numbers = names.split_whitespace().zip(values.split_whitespace());
    let numbers: Vec<_> = numbers.collect();
    for (name, way) in [("InOctets", "receive"), ("OutOctets", "transmit")] {
        let found = numbers.iter().find(|(known, _)| *known == name);
        if let Some(bytes) = found.and_then(|(_, bytes)| bytes.parse::<f64>().ok()) {
            let name = format!("process_network_{way}_bytes_total");
            page.real_counter(&name, "Bytes on the network.", bytes);
        }
    }
}
