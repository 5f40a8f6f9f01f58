//! A script's file: blocks with an empty line between them.
//!
//! ```text
//! # Flags that the member is started with.
//! server --max-txn-ops=4
//!
//! # Which rule is shown.
//! put a 1
//! range a
//! ----
//! rev=2
//! rev=2 count=1
//!   a=1 create=2 mod=2 version=1
//! ```
//!
//! A block without requests is a remark. The step `restart` ends the member and starts it again.

use anyhow::{Result, bail, ensure};
use std::fmt::Write as _;

/// A whole script.
#[derive(Debug, PartialEq, Eq)]
pub struct Sheet {
    /// The flags of the member.
    pub flags: Vec<String>,
    /// Its blocks, remarks among them.
    pub blocks: Vec<Block>,
}

/// Some requests with their answers.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    /// The lines before the answers, remarks among them.
    pub head: String,
    /// The requests; only a transaction has more than one line.
    pub steps: Vec<String>,
    /// What they bring.
    pub answer: String,
}

impl Sheet {
    /// Reads a script; answers that were never recorded are empty.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn parse(text: &str) -> Result<Sheet> {
        let mut sheet = Sheet { flags: Vec::new(), blocks: Vec::new() };
        for paragraph in text.split("\n\n") {
            let mut block = Block::parse(paragraph.trim_matches('\n'));
            if let Some(at) = block.steps.iter().position(|step| step.starts_with("server ")) {
                ensure!(sheet.blocks.is_empty(), "the server's flags come first");
                let flags = block.steps.remove(at);
                sheet.flags.extend(flags.split(' ').skip(1).map(str::to_owned));
                ensure!(block.steps.is_empty(), "nothing beside the server's flags");
            }
            if !block.head.is_empty() {
                sheet.blocks.push(block);
            }
        }
        if sheet.blocks.iter().all(|block| block.steps.is_empty()) {
            bail!("no request in it");
        }
        Ok(sheet)
    }

    /// The script's text.
    pub fn print(&self) -> String {
        let print = |block: &Block| match block.steps.is_empty() {
            true => block.head.clone(),
            false => format!("{}----\n{}", block.head, block.answer),
        };
        self.blocks.iter().map(print).collect::<Vec<_>>().join("\n")
    }
}

impl Block {
    fn parse(text: &str) -> Block {
        let mut block = Block { head: String::new(), steps: Vec::new(), answer: String::new() };
        let mut lines = text.lines();
        for line in lines.by_ref().take_while(|&line| line != "----") {
            let _ = writeln!(block.head, "{line}");
            match block.steps.last_mut() {
                _ if line.starts_with('#') => {}
                Some(step) if line.starts_with(' ') => {
                    let _ = write!(step, "\n{line}");
                }
                _ => block.steps.push(line.to_owned()),
            }
        }
        lines.for_each(|line| {
            let _ = writeln!(block.answer, "{line}");
        });
        block
    }
}

/// What differs between two answers, line by line; what is equal at both ends has no sign.
pub fn difference(expected: &str, got: &str) -> String {
    let (expected, got): (Vec<_>, Vec<_>) = (expected.lines().collect(), got.lines().collect());
    let equal = |(left, right): &(&&str, &&str)| left == right;
    let front = expected.iter().zip(&got).take_while(equal).count();
    let shorter = expected.len().min(got.len());
    let pairs = expected.iter().rev().zip(got.iter().rev());
    let back = pairs.take_while(equal).count().min(shorter - front);
    let mut text = String::new();
    let mut write = |sign: char, lines: &[&str]| {
        lines.iter().for_each(|line| {
            let _ = writeln!(text, "  {sign} {line}");
        });
    };
    write(' ', &expected[..front]);
    write('-', &expected[front..expected.len() - back]);
    write('+', &got[front..got.len() - back]);
    write(' ', &expected[expected.len() - back..]);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_printed_as_it_was_read() {
        let text = "\
# flags
server --a=1 --b=2

# A remark.

# why
put a 1
txn
  then
    put a 2
# and
range a
----
rev=2

range b
----
";
        let sheet = Sheet::parse(text).expect("a script");
        assert_eq!(sheet.print(), text);
        assert_eq!(sheet.flags, ["--a=1", "--b=2"]);
        assert_eq!(sheet.blocks[2].steps, ["put a 1", "txn\n  then\n    put a 2", "range a"]);
        assert_eq!(sheet.blocks[2].answer, "rev=2\n");
        assert_eq!(sheet.blocks[3].answer, "");
        assert!(Sheet::parse("# nothing\n").is_err());
    }

    #[test]
    fn a_difference_shows_what_is_equal_around_it() {
        assert_eq!(difference("a\nb\nc\n", "a\nx\ny\nc\n"), "    a\n  - b\n  + x\n  + y\n    c\n");
        assert_eq!(difference("a\n", "a\na\n"), "    a\n  + a\n");
    }
}
