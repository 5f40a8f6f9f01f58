//! Waiting until members serve, or until it is clear that they will not.

use std::fs;
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use super::client;
use super::member::Member;
use super::process;
use crate::rocksdb::tail;

/// How long members may take until they serve.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often they are asked.
const LOOK: Duration = Duration::from_millis(50);
/// How much of a log is shown when a start fails.
const LOG_LINES: usize = 15;

/// Waits until each of the members answers and knows a leader.
pub(crate) async fn until_serving(members: &[Member]) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})")?;
    let spinner = ProgressBar::new_spinner().with_style(style);
    let mut waiting: Vec<&Member> = members.iter().collect();
    loop {
        let mut still = Vec::new();
        for member in waiting {
            if !serves(member).await {
                still.push(member);
            }
        }
        waiting = still;
        if waiting.is_empty() {
            spinner.finish_and_clear();
            return Ok(());
        }
        if let Some(ended) = waiting.iter().find(|member| !process::is_running(member)) {
            spinner.finish_and_clear();
            bail!("{} has ended instead of serving. {}", ended.name, last_lines(&ended.log));
        }
        if Instant::now() > deadline {
            spinner.finish_and_clear();
            let first = waiting[0];
            bail!(
                "{} does not serve after {PATIENCE:?}. {}",
                names(&waiting),
                last_lines(&first.log)
            );
        }
        spinner.set_message(format!("waiting until {} serves", names(&waiting)));
        spinner.tick();
        tokio::time::sleep(LOOK).await;
    }
}

async fn serves(member: &Member) -> bool {
    client::status(member).await.is_ok_and(|status| status.leader != 0)
}

fn names(members: &[&Member]) -> String {
    let names: Vec<_> = members.iter().map(|member| member.name.as_str()).collect();
    names.join(", ")
}

/// Where the log is, and how it ends.
fn last_lines(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    if text.trim().is_empty() {
        return format!("Its log {} is empty.", log.display());
    }
    format!("Its log {} ends with\n{}", log.display(), tail(&text, LOG_LINES))
}

/// How a process ended, for a person.
pub(crate) fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("was ended by signal {signal}"),
        (None, Some(code)) => format!("ended with exit code {code}"),
        (None, None) => "ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::block_on;
    use crate::cluster::plan::{self, Doors};

    #[test]
    fn a_member_that_ends_at_once_is_shown_with_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let mut cluster = plan::local(folder.path(), 1, 9, Doors::Plain).unwrap();
        let member = &mut cluster.members[0];
        member.arguments = vec!["no such listener".into()];
        // `echo` says what it was given and ends.
        process::start(Path::new("echo"), member).unwrap().wait().unwrap();
        let error = block_on(until_serving(&cluster.members)).unwrap_err().to_string();
        assert!(error.starts_with("m1 has ended"), "{error}");
        assert!(error.ends_with("no such listener"), "{error}");
    }

    #[test]
    fn a_log_without_a_word_is_called_empty() {
        let folder = tempfile::tempdir().unwrap();
        assert!(last_lines(&folder.path().join("log")).ends_with("is empty."));
    }
}
