//! Reads the log of the test's own thread.

use std::io;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;
use tracing_subscriber::fmt::MakeWriter;

use crate::member::PATIENCE;

/// The log lines since the journal was opened.
pub(crate) struct Journal {
    lines: UnboundedReceiver<String>,
    _subscribed: tracing::subscriber::DefaultGuard,
}

impl Journal {
    pub(crate) fn open() -> Journal {
        let (sender, lines) = unbounded_channel();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(Lines(sender)).finish();
        Journal { lines, _subscribed: tracing::subscriber::set_default(subscriber) }
    }

    /// Waits for a line that contains all the words.
    pub(crate) async fn line_with(&mut self, words: &[&str]) -> String {
        let mut seen = String::new();
        loop {
            let Ok(line) = timeout(PATIENCE, self.lines.recv()).await else {
                panic!("no line with {words:?} was logged in time, but:\n{seen}");
            };
            let line = line.expect("the log is open");
            if words.iter().all(|word| line.contains(word)) {
                return line;
            }
            seen.push_str(&line);
        }
    }

    /// The lines that were written until now and not read.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.lines.try_recv().ok()).collect()
    }
}

#[derive(Clone)]
struct Lines(UnboundedSender<String>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A line nobody reads any more may be lost.
        let _ = self.0.send(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        self.clone()
    }
}
