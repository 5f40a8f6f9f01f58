//! Commands and their expected output in a text file.
//!
//! ```text
//! # What comes next is explained here.
//! $ etcdctl get a 'b c'
//! < a line of input
//! ----
//! output
//! stderr: complaint
//! exit 1
//! ```
//!
//! A block ends with an empty line before the next `$` or `#`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Output;

/// One command with its answer.
#[derive(Debug, Default)]
struct Block {
    /// The lines before the answer: remarks, the command, its input.
    head: Vec<String>,
    words: Vec<String>,
    input: String,
    answer: String,
}

/// Runs a script's commands and holds the answers against it. With `UPDATE_SCRIPTS` set, writes
/// the answers into the file instead; that is for a real etcd, never for the server made here.
///
/// # Panics
///
/// When an answer differs, or the file is no script.
#[track_caller]
pub fn check(
    file: &Path,
    mut run: impl FnMut(&[&str], &str) -> Output,
    normalise: impl Fn(&str) -> String,
) {
    let text =
        fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut blocks = parse(&text);
    assert!(!blocks.is_empty(), "{}: no command in it", file.display());
    let mut differences = String::new();
    for block in &mut blocks {
        let words: Vec<&str> = block.words.iter().map(String::as_str).collect();
        let mut answer = normalise(&show(&run(&words[1..], &block.input)));
        trim_end(&mut answer);
        if answer != block.answer {
            let command = block.words.join(" ");
            let _ =
                write!(differences, "\n$ {command}\n-- expected\n{}-- got\n{answer}", block.answer);
            block.answer = answer;
        }
    }
    if std::env::var_os("UPDATE_SCRIPTS").is_some() {
        assert!(!crate::process::server_is_ours(), "answers are recorded from a real etcd only");
        fs::write(file, print(&blocks)).expect("the script can be written");
    } else {
        assert!(differences.is_empty(), "{}:\n{differences}", file.display());
    }
}

/// What a command printed, as a script writes it.
fn show(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push_str("(no newline)\n");
    }
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        // The client library's own log: times and addresses.
        if !line.starts_with("{\"level\"") {
            let _ = writeln!(text, "stderr: {line}");
        }
    }
    match output.status.code() {
        Some(0) => {}
        code => {
            let _ = writeln!(text, "exit {}", code.map_or("by signal".into(), |c| c.to_string()));
        }
    }
    text
}

fn parse(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut head: Vec<String> = Vec::new();
    let mut in_answer = false;
    for line in text.lines() {
        if line.starts_with("# ") || line.starts_with("$ ") {
            in_answer = false;
        }
        if in_answer {
            let block = blocks.last_mut().expect("an answer has its command");
            block.answer.push_str(line);
            block.answer.push('\n');
        } else if line == "----" {
            blocks.push(read_head(std::mem::take(&mut head)));
            in_answer = true;
        } else if !line.is_empty() {
            head.push(line.to_owned());
        }
    }
    assert!(head.is_empty(), "a command without answer at the end: {head:?}");
    for block in &mut blocks {
        trim_end(&mut block.answer);
    }
    blocks
}

/// Takes empty lines off the end: between blocks they cannot be told from an answer's own.
fn trim_end(answer: &mut String) {
    while answer.ends_with("\n\n") || answer == "\n" {
        answer.pop();
    }
}

fn read_head(head: Vec<String>) -> Block {
    let mut block = Block::default();
    for line in &head {
        if let Some(command) = line.strip_prefix("$ ") {
            block.words = split(command);
        } else if let Some(input) = line.strip_prefix("< ") {
            block.input.push_str(input);
            block.input.push('\n');
        } else if line == "<" {
            block.input.push('\n');
        } else {
            assert!(line.starts_with('#'), "neither remark nor command nor input: {line}");
        }
    }
    assert!(block.words.len() > 1, "no command before an answer: {head:?}");
    Block { head, ..block }
}

/// Splits at spaces; quotes of either kind hold words together, and nothing escapes them.
fn split(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for char in command.chars() {
        match quote {
            Some(open) if char == open => quote = None,
            None if char == '\'' || char == '"' => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            None if char == ' ' => words.extend(word.take()),
            _ => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    words
}

fn print(blocks: &[Block]) -> String {
    let print = |block: &Block| format!("{}\n----\n{}", block.head.join("\n"), block.answer);
    blocks.iter().map(print).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_printed_as_it_was_read() {
        let text =
            "# why\n$ etcdctl get 'a b' \"\"\n< one\n----\nout\n\nout\n\n$ etcdctl x\n----\n";
        let blocks = parse(text);
        assert_eq!(print(&blocks), text);
        assert_eq!(blocks[0].words, ["etcdctl", "get", "a b", ""]);
        assert_eq!(blocks[0].input, "one\n");
        assert_eq!(blocks[0].answer, "out\n\nout\n");
        assert_eq!(blocks[1].answer, "");
    }
}
