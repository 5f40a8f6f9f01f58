//! Finds where a JSON value ends, byte by byte, and complains of bad ones in the words of Go's
//! library.

/// How deep arrays and objects may stand in each other.
const MAX_DEPTH: usize = 10_000;

/// Reads one value.
#[derive(Debug)]
pub(crate) struct Scanner {
    step: Step,
    around: Vec<Around>,
    depth: usize,
}

/// What a byte means for the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on.
    Inside,
    /// This was its last byte.
    Last,
    /// It ended before this byte.
    Ended,
}

/// What may come next.
#[derive(Debug, Clone, Copy)]
enum Step {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    /// A value or a key has ended.
    After,
    Text,
    Escape,
    /// So many hexadecimal digits.
    Hex(u8),
    Minus,
    Zero,
    Digits,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
    /// Of a word, the bytes behind the first so many.
    Word(&'static str, usize),
}

/// What the next byte stands in.
#[derive(Debug, Clone, Copy)]
enum Around {
    Key,
    Member,
    Array,
}

impl Scanner {
    /// At the beginning of a value.
    pub(crate) fn new() -> Scanner {
        Scanner { step: Step::Value, around: Vec::new(), depth: 0 }
    }

    /// How deep the value is: 1 for an object of scalars.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// Whether the value may end here, when no more comes: a number has no end of its own.
    pub(crate) fn may_end(&self) -> bool {
        self.around.is_empty()
            && matches!(
                self.step,
                Step::Zero | Step::Digits | Step::Fraction | Step::ExponentDigits
            )
    }

    /// Takes the next byte. The error is what Go says of the syntax.
    pub(crate) fn step(&mut self, byte: u8) -> Result<Verdict, String> {
        match self.step {
            Step::Value | Step::ValueOrEnd | Step::Key | Step::KeyOrEnd if is_space(byte) => {}
            Step::Value => self.begin_value(byte)?,
            Step::ValueOrEnd if byte == b']' => return self.after(byte),
            Step::ValueOrEnd => self.begin_value(byte)?,
            Step::KeyOrEnd if byte == b'}' => {
                self.now_around(Around::Member);
                return self.after(byte);
            }
            Step::Key | Step::KeyOrEnd => match byte {
                b'"' => self.step = Step::Text,
                _ => return Err(complaint(byte, "looking for beginning of object key string")),
            },
            Step::After => return self.after(byte),
            Step::Text => match byte {
                b'"' => return Ok(self.end_scalar()),
                b'\\' => self.step = Step::Escape,
                0..0x20 => return Err(complaint(byte, "in string literal")),
                _ => {}
            },
            Step::Escape => match byte {
                b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => self.step = Step::Text,
                b'u' => self.step = Step::Hex(4),
                _ => return Err(complaint(byte, "in string escape code")),
            },
            Step::Hex(left) if byte.is_ascii_hexdigit() => {
                self.step = if left == 1 { Step::Text } else { Step::Hex(left - 1) };
            }
            Step::Hex(_) => return Err(complaint(byte, "in \\u hexadecimal character escape")),
            Step::Word(word, seen) => {
                let expected = word.as_bytes()[seen];
                if byte != expected {
                    let context = format!("in literal {word} (expecting '{}')", expected as char);
                    return Err(complaint(byte, &context));
                }
                if seen + 1 == word.len() {
                    return Ok(self.end_scalar());
                }
                self.step = Step::Word(word, seen + 1);
            }
            _ => return self.number(byte),
        }
        Ok(Verdict::Inside)
    }

    fn begin_value(&mut self, byte: u8) -> Result<(), String> {
        self.step = match byte {
            b'{' => {
                self.enter(byte, Around::Key)?;
                Step::KeyOrEnd
            }
            b'[' => {
                self.enter(byte, Around::Array)?;
                Step::ValueOrEnd
            }
            b'"' => Step::Text,
            b'-' => Step::Minus,
            b'0' => Step::Zero,
            b'1'..=b'9' => Step::Digits,
            b't' => Step::Word("true", 1),
            b'f' => Step::Word("false", 1),
            b'n' => Step::Word("null", 1),
            _ => return Err(complaint(byte, "looking for beginning of value")),
        };
        Ok(())
    }

    fn enter(&mut self, byte: u8, around: Around) -> Result<(), String> {
        if self.around.len() == MAX_DEPTH {
            return Err(complaint(byte, "exceeded max depth"));
        }
        self.around.push(around);
        self.depth = self.depth.max(self.around.len());
        Ok(())
    }

    fn now_around(&mut self, around: Around) {
        *self.around.last_mut().expect("a key or a member stands in an object") = around;
    }

    /// A byte of a number, or the first one behind it.
    fn number(&mut self, byte: u8) -> Result<Verdict, String> {
        self.step = match (self.step, byte) {
            (Step::Minus, b'0') => Step::Zero,
            (Step::Minus, b'1'..=b'9') | (Step::Digits, b'0'..=b'9') => Step::Digits,
            (Step::Minus, _) => return Err(complaint(byte, "in numeric literal")),
            (Step::Zero | Step::Digits, b'.') => Step::Point,
            (Step::Zero | Step::Digits | Step::Fraction, b'e' | b'E') => Step::Exponent,
            (Step::Point | Step::Fraction, b'0'..=b'9') => Step::Fraction,
            (Step::Point, _) => {
                return Err(complaint(byte, "after decimal point in numeric literal"));
            }
            (Step::Exponent, b'+' | b'-') => Step::ExponentSign,
            (Step::Exponent | Step::ExponentSign | Step::ExponentDigits, b'0'..=b'9') => {
                Step::ExponentDigits
            }
            (Step::Exponent | Step::ExponentSign, _) => {
                return Err(complaint(byte, "in exponent of numeric literal"));
            }
            _ if self.around.is_empty() => return Ok(Verdict::Ended),
            _ => return self.after(byte),
        };
        Ok(Verdict::Inside)
    }

