//! Where two servers are not alike, in words.

use super::answer::{Answer, Refusal};
use super::told::Told;
use crate::behaviour::{self, Show};
use std::fmt::{self, Debug};

/// What the servers answered, where it differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What kind of thing differs, in a line without particulars.
    pub title: String,
    /// What the reference sent.
    pub expected: String,
    /// What the subject sent.
    pub actual: String,
}

impl Difference {
    /// `None` when both are the same.
    pub(crate) fn of<T: PartialEq + Debug>(
        title: &str,
        expected: &T,
        actual: &T,
        show: impl Fn(&T) -> String,
    ) -> Option<Difference> {
        if expected == actual {
            return None;
        }
        let mut texts = (show(expected), show(actual));
        if texts.0 == texts.1 {
            // What a script does not show is what differs.
            texts = (format!("{expected:#?}\n"), format!("{actual:#?}\n"));
        }
        Some(Difference { title: title.to_owned(), expected: texts.0, actual: texts.1 })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let indented =
            |text: &str| -> String { text.lines().map(|line| format!("    {line}\n")).collect() };
        writeln!(f, "{}", self.title)?;
        write!(f, "  reference:\n{}", indented(&self.expected))?;
        write!(f, "  subject:\n{}", indented(&self.actual))
    }
}

/// Messages as a script shows them.
pub(crate) fn show<T: Show>(messages: &[T]) -> String {
    let mut answer = behaviour::Answer::default();
    messages.iter().for_each(|message| message.show(&mut answer));
    answer.text()
}

/// An answer as a script shows it.
pub(crate) fn show_answer(answer: &Answer) -> String {
    match answer {
        Answer::Range(response) => show(std::slice::from_ref(response)),
        Answer::RangeStream(messages, ended) => {
            show(messages) + &ended.as_ref().map(show_refusal).unwrap_or_default()
        }
        Answer::Put(response) => show(std::slice::from_ref(response)),
        Answer::DeleteRange(response) => show(std::slice::from_ref(response)),
        Answer::Txn(response) => show(std::slice::from_ref(response)),
        Answer::Compact(response) => show(std::slice::from_ref(response)),
        Answer::HashKv(response) => show(std::slice::from_ref(response)),
        Answer::Told(told) => show_told(told),
        Answer::Refused(refusal) => show_refusal(refusal),
    }
}

/// Field by field, the header as a script shows it.
fn show_told(told: &Told) -> String {
    let mut rest = told.clone();
    let revision = told.header().map(|header| format!("rev={} ", header.revision));
    rest.header_mut().map(std::mem::take);
    format!("{}{rest:?}\n", revision.unwrap_or_default())
}

pub(crate) fn show_refusal(refusal: &Refusal) -> String {
    format!("{:?}: {}\n", refusal.code, refusal.message)
}
