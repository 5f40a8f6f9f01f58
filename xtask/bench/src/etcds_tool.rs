//! etcd's own tool `benchmark`, where it is on the search path: its numbers beside this program's.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use indicatif::ProgressBar;
use tokio::process::Command;

use crate::control::Control;
use crate::figures::Figures;
use crate::outcome::Outcome;
use crate::program::Program;
use crate::size::Size;
use crate::stage::Stage;

const TOOL: &str = "benchmark";
/// What it is asked to do, as the table names it.
pub(crate) const LOADS: [&str; 2] = ["put by etcd's benchmark", "get by etcd's benchmark"];
/// The key that is asked for.
const KEY: &str = "foo";
/// Requests a second that are assumed when the tool is told a number of requests, not a time.
const ASSUMED_RATE: f64 = 10_000.0;

/// Whether the tool is there. Other programs are called `benchmark` too.
pub(crate) fn is_here() -> bool {
    let help = std::process::Command::new(TOOL).args(["put", "--help"]).output();
    help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("--key-space-size"))
}

/// Runs it once: puts, then gets of one key.
pub(crate) async fn run(program: &Program, size: &Size, progress: &ProgressBar) -> Result<Outcome> {
    let mut stage = Stage::open(program, 3, size, progress).await?;
    let addresses = stage.cluster.addresses();
    Control::of(addresses[0])?.put(KEY, &"v".repeat(size.value_bytes)).await?;
    let endpoints: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let total = (ASSUMED_RATE * size.duration.as_secs_f64()).ceil();
    let values = size.value_bytes.to_string();
    let puts = ["put", "--key-size=8", "--sequential-keys", "--val-size", &values];
    let loads: [(&str, &[&str]); 2] = [
        (LOADS[0], &[&puts[..], &["--key-space-size=1000000"]].concat()),
        (LOADS[1], &["range", KEY, "--consistency=l"]),
    ];
    for (name, words) in loads {
        if !size.wants(name) {
            continue;
        }
        progress.set_message(name);
        let output = Command::new(TOOL)
            .args(words)
            .args(["--endpoints", &endpoints.join(",")])
            .args(["--conns", &size.connections.to_string()])
            .args(["--clients", &size.clients.to_string()])
            .args(["--total", &total.to_string()])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("running etcd's benchmark")?;
        ensure!(output.status.success(), "etcd's benchmark failed: {}", output.status);
        stage.found(name, read(&String::from_utf8_lossy(&output.stdout))?);
    }
    Ok(stage.end())
}

/// The figures of the report.
fn read(report: &str) -> Result<Figures> {
    let field = |name: &str| {
        let line = report.lines().find_map(|line| line.trim().strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    let mut figures = Figures::default();
    let rate = field("Requests/sec:").context("etcd's benchmark told no rate")?;
    figures.set("requests/s", rate);
    for (name, line) in [
        ("p50 ms", "50% in"),
        ("p90 ms", "90% in"),
        ("p99 ms", "99% in"),
        ("p99.9 ms", "99.9% in"),
        ("max ms", "Slowest:"),
    ] {
        if let Some(seconds) = field(line) {
            figures.set(name, seconds * 1000.0);
        }
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read() -> Result<()> {
        let report = "
Summary:
  Total:\t1.4894 secs.
  Slowest:\t0.0452 secs.
  Requests/sec:\t13428.1371

Latency distribution:
  50% in 0.0059 secs.
  99% in 0.0260 secs.
  99.9% in 0.0401 secs.
";
        let figures = read(report)?;
        let milliseconds = |name| figures.get(name).map(|value| (value * 10.0).round() / 10.0);
        assert_eq!(figures.get("requests/s"), Some(13428.1371));
        assert_eq!(milliseconds("p50 ms"), Some(5.9));
        assert_eq!(milliseconds("p90 ms"), None);
        assert_eq!(milliseconds("p99 ms"), Some(26.0));
        assert_eq!(milliseconds("p99.9 ms"), Some(40.1));
        assert_eq!(milliseconds("max ms"), Some(45.2));
        Ok(())
    }

    #[test]
    fn a_report_without_a_rate_is_an_error() {
        assert!(read("bench with linearizable range\n").is_err());
    }
}
