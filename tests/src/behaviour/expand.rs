//! Lines that stand for many: `put k{01..12} v{01..12}`.

use anyhow::{Context, Result, ensure};

/// No line stands for more.
const MOST: usize = 5000;

/// The lines that a line stands for: itself, when there is no `{A..B}` outside quotes. Several of
/// them count together. Numbers are as wide as the first when that begins with a zero.
///
/// # Errors
///
/// When one of them is malformed, or they are not equally long.
pub(super) fn expand(line: &str) -> Result<Vec<String>> {
    let mut pieces: Vec<Vec<String>> = Vec::new();
    let mut rest = line;
    while let Some(open) = find_open(rest) {
        let close = rest[open..].find('}').with_context(|| format!("no }} in: {line}"))? + open;
        let numbers =
            count(&rest[open + 1..close]).with_context(|| format!("not {{A..B}} in: {line}"))?;
        pieces.push(vec![rest[..open].to_owned()]);
        pieces.push(numbers);
        rest = &rest[close + 1..];
    }
    pieces.push(vec![rest.to_owned()]);
    let most = pieces.iter().map(Vec::len).max().unwrap_or(1);
    ensure!(most <= MOST, "more than {MOST} lines: {line}");
    for piece in &mut pieces {
        if piece.len() == 1 && most > 1 {
            *piece = vec![piece[0].clone(); most];
        }
        ensure!(piece.len() == most, "not equally long: {line}");
    }
    Ok((0..most).map(|at| pieces.iter().map(|piece| piece[at].as_str()).collect()).collect())
}

/// The first brace outside quotes.
fn find_open(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    text.bytes().position(|byte| {
        quoted ^= byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        byte == b'{' && !quoted
    })
}

fn count(text: &str) -> Result<Vec<String>> {
    let (first, last) = text.split_once("..").context("no two dots")?;
    let width = if first.starts_with('0') { first.len() } else { 1 };
    let (first, last): (usize, usize) = (first.parse()?, last.parse()?);
    ensure!(first < last, "{first} is not before {last}");
    Ok((first..=last).map(|number| format!("{number:0width$}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stands_for_many() {
        assert_eq!(expand("put a b").expect("itself"), ["put a b"]);
        assert_eq!(expand("put k{09..10} v{9..10}").expect("two"), ["put k09 v9", "put k10 v10"]);
        assert_eq!(expand(r#"put "{1..2}" \"#).expect("itself"), [r#"put "{1..2}" \"#]);
        for bad in ["{1..2} {1..3}", "{1..2", "{1}", "{2..1}", "{1..9999}"] {
            assert!(expand(bad).is_err(), "{bad}");
        }
    }
}
