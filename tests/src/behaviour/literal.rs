//! Bytes, ranges of keys and numbers of enumerations as words of a script.
//!
//! Bytes are bare when they are letters, digits, `_`, `/` or `-` (not in front), else quoted with
//! `\0`, `\n`, `\"`, `\\` and `\x7f`; many times the same is `x*2000000`. A range is `a..b`.

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use std::fmt::Write as _;

/// As many equal bytes and more are written as `x*N`.
const MANY: usize = 32;

/// `none`, `ascend`, `descend`.
pub const ORDERS: &[&str] = &["none", "ascend", "descend"];
/// What a range can be sorted by.
pub const SORT_TARGETS: &[&str] = &["key", "version", "create", "mod", "value"];
/// What a compare can look at.
pub const COMPARE_TARGETS: &[&str] = &["version", "create", "mod", "value", "lease"];
/// How a compare can compare.
pub const COMPARE_RESULTS: &[&str] = &["=", ">", "<", "!="];
/// Events that a watcher can do without.
pub const FILTERS: &[&str] = &["noput", "nodelete"];
/// What can be done with alarms.
pub const ALARM_ACTIONS: &[&str] = &["get", "activate", "deactivate"];
/// The alarms.
pub const ALARMS: &[&str] = &["none", "nospace", "corrupt"];

/// The name of a number of an enumeration; `?9` when it has none.
pub fn name_of(names: &[&str], number: i32) -> String {
    let name = usize::try_from(number).ok().and_then(|at| names.get(at));
    name.map_or_else(|| format!("?{number}"), |&name| name.to_owned())
}

/// The number of a name of an enumeration, or of `?9`.
///
/// # Errors
///
/// When it is neither.
pub fn number_of(names: &[&str], word: &str) -> Result<i32> {
    if let Some(number) = word.strip_prefix('?') {
        return number.parse().with_context(|| format!("not a number: {word}"));
    }
    let at = names.iter().position(|&name| name == word);
    let at = at.with_context(|| format!("{word} is none of {names:?}"))?;
    Ok(i32::try_from(at)?)
}

/// Bytes as a word.
pub fn show_bytes(bytes: &[u8]) -> String {
    match bytes {
        [first, rest @ ..] if bytes.len() >= MANY && rest.iter().all(|byte| byte == first) => {
            format!("{}*{}", show_bytes(&[*first]), bytes.len())
        }
        [first, ..] if *first != b'-' && bytes.iter().all(|&byte| is_bare(byte)) => {
            String::from_utf8(bytes.to_vec()).expect("bare bytes are ASCII")
        }
        _ => quote(bytes),
    }
}

/// A range of keys as a word: `a`, or `a..b`.
pub fn show_range(key: &[u8], range_end: &[u8]) -> String {
    let mut text = show_bytes(key);
    if !range_end.is_empty() {
        let _ = write!(text, "..{}", show_bytes(range_end));
    }
    text
}

/// Bytes from a word.
///
/// # Errors
///
/// When the word is something else.
pub fn read_bytes(word: &str) -> Result<Bytes> {
    let (bytes, rest) = take_bytes(word)?;
    ensure!(rest.is_empty(), "{word}: {rest} is left over; quote what is not bare");
    Ok(bytes)
}

/// The key and the end of a range from a word.
///
/// # Errors
///
/// When the word is something else.
pub fn read_range(word: &str) -> Result<(Bytes, Bytes)> {
    let (key, rest) = take_bytes(word)?;
    if rest.is_empty() {
        return Ok((key, Bytes::new()));
    }
    let end = rest.strip_prefix("..").with_context(|| format!("{word}: not a range a..b"))?;
    Ok((key, read_bytes(end)?))
}

/// Splits a line at spaces that are not in quotes.
pub fn split(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = None;
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in line.bytes().enumerate() {
        if byte == b' ' && !quoted {
            words.extend(start.take().map(|start: usize| &line[start..at]));
            continue;
        }
        start.get_or_insert(at);
        quoted ^= byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
    }
    words.extend(start.map(|start| &line[start..]));
    words
}

fn is_bare(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_/-".contains(&byte)
}

