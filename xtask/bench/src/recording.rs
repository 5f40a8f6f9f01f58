//! Where a member's processor time goes: perf looks while a load runs, a flame graph shows it.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use inferno::collapse::Collapse;
use inferno::collapse::perf::{Folder, Options};
use inferno::flamegraph;
use tokio::process::Command;

use crate::load::Crowd;
use crate::stacks::Stacks;

/// Looks a second. Not a round number, so that nothing that happens every millisecond is hit always
/// or never.
const FREQUENCY: &str = "499";
/// How stacks are walked: through the debugger's tables, of as much of each stack as perf can keep.
/// Those of asynchronous code are deep; with a quarter of it every second one was cut off.
const CALL_GRAPH: &str = "dwarf,65528";

/// Says what is missing when perf cannot be used.
pub(crate) fn check() -> Result<()> {
    let version = std::process::Command::new("perf").arg("--version").output();
    ensure!(
        version.is_ok_and(|output| output.status.success()),
        "perf is missing; on Debian it is in the package linux-perf, on Ubuntu in linux-tools"
    );
    Ok(())
}

/// Looks at a process in the middle of the time in which a crowd is counted, and writes to
/// `folder` what it saw: `LOAD.svg`, `LOAD.txt`, and perf's own `LOAD.perf`.
pub(crate) async fn record(process: u32, crowd: Crowd, folder: &Path, load: &str) -> Result<()> {
    let name = file_name(load);
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let data = folder.join(format!("{name}.perf"));
    tokio::time::sleep(crowd.warm_up + crowd.duration / 10).await;
    let seconds = (crowd.duration * 8 / 10).as_secs_f64();
    let output = Command::new("perf")
        .args(["record", "-F", FREQUENCY, "--call-graph", CALL_GRAPH, "-p", &process.to_string()])
        .arg("-o")
        .arg(&data)
        .args(["--", "sleep", &format!("{seconds:.1}")])
        .output()
        .await
        .context("running perf record")?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        bail!("perf record failed (is kernel.perf_event_paranoid too high?): {words}");
    }
    let (data, folder, load) = (data.clone(), folder.to_path_buf(), load.to_owned());
    tokio::task::spawn_blocking(move || draw(&data, &folder, &load)).await?
}

/// The name of a load's files.
pub(crate) fn file_name(load: &str) -> String {
    let words = load.split(|letter: char| !letter.is_alphanumeric());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-").to_lowercase()
}

fn draw(data: &Path, folder: &Path, load: &str) -> Result<()> {
    // Inlined functions are left in their callers: perf takes minutes to tell them apart.
    let mut script = std::process::Command::new("perf")
        .args(["script", "--no-inline", "-F", "comm,pid,tid,time,event,ip,sym,dso", "-i"])
        .arg(data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("running perf script")?;
    let samples = BufReader::new(script.stdout.take().expect("the output is piped"));
    let mut folded = Vec::new();
    Folder::from(Options::default()).collapse(samples, &mut folded)?;
    let status = script.wait()?;
    ensure!(status.success(), "perf script failed: {status}");
    let folded = String::from_utf8_lossy(&folded);
    let stacks = Stacks::of(&folded);
    ensure!(stacks.samples() > 0, "perf saw nothing of the process");

    let name = file_name(load);
    fs::write(folder.join(format!("{name}.txt")), stacks.lists())?;
    let graph = BufWriter::new(File::create(folder.join(format!("{name}.svg")))?);
    let mut options = flamegraph::Options::default();
    options.title = format!("The leader's processor time: {load}");
    flamegraph::from_lines(&mut options, folded.lines(), graph)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loads_name_becomes_a_files() {
        assert_eq!(file_name("put, 1 KiB, random keys"), "put-1-kib-random-keys");
        assert_eq!(file_name("get"), "get");
    }
}
