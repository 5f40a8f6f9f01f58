//! The kinds of values that flags take: how each is read from a word and from a file.

use figment::value::{Empty, Value};

use crate::duration;
use crate::gates::FeatureGates;
use crate::number::{NumberFault, parse_bool, parse_int, parse_uint};
use crate::url;

/// What values a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// A boolean; on the command line the bare flag is true.
    Bool,
    /// A whole number from 0 to 2^64-1.
    Uint,
    /// A whole number from 0 to 2^32-1.
    Uint32,
    /// A signed whole number.
    Int,
    /// A duration with units; in a YAML file a whole number of nanoseconds.
    Duration,
    /// URLs joined by commas, in a YAML file too.
    Urls,
    /// `*` or URLs joined by commas, in a YAML file too.
    Origins,
    /// Texts joined by commas whose order counts; in a YAML file a list.
    List,
    /// Texts joined by commas, sorted and each once; in a YAML file a list.
    Set,
    /// Texts joined by commas, in a YAML file too.
    Hosts,
    /// One of these words; a file may say another, which is checked where it matters.
    Choice(&'static [&'static str]),
    /// The same, with a message that names the word.
    QuotedChoice(&'static [&'static str]),
    /// Feature gates.
    Gates,
    /// Accepted with or without a value, which has no effect.
    Ignored,
}

/// The result of reading a value: `None` leaves what was there before.
pub(crate) type Reading = Result<Option<Value>, String>;

impl Kind {
    /// Whether the command line takes no separate word as the value.
    pub(crate) fn is_bare(self) -> bool {
        matches!(self, Kind::Bool | Kind::Ignored)
    }

    /// Reads a word of the command line, a variable or a default; the error is etcd's text.
    pub(crate) fn parse(self, text: &str) -> Reading {
        let value = match self {
            Kind::Text => Value::from(text),
            Kind::Bool => Value::from(parse_bool(text).ok_or("parse error")?),
            Kind::Uint => Value::from(parse_uint(text, u64::MAX).map_err(number_text)?),
            Kind::Uint32 => Value::from(parse_uint32(text)?),
            Kind::Int => Value::from(parse_int(text).map_err(number_text)?),
            Kind::Duration => Value::from(duration::parse(text).map_err(|_| "parse error")?),
            Kind::Urls | Kind::Origins if text.is_empty() => return Ok(None),
            Kind::Origins if text == "*" => Value::from(vec![text]),
            Kind::Urls | Kind::Origins => {
                let urls = url::parse_list(text)?;
                Value::from(urls.iter().map(url::Url::as_str).collect::<Vec<&str>>())
            }
            Kind::List => texts(text.split(',')),
            Kind::Set | Kind::Hosts => sorted(text.split(',')),
            Kind::Choice(allowed) if !allowed.contains(&text) => {
                return Err("invalid value".to_owned());
            }
            Kind::QuotedChoice(allowed) if !allowed.contains(&text) => {
                return Err(format!("invalid value {text:?}"));
            }
            Kind::Choice(_) | Kind::QuotedChoice(_) => Value::from(text),
            Kind::Gates => {
                FeatureGates::parse(text)?;
                Value::from(text)
            }
            Kind::Ignored => return Ok(None),
        };
        Ok(Some(value))
    }