fn quote(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for &byte in bytes {
        let _ = match byte {
            0 => write!(text, "\\0"),
            b'\n' => write!(text, "\\n"),
            b'"' | b'\\' => write!(text, "\\{}", char::from(byte)),
            b' '..=b'~' => write!(text, "{}", char::from(byte)),
            _ => write!(text, "\\x{byte:02x}"),
        };
    }
    text.push('"');
    text
}

/// Bytes from the front of a word, and what comes after them.
fn take_bytes(word: &str) -> Result<(Bytes, &str)> {
    let (bytes, rest) = match word.strip_prefix('"') {
        Some(quoted) => take_quoted(quoted).with_context(|| format!("in {word}"))?,
        None => {
            let end = word.bytes().position(|byte| !is_bare(byte)).unwrap_or(word.len());
            ensure!(end > 0 && !word.starts_with('-'), "{word}: no bytes; quote what is not bare");
            (word.as_bytes()[..end].to_vec(), &word[end..])
        }
    };
    let Some(times) = rest.strip_prefix('*') else { return Ok((bytes.into(), rest)) };
    let end = times.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(times.len());
    let count: usize = times[..end].parse().with_context(|| format!("{word}: not x*N"))?;
    Ok((bytes.repeat(count).into(), &times[end..]))
}

fn take_quoted(text: &str) -> Result<(Vec<u8>, &str)> {
    let mut bytes = Vec::new();
    let mut rest = text;
    loop {
        let mut chars = rest.chars();
        let char = chars.next().context("the quote does not end")?;
        rest = chars.as_str();
        match char {
            '"' => return Ok((bytes, rest)),
            '\\' => {
                let escape = chars.next().context("the quote does not end")?;
                rest = chars.as_str();
                match escape {
                    '0' => bytes.push(0),
                    'n' => bytes.push(b'\n'),
                    '"' | '\\' => bytes.push(escape as u8),
                    'x' => {
                        let digits = rest.get(..2).context("\\x takes two digits")?;
                        bytes.push(u8::from_str_radix(digits, 16).context("\\x takes digits")?);
                        rest = &rest[2..];
                    }
                    _ => bail!("unknown escape \\{escape}"),
                }
            }
            _ => bytes.extend(char.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_they_are_written() {
        for (bytes, word) in [
            (&b"a/b-c_9"[..], "a/b-c_9"),
            (b"-a", "\"-a\""),
            (b"", "\"\""),
            (b"a b\"\\\0\n\xff", "\"a b\\\"\\\\\\0\\n\\xff\""),
            (&[b'x'; 32], "x*32"),
            (&[0; 40], "\"\\0\"*40"),
        ] {
            assert_eq!(show_bytes(bytes), word);
            assert_eq!(read_bytes(word).expect(word), bytes);
        }
        assert_eq!(read_bytes("ab*3").expect("three times"), "ababab");
    }

    #[test]
    fn a_range_has_two_ends_or_one() {
        assert_eq!(read_range("a..\"\\0\"").expect("a range"), ("a".into(), "\0".into()));
        assert_eq!(read_range("a").expect("a key"), ("a".into(), Bytes::new()));
        assert_eq!(show_range(b"a", b"\0"), "a..\"\\0\"");
    }

    #[test]
    fn what_is_neither_bare_nor_quoted_is_refused() {
        for word in ["-a", "a=b", "a.b", "\"a", "\"\\y\"", "a*b", "", "\"\\x4\""] {
            assert!(read_bytes(word).is_err(), "{word}");
        }
    }

    #[test]
    fn spaces_in_quotes_do_not_split() {
        assert_eq!(split(r#"put "a \" b"  c"#), ["put", r#""a \" b""#, "c"]);
    }

    #[test]
    fn numbers_of_no_name_have_a_question_mark() {
        assert_eq!(name_of(ORDERS, 1), "ascend");
        assert_eq!(name_of(ORDERS, -3), "?-3");
        assert_eq!(number_of(ORDERS, "?-3").expect("a number"), -3);
        assert_eq!(number_of(ORDERS, "descend").expect("a name"), 2);
        assert!(number_of(ORDERS, "sideways").is_err());
    }
}
