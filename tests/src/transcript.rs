//! Requests and their answers in a text file.
//!
//! ```text
//! % --a-flag=of-the-member
//!
//! # What comes next is explained here.
//! $ a request
//! more of it
//! ----
//! its answer
//! ```
//!
//! An answer ends with an empty line before the next `$` or `#`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::process;

/// A file that was read, and what differs from it so far.
#[derive(Debug)]
pub(crate) struct Transcript {
    file: PathBuf,
    /// The flags of the member.
    pub(crate) flags: Vec<String>,
    blocks: Vec<Block>,
    differences: String,
}

/// A request with its answer.
#[derive(Debug)]
struct Block {
    /// The lines before the answer: remarks, and the request.
    head: Vec<String>,
    answer: String,
}

impl Transcript {
    /// Reads a file.
    ///
    /// # Panics
    /// When it is no transcript.
    #[track_caller]
    pub(crate) fn read(file: &Path) -> Transcript {
        let text = fs::read_to_string(file);
        let text = text.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let transcript = Transcript::parse(file, &text);
        assert!(!transcript.blocks.is_empty(), "{}: no request in it", file.display());
        transcript
    }

    fn parse(file: &Path, text: &str) -> Transcript {
        let mut flags = Vec::new();
        let mut blocks: Vec<Block> = Vec::new();
        let mut head: Vec<String> = Vec::new();
        let mut in_answer = false;
        for line in text.lines() {
            if line.starts_with("# ") || line.starts_with("$ ") {
                in_answer = false;
            }
            if in_answer {
                let block = blocks.last_mut().expect("an answer has its request");
                block.answer.push_str(line);
                block.answer.push('\n');
            } else if line == "----" {
                blocks.push(Block { head: std::mem::take(&mut head), answer: String::new() });
                in_answer = true;
            } else if let Some(flag) = line.strip_prefix("% ") {
                flags.push(flag.to_owned());
            } else if !line.is_empty() {
                head.push(line.to_owned());
            }
        }
        assert!(head.is_empty(), "a request without answer at the end: {head:?}");
        for block in &mut blocks {
            trim_end(&mut block.answer);
        }
        Transcript { file: file.to_owned(), flags, blocks, differences: String::new() }
    }

    /// Has each request answered, by the lines before its answer, and notes what differs.
    pub(crate) fn compare(&mut self, mut answer: impl FnMut(&[String]) -> String) {
        for block in &mut self.blocks {
            let mut answer = answer(&block.head);
            trim_end(&mut answer);
            if answer != block.answer {
                let (head, expected) = (block.head.join("\n"), &block.answer);
                let difference = format!("\n{head}\n-- expected\n{expected}-- got\n{answer}");
                self.differences.push_str(&difference);
                block.answer = answer;
            }
        }
    }

    /// Expects that nothing differs. With `UPDATE_SCRIPTS` set, writes the answers into the file
    /// instead; that is for a real etcd, never for the server made here.
    ///
    /// # Panics
    /// When something differs.
    #[track_caller]
    pub(crate) fn settle(self) {
        if std::env::var_os("UPDATE_SCRIPTS").is_some() {
            assert!(!process::server_is_ours(), "answers are recorded from a real etcd only");
            fs::write(&self.file, self.print()).expect("the script can be written");
        } else {
            let (file, differences) = (self.file.display(), &self.differences);
            assert!(differences.is_empty(), "{file}:\n{differences}");
        }
    }

    fn print(&self) -> String {
        let mut text = String::new();
        for flag in &self.flags {
            let _ = writeln!(text, "% {flag}");
        }
        for block in &self.blocks {
            if !text.is_empty() {
                text.push('\n');
            }
            let _ = write!(text, "{}\n----\n{}", block.head.join("\n"), block.answer);
        }
        text
    }
}

/// Takes empty lines off the end: between blocks they cannot be told from an answer's own.
fn trim_end(answer: &mut String) {
    while answer.ends_with("\n\n") || answer == "\n" {
        answer.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_is_printed_as_it_was_read() {
        let blocks = "# why\n$ one\n< in\n----\nout\n\nout\n\n$ two\n----\n";
        for text in [blocks.to_owned(), format!("% --flag=1\n% --other\n\n{blocks}")] {
            let read = Transcript::parse(Path::new("file"), &text);
            assert_eq!(read.print(), text);
            assert_eq!(read.blocks[0].head, ["# why", "$ one", "< in"]);
            assert_eq!(read.blocks[0].answer, "out\n\nout\n");
            assert_eq!(read.blocks[1].answer, "");
        }
    }

    #[test]
    fn what_differs_is_noted() {
        let mut read = Transcript::parse(Path::new("file"), "$ one\n----\n1\n\n$ two\n----\n2\n");
        read.compare(|head| if head == ["$ one"] { "1\n\n".to_owned() } else { "3\n".to_owned() });
        assert_eq!(read.differences, "\n$ two\n-- expected\n2\n-- got\n3\n");
        assert_eq!(read.print(), "$ one\n----\n1\n\n$ two\n----\n3\n");
    }
}
