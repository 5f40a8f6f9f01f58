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
//! Two more lines may stand after the command:
//!
//! ```text
//! ! 2        it is interrupted once it has printed two lines
//! > lease    the lease in its answer is `$lease` in later commands and input of the file
//! ```
//!
//! In answers, too, `$lease` stands for the lease's id as etcdctl prints it, in hexadecimal, and
//! `$lease#` for the same in decimal. Members that are added are named likewise.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Output;

use crate::transcript::Transcript;

/// How many hexadecimal digits an id has that a member has made: the first of them are the member's.
const LEASE_DIGITS: usize = 14;

/// One command.
#[derive(Debug, Default)]
struct Request {
    words: Vec<String>,
    input: String,
    /// After how many lines it is interrupted.
    lines: Option<usize>,
    /// The name of the lease in its answer.
    names: Option<String>,
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

/// Runs a script's commands and holds the answers against it, or records them from a real etcd with
/// `UPDATE_SCRIPTS` set.
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
    let mut transcript = Transcript::read(file);
    assert!(transcript.flags.is_empty(), "{}: there is no member to start", file.display());
    let mut leases = Leases::default();
    transcript.compare(|head| {
        let request = read_head(head);
        let words: Vec<String> = request.words.iter().map(|word| leases.write_in(word)).collect();
        let arguments = words[1..].iter().map(String::as_str).collect();
        let input = leases.write_in(&request.input);
        let answer = show(&run(Call { arguments, input: &input, lines: request.lines }));
        if let Some(name) = &request.names {
            leases.add(name, &answer);
        }
        normalise(&leases.take_out(&answer))
    });
    transcript.settle();
}

/// Leases by the names that a script gives them.
#[derive(Debug, Default)]
struct Leases {
    by_name: Vec<(String, u64)>,
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
            ids.find_map(|word| u64::from_str_radix(word, 16).ok())
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
                // Ids of members are printed without zeros before them.
                .replace(&format!("{id:x}"), &format!("${name}"))
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

fn read_head(head: &[String]) -> Request {
    let mut request = Request::default();
    for line in head {
        if let Some(command) = line.strip_prefix("$ ") {
            request.words = split(command);
        } else if let Some(input) = line.strip_prefix("< ") {
            request.input.push_str(input);
            request.input.push('\n');
        } else if line == "<" {
            request.input.push('\n');
        } else if let Some(lines) = line.strip_prefix("! ") {
            request.lines = Some(lines.parse().expect("a number of lines"));
        } else if let Some(name) = line.strip_prefix("> ") {
            request.names = Some(name.to_owned());
        } else {
            assert!(line.starts_with('#'), "neither remark nor command nor input: {line}");
        }
    }
    assert!(request.words.len() > 1, "no command before an answer: {head:?}");
    request
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Request {
        read_head(&text.lines().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_command_is_words_with_an_input() {
        let request = read("# why\n$ etcdctl get 'a b' \"\"\n< one\n<\n< two");
        assert_eq!(request.words, ["etcdctl", "get", "a b", ""]);
        assert_eq!(request.input, "one\n\ntwo\n");
    }

    #[test]
    fn leases_have_names_instead_of_ids() {
        let request = read("$ etcdctl lease grant 9\n> one\n! 2");
        assert_eq!((request.names.as_deref(), request.lines), (Some("one"), Some(2)));
        let mut leases = Leases::default();
        leases.add("one", "lease 32695410dcc0ca06 granted with TTL(9s)\n");
        leases.add("two", "{\"cluster_id\":11416414895367559896,\"ID\":1234567890123456789}");
        assert_eq!(leases.write_in("a/$one"), "a/32695410dcc0ca06");
        assert_eq!(leases.take_out("a/32695410dcc0ca06 1234567890123456789"), "a/$one $two#");
        assert_eq!(leases.write_in("$two#"), "1234567890123456789");
    }
}
