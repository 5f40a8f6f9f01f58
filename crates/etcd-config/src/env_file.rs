//! The lines of an environment file, read as systemd reads `EnvironmentFile=`.
//!
//! A value may stand bare, in single or in double quotes, and in several such pieces. A backslash
//! joins lines; in a bare value it makes the next character plain, in double quotes only `"`, `\`,
//! `` ` `` and `$`. Lines beginning with `#` or `;` are comments. Nothing is expanded.

use std::iter::Peekable;
use std::str::Chars;

use crate::fault::Position;

/// One `NAME=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) value: String,
    /// Where the name begins.
    pub(crate) position: Position,
}

/// Something that is no `NAME=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadLine {
    pub(crate) position: Position,
    pub(crate) message: String,
    pub(crate) advice: &'static str,
}

/// Reads all lines; what cannot be read does not keep the rest from being read.
pub(crate) fn parse(text: &str) -> (Vec<Line>, Vec<BadLine>) {
    let mut reader = Reader { rest: text.chars().peekable(), line: 1, column: 1 };
    let (mut lines, mut bad_lines) = (Vec::new(), Vec::new());
    while let Some(next) = reader.peek() {
        match next {
            '#' | ';' => reader.skip_line(),
            next if next.is_whitespace() => {
                reader.next();
            }
            _ => match reader.assignment() {
                Ok(line) => lines.push(line),
                Err(bad_line) => bad_lines.push(bad_line),
            },
        }
    }
    (lines, bad_lines)
}

struct Reader<'t> {
    rest: Peekable<Chars<'t>>,
    line: usize,
    column: usize,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<char> {
        self.rest.peek().copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        if next == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(next)
    }

    fn position(&self) -> Position {
        Position { line: self.line, column: self.column }
    }

    fn skip_line(&mut self) {
        while self.next().is_some_and(|next| next != '\n') {}
    }

    fn assignment(&mut self) -> Result<Line, BadLine> {
        let position = self.position();
        let mut name = String::new();
        loop {
            match self.next() {
                Some('=') => break,
                Some('\n' | '\r') | None => {
                    return Err(BadLine {
                        position,
                        message: format!("expected NAME=value, found {:?}", name.trim_end()),
                        advice: "put a # before a heading or a comment",
                    });
                }
                Some(next) => name.push(next),
            }
        }
        let value = self.value()?;
        let name = name.trim_end().to_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(plain) || name.starts_with(char::is_numeric) {
            return Err(BadLine {
                position,
                message: format!("{name:?} is no variable's name"),
                advice: "a name has letters, digits and _ alone",
            });
        }
        Ok(Line { name, value, position })
    }

    /// Reads to the end of the value's last line.
    fn value(&mut self) -> Result<String, BadLine> {
        let mut value = String::new();
        loop {
            match self.peek() {
                None => return Ok(value),
                Some('\n' | '\r') => {
                    self.next();
                    return Ok(value);
                }
                Some(quote @ ('"' | '\'')) => {
                    let opened = self.position();
                    self.next();
                    self.quoted(quote, &mut value).ok_or_else(|| BadLine {
                        position: opened,
                        message: "the quote that opens here is not closed".to_owned(),
                        advice: "close it with the same quote",
                    })?;
                }
                Some(next) if next.is_whitespace() => {
                    self.next();
                }
                Some(_) => {
                    self.bare(&mut value);
                    return Ok(value);
                }
            }
        }
    }

    /// Reads up to the closing quote; `None` where there is none.
    fn quoted(&mut self, quote: char, value: &mut String) -> Option<()> {
        loop {
            match self.next()? {
                next if next == quote => return Some(()),
                '\\' if quote == '"' => match self.next()? {
                    '\n' => {}
                    escaped @ ('"' | '\\' | '`' | '$') => value.push(escaped),
                    other => value.extend(['\\', other]),
                },
                next => value.push(next),
            }
        }
    }

    /// Reads a bare value to the end of its line; what stands before, blanks too, is kept.
    fn bare(&mut self, value: &mut String) {
        // Everything up to here stays when blanks at the end are dropped.
        let mut kept = value.len();
        while let Some(next) = self.next() {
            match next {
                '\n' | '\r' => break,
                '\\' => match self.next() {
                    Some('\n') | None => {}
                    Some(escaped) => {
                        value.push(escaped);
                        kept = value.len();
                    }
                },
                _ => {
                    value.push(next);
                    if !next.is_whitespace() {
                        kept = value.len();
                    }
                }
            }
        }
        value.truncate(kept);
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(text: &str, expect: Expect) {
        let (lines, bad_lines) = parse(text);
        let mut shown = String::new();
        for Line { name, value, position } in lines {
            shown += &format!("{}:{} {name}={value:?}\n", position.line, position.column);
        }
        for BadLine { position, message, advice } in bad_lines {
            shown += &format!("{}:{} {message}; {advice}\n", position.line, position.column);
        }
        expect.assert_eq(&shown);
    }

    #[test]
    fn values_stand_bare_or_in_quotes() {
        check(
            "A=bare words  \nB=\"two  words \"\nC='single \"x\"'\nD=\nE = spaced\n",
            expect![[r#"
                1:1 A="bare words"
                2:1 B="two  words "
                3:1 C="single \"x\""
                4:1 D=""
                5:1 E="spaced"
            "#]],
        );
    }

    #[test]
    fn pieces_are_joined_and_nothing_is_expanded() {
        check(
            "A=\"a\"'b'c\nB=\"$HOME ${X}\"\nC=a\"b\"\n",
            expect![[r#"
                1:1 A="abc"
                2:1 B="$HOME ${X}"
                3:1 C="a\"b\""
            "#]],
        );
    }

    #[test]
    fn a_backslash_escapes_or_joins_lines() {
        check(
            "A=one\\\ntwo\nB=\"one\\\ntwo\"\nC=a\\ b\\\\\nD=\"\\$x \\n \\\"\"\nE='\\n'\n",
            expect![[r#"
                1:1 A="onetwo"
                3:1 B="onetwo"
                5:1 C="a b\\"
                6:1 D="$x \\n \""
                7:1 E="\\n"
            "#]],
        );
    }

    #[test]
    fn comments_and_blank_lines_are_skipped_and_do_not_continue() {
        check(
            "# a \\\nA=1\n  ; b\n\n  B=2 # not a comment\r\nC=3",
            expect![[r#"
                2:1 A="1"
                5:3 B="2 # not a comment"
                6:1 C="3"
            "#]],
        );
    }

    #[test]
    fn bad_lines_are_all_named() {
        check(
            "[Member]\nA=1\nexport B=2\n1C=x\nD=\"open\n",
            expect![[r#"
                2:1 A="1"
                1:1 expected NAME=value, found "[Member]"; put a # before a heading or a comment
                3:1 "export B" is no variable's name; a name has letters, digits and _ alone
                4:1 "1C" is no variable's name; a name has letters, digits and _ alone
                5:3 the quote that opens here is not closed; close it with the same quote
            "#]],
        );
    }
}
