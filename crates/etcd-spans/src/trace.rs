//! One request as it is remembered in memory.

use std::fmt;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::time::Instant;

/// The most that is noted of one request.
const MAX_NOTES: usize = 64;

/// A request under way, or one that has ended.
#[derive(Debug)]
pub(crate) struct Trace {
    title: String,
    at: SystemTime,
    begun: Instant,
    course: Mutex<Course>,
}

/// What happened so far.
#[derive(Debug, Default)]
struct Course {
    notes: Vec<Note>,
    left_off: usize,
    ended: Option<End>,
}

#[derive(Debug, Clone)]
struct End {
    after: Duration,
    error: Option<String>,
}

/// Something that happened, and how long after the beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Since the request began.
    pub after: Duration,
    /// In words.
    pub text: String,
}

/// What there is to say of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceFacts {
    /// The method, as `/etcdserverpb.KV/Put`.
    pub title: String,
    /// When it began.
    pub at: SystemTime,
    /// How long it took, or has taken so far.
    pub took: Duration,
    /// Whether it has ended.
    pub is_over: bool,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// What happened, oldest first.
    pub notes: Vec<Note>,
    /// What happened later, of which there was too much.
    pub left_off: usize,
}

impl Trace {
    pub(crate) fn begin(title: &str) -> Trace {
        Trace {
            title: title.to_owned(),
            at: SystemTime::now(),
            begun: Instant::now(),
            course: Mutex::default(),
        }
    }

    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    pub(crate) fn note(&self, text: impl fmt::Display) {
        let after = self.begun.elapsed();
        let mut course = self.course.lock();
        if course.notes.len() < MAX_NOTES {
            course.notes.push(Note { after, text: text.to_string() });
        } else {
            course.left_off += 1;
        }
    }

    /// It is over; answers how long it took.
    pub(crate) fn end(&self, error: Option<String>) -> Duration {
        let after = self.begun.elapsed();
        self.course.lock().ended = Some(End { after, error });
        after
    }

    pub(crate) fn facts(&self) -> TraceFacts {
        let course = self.course.lock();
        let End { after, error } = match &course.ended {
            Some(end) => end.clone(),
            None => End { after: self.begun.elapsed(), error: None },
        };
        TraceFacts {
            title: self.title.clone(),
            at: self.at,
            took: after,
            is_over: course.ended.is_some(),
            error,
            notes: course.notes.clone(),
            left_off: course.left_off,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_says_too_much_is_cut_short() {
        let trace = Trace::begin("/s/M");
        for number in 0..MAX_NOTES + 3 {
            trace.note(number);
        }
        let facts = trace.facts();
        assert_eq!((facts.notes.len(), facts.left_off, facts.is_over), (MAX_NOTES, 3, false));
        let took = trace.end(Some("why".to_owned()));
        let facts = trace.facts();
        assert_eq!((facts.took, facts.error.as_deref(), facts.is_over), (took, Some("why"), true));
    }
}
