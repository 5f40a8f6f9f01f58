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
//! A block ends with an empty line before the next `$` or `#`. Two more lines may stand after the
//! command:
//!
//! ```text
//! ! 2        it is interrupted once it has printed two lines
//! > lease    the lease in its answer is `$lease` in later commands and input of the file
//! ```
//!
//! In answers, too, `$lease` stands for the lease's id as etcdctl prints it, in hexadecimal, and
//! `$lease#` for the same in decimal.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Output;

/// How many hexadecimal digits an id has that a member has made: the first of them are the member's.
const LEASE_DIGITS: usize = 14;

/// One command with its answer.
#[derive(Debug, Default)]
struct Block {
    /// The lines before the answer: remarks, the command, its input.
    head: Vec<String>,
    words: Vec<String>,
    input: String,
    /// After how many lines it is interrupted.
    lines: Option<usize>,
    /// The name of the lease in its answer.
    names: Option<String>,
    answer: String,
}

/// What a script runs.
#[derive(Debug)]
pub struct Call<'a> {
    /// The command line, without the program.
    pub arguments: Vec<&'a str>,
    /// What it reads.
    pub input: &'a str,
    /// After how many lines it is interrupted, if it does not end by itself.
    pub lines: Option<usize>,
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
    mut run: impl FnMut(Call<'_>) -> Output,
    normalise: impl Fn(&str) -> String,
) {
    let text =
        fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut blocks = parse(&text);
    assert!(!blocks.is_empty(), "{}: no command in it", file.display());
    let mut leases = Leases::default();
    let mut differences = String::new();
    for block in &mut blocks {
        let words: Vec<String> = block.words.iter().map(|word| leases.write_in(word)).collect();
        let arguments = words[1..].iter().map(String::as_str).collect();
        let input = leases.write_in(&block.input);
        let call = Call { arguments, input: &input, lines: block.lines };
        let answer = show(&run(call));
        if let Some(name) = &block.names {
            leases.add(name, &answer);
        }
        let mut answer = normalise(&leases.take_out(&answer));
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

/// Leases by the names that a script gives them.
#[derive(Debug, Default)]
struct Leases {
    by_name: Vec<(String, i64)>,
}

impl Leases {
    /// Finds the lease in an answer.
    fn add(&mut self, name: &str, answer: &str) {
        let decimal = ["\"ID\":", "\"ID\" : "].iter().find_map(|before| {
            let (_, rest) = answer.split_once(before)?;
            let end = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
            rest[..end].parse().ok()
        });
        let hexadecimal = || {
            let words = answer.split(|char: char| !char.is_ascii_hexdigit());
            let mut ids = words.filter(|word| word.len() >= LEASE_DIGITS);
            ids.find_map(|word| i64::from_str_radix(word, 16).ok())
        };
        let id = decimal.or_else(hexadecimal);
        let id = id.unwrap_or_else(|| panic!("no lease for {name} in: {answer}"));
        self.by_name.push((name.to_owned(), id));
    }

    /// What a script says with ids for names.
    fn write_in(&self, word: &str) -> String {
        self.by_name.iter().fold(word.to_owned(), |word, (name, id)| {
            word.replace(&format!("${name}#"), &id.to_string())
                .replace(&format!("${name}"), &format!("{id:016x}"))
        })
    }

    /// An answer with names for ids.
    fn take_out(&self, answer: &str) -> String {
        self.by_name.iter().fold(answer.to_owned(), |answer, (name, id)| {
            answer
                .replace(&id.to_string(), &format!("${name}#"))
                .replace(&format!("{id:016x}"), &format!("${name}"))
        })
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
    text.replace('\0', "\\0")
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
        } else if let Some(lines) = line.strip_prefix("! ") {
            block.lines = Some(lines.parse().expect("a number of lines"));
        } else if let Some(name) = line.strip_prefix("> ") {
            block.names = Some(name.to_owned());
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

    #[test]
    fn leases_have_names_instead_of_ids() {
        let text = "$ etcdctl lease grant 9\n> one\n! 2\n----\n";
        let blocks = parse(text);
        assert_eq!(print(&blocks), text);
        assert_eq!((blocks[0].names.as_deref(), blocks[0].lines), (Some("one"), Some(2)));
        let mut leases = Leases::default();
        leases.add("one", "lease 32695410dcc0ca06 granted with TTL(9s)\n");
        leases.add("two", "{\"cluster_id\":11416414895367559896,\"ID\":1234567890123456789}");
        assert_eq!(leases.write_in("a/$one"), "a/32695410dcc0ca06");
        assert_eq!(leases.take_out("a/32695410dcc0ca06 1234567890123456789"), "a/$one $two#");
        assert_eq!(leases.write_in("$two#"), "1234567890123456789");
    }
}