    /// Reads a value of a YAML or JSON file; null leaves what was there before.
    pub(crate) fn decode(self, value: &Value) -> Reading {
        if matches!(value, Value::Empty(_, Empty::Unit | Empty::None)) {
            return Ok(None);
        }
        let expected = |what: &str| Err(format!("expected {what}, found {}", describe(value)));
        match self {
            Kind::Bool => match bool_of(value) {
                Some(bool) => Ok(Some(Value::from(bool))),
                None => expected("true or false"),
            },
            Kind::Uint | Kind::Uint32 => match unsigned_of(value) {
                Some(number) if self == Kind::Uint || number <= u64::from(u32::MAX) => {
                    Ok(Some(Value::from(number)))
                }
                Some(_) => expected("a whole number up to 4294967295"),
                None => expected("a whole number from 0 without quotes"),
            },
            Kind::Int => match signed_of(value) {
                Some(number) => Ok(Some(Value::from(number))),
                None => expected("a whole number without quotes"),
            },
            Kind::Duration => match signed_of(value) {
                Some(number) => Ok(Some(Value::from(number))),
                None => Err(format!("{}, found {}", nanos_wanted(value), describe(value))),
            },
            Kind::List | Kind::Set => match value.as_array() {
                Some(items) => match items.iter().map(text_of).collect::<Option<Vec<String>>>() {
                    Some(items) if self == Kind::List => Ok(Some(texts(items.iter()))),
                    Some(items) => Ok(Some(sorted(items.iter()))),
                    None => Err("expected a list of texts, found another item in it".to_owned()),
                },
                None => expected("a list, such as [a, b]"),
            },
            Kind::Urls | Kind::Origins | Kind::Hosts | Kind::Gates => match text_of(value) {
                Some(text) if text.is_empty() => Ok(None),
                Some(text) => self.parse(&text),
                None => expected("one text with commas in it"),
            },
            Kind::Text | Kind::Choice(_) | Kind::QuotedChoice(_) => match text_of(value) {
                Some(text) => Ok(Some(Value::from(text))),
                None => expected("a text"),
            },
            Kind::Ignored => Ok(None),
        }
    }

    /// What to write instead of a word that cannot be read; empty where the message says it.
    pub(crate) fn advice(self) -> String {
        match self {
            Kind::Bool => "write true or false".to_owned(),
            Kind::Uint => "write a whole number from 0".to_owned(),
            Kind::Uint32 => "write a whole number from 0 to 4294967295".to_owned(),
            Kind::Int => "write a whole number".to_owned(),
            Kind::Duration => "write a number with a unit, such as 500ms, 5s or 1h30m".to_owned(),
            Kind::Urls => {
                "write URLs such as http://127.0.0.1:2379, separated by commas".to_owned()
            }
            Kind::Origins => "write * or URLs such as https://example.com:443".to_owned(),
            Kind::Choice(allowed) | Kind::QuotedChoice(allowed) => {
                format!("write {}", allowed.join(" or "))
            }
            Kind::Gates => "write gates such as LeaseCheckpoint=true".to_owned(),
            Kind::Text | Kind::List | Kind::Set | Kind::Hosts | Kind::Ignored => String::new(),
        }
    }
}

fn number_text(fault: NumberFault) -> &'static str {
    match fault {
        NumberFault::Syntax => "parse error",
        NumberFault::Range => "value out of range",
    }
}

fn parse_uint32(text: &str) -> Result<u64, String> {
    parse_uint(text, u64::from(u32::MAX)).map_err(|fault| {
        let reason = match fault {
            NumberFault::Syntax => "invalid syntax",
            NumberFault::Range => "value out of range",
        };
        format!("strconv.ParseUint: parsing {text:?}: {reason}")
    })
}

/// A list without surrounding spaces; the empty text is the empty list.
fn texts(items: impl Iterator<Item = impl AsRef<str>>) -> Value {
    let mut items: Vec<String> = items.map(|item| item.as_ref().trim().to_owned()).collect();
    if items.len() == 1 && items[0].is_empty() {
        items.clear();
    }
    Value::from(items)
}

fn sorted(items: impl Iterator<Item = impl AsRef<str>>) -> Value {
    let mut items: Vec<String> = items.map(|item| item.as_ref().trim().to_owned()).collect();
    items.sort();
    items.dedup();
    texts(items.iter())
}

