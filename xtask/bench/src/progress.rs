//! What the person sees while it runs: what is done now, and how long everything will still take.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::task::AbortHandle;

/// Between two changes of the time that is left.
const TICK: Duration = Duration::from_millis(500);

/// Two lines: the whole, and the step that runs.
pub(crate) struct Progress {
    lines: MultiProgress,
    whole: ProgressBar,
    /// For the scenarios to tell what they do.
    pub(crate) step: ProgressBar,
    begin: Instant,
    ticking: Option<AbortHandle>,
}

impl Progress {
    pub(crate) fn new() -> Result<Progress> {
        let lines = MultiProgress::new();
        let whole = ProgressStyle::with_template("{elapsed_precise} {wide_bar} {msg}")?;
        let step =
            ProgressStyle::with_template("{prefix}: {msg} {wide_bar} {human_pos}/{human_len}")?;
        let whole = lines.add(ProgressBar::new(1).with_style(whole));
        let step = lines.add(ProgressBar::new(0).with_style(step));
        Ok(Progress { lines, whole, step, begin: Instant::now(), ticking: None })
    }

    /// A step begins that takes about `forecast`, and what follows it `left`.
    pub(crate) fn begin(&mut self, step: &str, forecast: Duration, left: Duration) {
        self.stop_ticking();
        self.step.set_length(0);
        self.step.set_position(0);
        self.step.set_prefix(step.to_owned());
        self.step.set_message("");
        let (whole, begin, now) = (self.whole.clone(), self.begin, Instant::now());
        let ticking = tokio::spawn(async move {
            loop {
                let remaining = left + forecast.saturating_sub(now.elapsed());
                let passed = begin.elapsed();
                whole.set_length((passed + remaining).as_secs());
                whole.set_position(passed.as_secs());
                whole.set_message(format!("about {} left", words(remaining)));
                tokio::time::sleep(TICK).await;
            }
        });
        self.ticking = Some(ticking.abort_handle());
    }

    /// A line above the bars; where nobody sees bars it is the only news.
    pub(crate) fn say(&self, line: &str) -> Result<()> {
        if std::io::stderr().is_terminal() {
            self.lines.println(line)?;
        } else {
            writeln!(std::io::stderr(), "{line}")?;
        }
        Ok(())
    }

    pub(crate) fn end(&mut self) -> Result<()> {
        self.stop_ticking();
        Ok(self.lines.clear()?)
    }

    fn stop_ticking(&mut self) {
        if let Some(ticking) = self.ticking.take() {
            ticking.abort();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.stop_ticking();
    }
}

/// A time as `1h 2m`, without seconds once there are minutes enough.
pub(crate) fn words(time: Duration) -> String {
    let seconds = match time.as_secs() {
        seconds @ 600.. => seconds / 60 * 60,
        seconds => seconds,
    };
    humantime::format_duration(Duration::from_secs(seconds)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_times_are_told_in_minutes() {
        assert_eq!(words(Duration::from_millis(59_900)), "59s");
        assert_eq!(words(Duration::from_secs(90)), "1m 30s");
        assert_eq!(words(Duration::from_secs(3725)), "1h 2m");
    }
}