    /// A word or a text has ended with this byte.
    fn end_scalar(&mut self) -> Verdict {
        self.step = Step::After;
        if self.around.is_empty() { Verdict::Last } else { Verdict::Inside }
    }

    /// A byte behind a value or a key.
    fn after(&mut self, byte: u8) -> Result<Verdict, String> {
        self.step = Step::After;
        if is_space(byte) {
            return Ok(Verdict::Inside);
        }
        match (self.around.last().expect("the outermost value has not ended"), byte) {
            (Around::Key, b':') => {
                self.now_around(Around::Member);
                self.step = Step::Value;
            }
            (Around::Member, b',') => {
                self.now_around(Around::Key);
                self.step = Step::Key;
            }
            (Around::Array, b',') => self.step = Step::Value,
            (Around::Member, b'}') | (Around::Array, b']') => {
                self.around.pop();
                if self.around.is_empty() {
                    return Ok(Verdict::Last);
                }
            }
            (Around::Key, _) => return Err(complaint(byte, "after object key")),
            (Around::Member, _) => return Err(complaint(byte, "after object key:value pair")),
            (Around::Array, _) => return Err(complaint(byte, "after array element")),
        }
        Ok(Verdict::Inside)
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn complaint(byte: u8, context: &str) -> String {
    format!("invalid character '{}' {context}", quoted(byte))
}

/// A byte as Go writes the character with its number.
fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => "\\'".to_owned(),
        b'\\' => "\\\\".to_owned(),
        0x07 => "\\a".to_owned(),
        0x08 => "\\b".to_owned(),
        0x0c => "\\f".to_owned(),
        b'\n' => "\\n".to_owned(),
        b'\r' => "\\r".to_owned(),
        b'\t' => "\\t".to_owned(),
        0x0b => "\\v".to_owned(),
        0..0x20 | 0x7f => format!("\\x{byte:02x}"),
        0x80..=0xa0 | 0xad => format!("\\u{byte:04x}"),
        _ => char::from(byte).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes the value has, and how deep it is; or what is wrong with it.
    fn scan(text: &str) -> Result<(usize, usize), String> {
        let mut scanner = Scanner::new();
        for (at, byte) in text.bytes().enumerate() {
            match scanner.step(byte)? {
                Verdict::Inside => {}
                Verdict::Last => return Ok((at + 1, scanner.depth())),
                Verdict::Ended => return Ok((at, scanner.depth())),
            }
        }
        let end = if scanner.may_end() { text.len() } else { 0 };
        Ok((end, scanner.depth()))
    }

    #[test]
    fn a_value_ends_where_it_ends() {
        for (text, rest) in [
            ("{}", "{}"),
            (" { \"a\" : [ 1 , -2.5e+7, true, null, {}, [] ], \"b\\u00e9\":\"}\" }", "x"),
            ("\"a\\\"b\"", ","),
            ("true", "x"),
            ("null", ""),
        ] {
            let (end, _) = scan(&format!("{text}{rest}")).expect("good");
            assert_eq!(end, text.len(), "{text}");
        }
        assert_eq!(scan("12 "), Ok((2, 0)));
        assert_eq!(scan("-0.5E-3"), Ok((7, 0)));
        assert_eq!(scan("12abc"), Ok((2, 0)));
        assert_eq!(scan("[[],[{}]]"), Ok((9, 3)));
        assert_eq!(scan("{\"a\":"), Ok((0, 1)));
        assert_eq!(scan("1e"), Ok((0, 0)));
    }

    #[test]
    fn bad_syntax_is_complained_of_as_go_does() {
        for (text, context) in [
            ("x", "'x' looking for beginning of value"),
            ("{x", "'x' looking for beginning of object key string"),
            ("{\"a\":1,}", "'}' looking for beginning of object key string"),
            ("{\"a\"x", "'x' after object key"),
            ("{\"a\":1\"", "'\"' after object key:value pair"),
            ("[1 2", "'2' after array element"),
            ("[1,]", "']' looking for beginning of value"),
            ("\"a\nb", "'\\n' in string literal"),
            ("\"\\x", "'x' in string escape code"),
            ("\"\\u00g", "'g' in \\u hexadecimal character escape"),
            ("-a", "'a' in numeric literal"),
            ("1.e", "'e' after decimal point in numeric literal"),
            ("1e'", "'\\'' in exponent of numeric literal"),
            ("tRue", "'R' in literal true (expecting 'r')"),
            ("nulx", "'x' in literal null (expecting 'l')"),
            ("\u{0}", "'\\x00' looking for beginning of value"),
            ("\u{e9}", "'\u{c3}' looking for beginning of value"),
            ("]", "']' looking for beginning of value"),
        ] {
            assert_eq!(scan(text), Err(format!("invalid character {context}")), "{text}");
        }
        let deep = "[".repeat(MAX_DEPTH);
        assert_eq!(scan(&deep), Ok((0, MAX_DEPTH)));
        assert_eq!(scan(&(deep + "[")), Err("invalid character '[' exceeded max depth".to_owned()));
    }
}