fn bool_of(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(_, bool) => Some(*bool),
        // The plain words that are booleans in YAML 1.1, which etcd reads.
        Value::String(_, text) => match text.to_ascii_lowercase().as_str() {
            "y" | "yes" | "on" => Some(true),
            "n" | "no" | "off" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn unsigned_of(value: &Value) -> Option<u64> {
    signed_wide(value).and_then(|number| u64::try_from(number).ok())
}

fn signed_of(value: &Value) -> Option<i64> {
    signed_wide(value).and_then(|number| i64::try_from(number).ok())
}

/// A whole number; `1e3` is one.
fn signed_wide(value: &Value) -> Option<i128> {
    let Value::Num(_, number) = value else { return None };
    if let Some(number) = number.to_u128() {
        return i128::try_from(number).ok();
    }
    number.to_i128().or_else(|| {
        let float = number.to_f64()?;
        // Beyond 2^53 a float no longer holds every whole number.
        let whole = float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0;
        whole.then_some(float as i128)
    })
}

/// Plain numbers and booleans count as the text that they print as.
fn text_of(value: &Value) -> Option<String> {
    Some(match value {
        Value::String(_, text) => text.clone(),
        Value::Char(_, letter) => letter.to_string(),
        Value::Bool(_, bool) => bool.to_string(),
        Value::Num(_, number) => match (number.to_u128(), number.to_i128(), number.to_f64()) {
            (Some(number), _, _) => number.to_string(),
            (_, Some(number), _) => number.to_string(),
            (_, _, number) => number?.to_string(),
        },
        Value::Empty(..) => String::new(),
        Value::Dict(..) | Value::Array(..) => return None,
    })
}

fn nanos_wanted(value: &Value) -> String {
    match text_of(value).and_then(|text| duration::parse(&text).ok()) {
        Some(nanos) => format!("expected a number of nanoseconds, here {nanos}"),
        None => "expected a number of nanoseconds, such as 5000000000 for 5s".to_owned(),
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Dict(..) => "a mapping".to_owned(),
        Value::Array(..) => "a list".to_owned(),
        Value::String(_, text) => format!("the text {text:?}"),
        other => text_of(other).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(kind: Kind, text: &str) -> Option<Value> {
        kind.parse(text).expect("the word is read")
    }

    #[test]
    fn lists_keep_their_order_and_sets_are_sorted() {
        assert_eq!(parsed(Kind::List, "b, a,b"), Some(Value::from(vec!["b", "a", "b"])));
        assert_eq!(parsed(Kind::Set, "b, a,b"), Some(Value::from(vec!["a", "b"])));
        assert_eq!(parsed(Kind::Set, ""), Some(Value::from(Vec::<String>::new())));
    }

    #[test]
    fn an_empty_url_list_leaves_the_default() {
        assert_eq!(parsed(Kind::Urls, ""), None);
        assert_eq!(parsed(Kind::Origins, ""), None);
    }

    #[test]
    fn bad_words_get_etcds_reasons() {
        for (kind, text, reason) in [
            (Kind::Bool, "yes", "parse error"),
            (Kind::Uint, "-1", "parse error"),
            (Kind::Uint, "99999999999999999999", "value out of range"),
            (Kind::Uint32, "x", "strconv.ParseUint: parsing \"x\": invalid syntax"),
            (
                Kind::Uint32,
                "4294967296",
                "strconv.ParseUint: parsing \"4294967296\": value out of range",
            ),
            (Kind::Int, "1.5", "parse error"),
            (Kind::Duration, "5", "parse error"),
            (Kind::Choice(&["a"]), "b", "invalid value"),
            (Kind::QuotedChoice(&["a"]), "b", "invalid value \"b\""),
            (Kind::Gates, "X=true", "unrecognized feature gate: X"),
        ] {
            assert_eq!(kind.parse(text), Err(reason.to_owned()), "{kind:?} {text}");
        }
    }

    #[test]
    fn a_plain_number_in_a_file_serves_as_text() {
        let decoded = Kind::Text.decode(&Value::from(1_u64)).expect("a number is a text");
        assert_eq!(decoded, Some(Value::from("1")));
    }

    #[test]
    fn a_duration_with_units_in_a_file_is_refused_with_its_nanoseconds() {
        assert_eq!(
            Kind::Duration.decode(&Value::from("10m")),
            Err("expected a number of nanoseconds, here 600000000000, found the text \"10m\""
                .to_owned())
        );
    }
}
