//! What is said of a span beside its name.

use std::fmt;

use opentelemetry::KeyValue;

/// The most bytes that are told of a key: spans wait in memory until they are exported.
const MAX_KEY_BYTES: usize = 1024;

/// A name and a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// As etcd or OpenTelemetry's conventions call it.
    pub name: &'static str,
    /// What it is.
    pub value: Value,
}

/// The value of an [`Attribute`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Some words.
    Text(String),
    /// A number.
    Number(i64),
    /// Whether something is so.
    Flag(bool),
}

impl Attribute {
    /// A key or the end of a range: bytes that mostly are text. Of a long one the beginning is told.
    pub fn key(name: &'static str, bytes: &[u8]) -> Attribute {
        let told = &bytes[..bytes.len().min(MAX_KEY_BYTES)];
        Attribute { name, value: Value::Text(String::from_utf8_lossy(told).into_owned()) }
    }

    /// Some words.
    pub fn text(name: &'static str, text: impl Into<String>) -> Attribute {
        Attribute { name, value: Value::Text(text.into()) }
    }

    /// A number.
    pub fn number(name: &'static str, number: i64) -> Attribute {
        Attribute { name, value: Value::Number(number) }
    }

    /// How many there are of something.
    pub fn count(name: &'static str, count: usize) -> Attribute {
        Attribute::number(name, i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// Whether something is so.
    pub fn flag(name: &'static str, is_so: bool) -> Attribute {
        Attribute { name, value: Value::Flag(is_so) }
    }
}

impl From<Attribute> for KeyValue {
    fn from(Attribute { name, value }: Attribute) -> KeyValue {
        match value {
            Value::Text(text) => KeyValue::new(name, text),
            Value::Number(number) => KeyValue::new(name, number),
            Value::Flag(flag) => KeyValue::new(name, flag),
        }
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.name)?;
        match &self.value {
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Number(number) => write!(f, "{number}"),
            Value::Flag(flag) => write!(f, "{flag}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_as_text_and_never_whole_when_it_is_long() {
        assert_eq!(Attribute::key("key", b"a\xffb").to_string(), "key=\"a\u{fffd}b\"");
        let long = Attribute::key("key", &vec![b'k'; 5000]);
        assert_eq!(long, Attribute::text("key", "k".repeat(MAX_KEY_BYTES)));
    }
}
