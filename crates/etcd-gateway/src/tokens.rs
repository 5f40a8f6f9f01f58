//! The tokens of a JSON value whose syntax is known to be good, with complaints in the words of
//! Go's protobuf library.

use std::borrow::Cow;

/// What begins every complaint.
const PREFIX: &str = "proto: ";

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    ObjectOpen,
    ObjectClose,
    ArrayOpen,
    ArrayClose,
    /// Of a member of an object.
    Name,
    Text,
    Number,
    True,
    False,
    Null,
}

/// One token.
#[derive(Debug, Clone)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    at: usize,
    /// As it is written.
    pub(crate) raw: &'a str,
    /// What a name or a text says.
    pub(crate) text: Cow<'a, str>,
}

/// Reads tokens.
#[derive(Debug)]
pub(crate) struct Tokens<'a> {
    json: &'a [u8],
    at: usize,
    /// The next one, when it was looked at.
    peeked: Option<Token<'a>>,
}

impl<'a> Tokens<'a> {
    /// Of one value, without blanks before it.
    pub(crate) fn new(json: &'a [u8]) -> Tokens<'a> {
        Tokens { json, at: 0, peeked: None }
    }

    /// The kind of the next token, which remains the next one.
    pub(crate) fn peek(&mut self) -> Result<Kind, String> {
        let token = self.read()?;
        let kind = token.kind;
        self.peeked = Some(token);
        Ok(kind)
    }

    /// The next token.
    ///
    /// # Panics
    /// When there is none: whoever reads knows which object or array has not been closed.
    pub(crate) fn read(&mut self) -> Result<Token<'a>, String> {
        if let Some(token) = self.peeked.take() {
            return Ok(token);
        }
        self.skip_between();
        let at = self.at;
        let kind = match self.json[at] {
            b'{' => Kind::ObjectOpen,
            b'}' => Kind::ObjectClose,
            b'[' => Kind::ArrayOpen,
            b']' => Kind::ArrayClose,
            b'"' => return self.read_text(),
            b't' => Kind::True,
            b'f' => Kind::False,
            b'n' => Kind::Null,
            _ => Kind::Number,
        };
        let length = match kind {
            Kind::True | Kind::Null => 4,
            Kind::False => 5,
            Kind::Number => {
                let is_of_number = |byte: &&u8| {
                    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
                };
                self.json[at..].iter().take_while(is_of_number).count()
            }
            _ => 1,
        };
        self.at += length;
        Ok(Token { kind, at, raw: self.raw(at), text: Cow::Borrowed("") })
    }

    /// Goes past the next value, whatever it is.
    pub(crate) fn skip_value(&mut self) -> Result<(), String> {
        let mut open = 0_usize;
        loop {
            match self.read()?.kind {
                Kind::ObjectOpen | Kind::ArrayOpen => open += 1,
                Kind::ObjectClose | Kind::ArrayClose => open -= 1,
                _ => {}
            }
            if open == 0 {
                return Ok(());
            }
        }
    }

    /// A complaint of a token that cannot stand where it stands.
    pub(crate) fn unexpected(&self, token: &Token<'_>) -> String {
        self.bad_syntax(token.at, &format!("unexpected token {}", token.raw))
    }

    /// A complaint of what a token says.
    pub(crate) fn wrong(&self, token: &Token<'_>, reason: &str) -> String {
        format!("{PREFIX}({}): {reason}", self.place(token.at))
    }

    fn bad_syntax(&self, at: usize, reason: &str) -> String {
        format!("{PREFIX}syntax error ({}): {reason}", self.place(at))
    }

    /// Line and column, both counted from 1.
    fn place(&self, at: usize) -> String {
        let before = &self.json[..at];
        let lines = before.iter().filter(|byte| **byte == b'\n').count();
        let line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        format!("line {}:{}", lines + 1, String::from_utf8_lossy(line).chars().count() + 1)
    }

