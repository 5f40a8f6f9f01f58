//! What happened to the server itself, and which of it were errors.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::Note;

/// How many lines are kept.
const KEPT: usize = 100;

/// The last lines. Cheap to clone.
#[derive(Clone)]
pub struct Journal(Arc<Mutex<Lines>>);

struct Lines {
    at: SystemTime,
    begun: Instant,
    lines: VecDeque<Note>,
    left_off: usize,
    last_error: Option<Instant>,
}

/// How long ago the last error was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorAge {
    /// There need not have been one.
    Any,
    /// At most this long.
    Within(Duration),
    /// There was one.
    Ever,
}

/// What there is to say of a journal.
#[derive(Debug, Clone)]
pub struct JournalFacts {
    /// When it began.
    pub at: SystemTime,
    /// How long ago its last error was.
    pub last_error: Option<Duration>,
    /// Its last lines, oldest first.
    pub lines: Vec<Note>,
    /// How many there were before.
    pub left_off: usize,
}

impl Default for Journal {
    fn default() -> Journal {
        Journal(Arc::new(Mutex::new(Lines {
            at: SystemTime::now(),
            begun: Instant::now(),
            lines: VecDeque::with_capacity(KEPT),
            left_off: 0,
            last_error: None,
        })))
    }
}

impl Journal {
    /// Something happened.
    pub fn note(&self, text: impl Into<String>) {
        self.0.lock().push(text.into());
    }

    /// Something happened that should not.
    pub fn fail(&self, text: impl Into<String>) {
        let mut lines = self.0.lock();
        lines.last_error = Some(Instant::now());
        lines.push(text.into());
    }

    /// All of it.
    pub fn facts(&self) -> JournalFacts {
        let lines = self.0.lock();
        JournalFacts {
            at: lines.at,
            last_error: lines.last_error.map(|at| at.elapsed()),
            lines: lines.lines.iter().cloned().collect(),
            left_off: lines.left_off,
        }
    }
}

impl Lines {
    fn push(&mut self, text: String) {
        if self.lines.len() == KEPT {
            self.lines.pop_front();
            self.left_off += 1;
        }
        self.lines.push_back(Note { after: self.begun.elapsed(), text });
    }
}

impl ErrorAge {
    /// What a journal is sorted by.
    pub const ALL: [ErrorAge; 7] = [
        ErrorAge::Any,
        ErrorAge::Within(Duration::from_secs(10)),
        ErrorAge::Within(Duration::from_secs(60)),
        ErrorAge::Within(Duration::from_secs(600)),
        ErrorAge::Within(Duration::from_secs(3600)),
        ErrorAge::Within(Duration::from_secs(36_000)),
        ErrorAge::Ever,
    ];

    /// Whether a journal is one of these.
    pub fn has(self, facts: &JournalFacts) -> bool {
        match (self, facts.last_error) {
            (ErrorAge::Any, _) | (ErrorAge::Ever, Some(_)) => true,
            (ErrorAge::Within(limit), Some(ago)) => ago <= limit,
            (ErrorAge::Within(_) | ErrorAge::Ever, None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_last_error_says_where_a_journal_belongs() {
        let journal = Journal::default();
        journal.note("it serves");
        let places = |journal: &Journal| {
            let facts = journal.facts();
            ErrorAge::ALL.map(|age| u8::from(age.has(&facts)))
        };
        assert_eq!(places(&journal), [1, 0, 0, 0, 0, 0, 0]);
        journal.fail("a call broke");
        assert_eq!(places(&journal), [1; 7]);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(places(&journal), [1, 0, 0, 1, 1, 1, 1]);
    }

    #[test]
    fn old_lines_go() {
        let journal = Journal::default();
        for number in 0..KEPT + 5 {
            journal.note(number.to_string());
        }
        let facts = journal.facts();
        assert_eq!((facts.lines.len(), facts.left_off), (KEPT, 5));
        assert_eq!(facts.lines[0].text, "5");
    }
}