    /// Past blanks, and what only separates.
    fn skip_between(&mut self) {
        let rest = &self.json[self.at..];
        let is_between = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b':');
        self.at += rest.iter().take_while(is_between).count();
    }

    /// What was read since a place that is no text, or a good one.
    fn raw(&self, from: usize) -> &'a str {
        std::str::from_utf8(&self.json[from..self.at]).expect("only texts are not ASCII")
    }

    fn read_text(&mut self) -> Result<Token<'a>, String> {
        let at = self.at;
        let mut end = at + 1;
        let mut text = Cow::Borrowed("");
        loop {
            let special = self.json[end..].iter().position(|byte| matches!(byte, b'"' | b'\\'));
            let special = end + special.expect("the text is closed");
            let plain = std::str::from_utf8(&self.json[end..special]);
            let plain = plain.map_err(|_| self.bad_syntax(at, "invalid UTF-8 in string"))?;
            if text.is_empty() {
                text = Cow::Borrowed(plain);
            } else {
                text.to_mut().push_str(plain);
            }
            if self.json[special] == b'"' {
                self.at = special + 1;
                break;
            }
            let (char, length) = self.escape(at, special)?;
            text.to_mut().push(char);
            end = special + length;
        }
        let behind = self.json[self.at..].trim_ascii_start();
        let kind = if behind.first() == Some(&b':') { Kind::Name } else { Kind::Text };
        Ok(Token { kind, at, raw: self.raw(at), text })
    }

    /// What stands for the backslash at `at`, and how long that is; the text begins at `text`.
    fn escape(&self, text: usize, at: usize) -> Result<(char, usize), String> {
        let char = match self.json[at + 1] {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.unit(at).expect("the syntax is good");
                if let Some(char) = char::from_u32(u32::from(first)) {
                    return Ok((char, 6));
                }
                return match self.unit(at + 6).map(|second| [first, second]) {
                    Some(pair) => match char::decode_utf16(pair).next() {
                        Some(Ok(char)) => Ok((char, 12)),
                        _ => Err(self.bad_escape(text, at + 6)),
                    },
                    None => Err(self.bad_escape(text, at + 6)),
                };
            }
            other => char::from(other),
        };
        Ok((char, 2))
    }

    /// The unit of UTF-16 that an escape at a place stands for.
    fn unit(&self, at: usize) -> Option<u16> {
        let digits = self.json.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    }

    fn bad_escape(&self, text: usize, at: usize) -> String {
        match self.json.get(at..at + 6) {
            Some(code) => {
                let code = String::from_utf8_lossy(code);
                self.bad_syntax(text, &format!("invalid escape code {code:?} in string"))
            }
            None => format!("{PREFIX}unexpected EOF"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(json: &str) -> Result<Vec<String>, String> {
        let mut tokens = Tokens::new(json.as_bytes());
        assert_eq!(tokens.read()?.kind, Kind::ArrayOpen);
        let mut texts = Vec::new();
        while tokens.peek()? != Kind::ArrayClose {
            let token = tokens.read()?;
            texts.push(format!("{:?} {} {}", token.kind, token.raw, token.text));
        }
        Ok(texts)
    }

    #[test]
    fn texts_are_unescaped() {
        let json = r#"["a","\"\\\/\b\f\n\r\t","x\u00e9y","\ud83d\ude00!",""]"#;
        let expected = [
            "Text \"a\" a".to_owned(),
            "Text \"\\\"\\\\\\/\\b\\f\\n\\r\\t\" \"\\/\u{8}\u{c}\n\r\t".to_owned(),
            "Text \"x\\u00e9y\" x\u{e9}y".to_owned(),
            "Text \"\\ud83d\\ude00!\" \u{1f600}!".to_owned(),
            "Text \"\" ".to_owned(),
        ];
        assert_eq!(texts(json), Ok(expected.to_vec()));
    }

    #[test]
    fn halves_of_characters_are_refused() {
        let complaint = |code| {
            Err(format!("proto: syntax error (line 2:2): invalid escape code {code} in string"))
        };
        assert_eq!(texts("[\n \"a\\ud83dxxxxxx\"]"), complaint("\"xxxxxx\""));
        assert_eq!(texts("[\n \"a\\ude00\\ud83d\"]"), complaint(r#""\\ud83d""#));
        assert_eq!(texts("[\"\\ud83d\"]"), Err("proto: unexpected EOF".to_owned()));
        let mut tokens = Tokens::new(b"\"a\xff\"");
        let complaint = "proto: syntax error (line 1:1): invalid UTF-8 in string";
        assert_eq!(tokens.peek(), Err(complaint.to_owned()));
    }

    #[test]
    fn values_are_skipped_whole() {
        let mut tokens = Tokens::new(b"{\"a\" : {\"b\":[1,[],{}]} , \"c\":-1.5e3}");
        tokens.read().expect("open");
        tokens.read().expect("a");
        tokens.skip_value().expect("good");
        let name = tokens.read().expect("c");
        assert_eq!((name.kind, &*name.text), (Kind::Name, "c"));
        assert_eq!(tokens.read().expect("a number").raw, "-1.5e3");
        assert_eq!(tokens.read().expect("close").kind, Kind::ObjectClose);
    }
}
