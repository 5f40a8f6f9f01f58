//! YAML and JSON text as figment values, and the place of a key inside such a text.

use std::cell::Cell;
use std::fmt;

use figment::providers::Format;
use figment::value::Dict;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use crate::fault::Position;

/// How many values under the same keys are told apart.
const MAX_REPEATS: usize = 16;

/// YAML 1.2, of which JSON is a part.
pub(crate) struct Yaml;

impl Format for Yaml {
    type Error = yaml_serde::Error;

    const NAME: &'static str = "YAML";

    fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, yaml_serde::Error> {
        yaml_serde::from_str(text)
    }
}

/// The mapping that a text is; an empty text is an empty mapping.
pub(crate) fn read(text: &str) -> Result<Dict, yaml_serde::Error> {
    Ok(Yaml::from_str::<Option<Dict>>(text)?.unwrap_or_default())
}

/// The place of an error inside its text.
pub(crate) fn position(error: &yaml_serde::Error) -> Option<Position> {
    let location = error.location()?;
    Some(Position { line: location.line(), column: location.column() })
}

/// The place of the value under nested keys, of the last one if the keys are repeated.
///
/// The reader gives places to errors alone, so this reads the text again and fails on purpose at
/// the value.
pub(crate) fn locate(text: &str, keys: &[String]) -> Option<Position> {
    (0..MAX_REPEATS).map_while(|earlier| occurrence(text, keys, earlier)).last()
}

/// Whether there are several values under the same keys; the last one counts.
pub(crate) fn is_repeated(text: &str, keys: &[String]) -> bool {
    occurrence(text, keys, 1).is_some()
}

/// The place of the value that has `earlier` others under the same keys before it.
fn occurrence(text: &str, keys: &[String], earlier: usize) -> Option<Position> {
    let document = yaml_serde::Deserializer::from_str(text);
    let earlier = Cell::new(earlier);
    Seek { keys, earlier: &earlier }.deserialize(document).err().as_ref().and_then(position)
}

/// Walks down the keys and fails at their end, behind the values that are to be left out.
#[derive(Clone, Copy)]
struct Seek<'k> {
    keys: &'k [String],
    earlier: &'k Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Seek<'_> {
    fn end<E: serde::de::Error>(self) -> Result<(), E> {
        if !self.keys.is_empty() {
            return Ok(());
        }
        match self.earlier.get() {
            0 => Err(E::custom("found")),
            earlier => {
                self.earlier.set(earlier - 1);
                Ok(())
            }
        }
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.end()?;
        while let Some(key) = map.next_key::<String>()? {
            match self.keys.split_first() {
                Some((head, keys)) if *head == key => {
                    map.next_value_seed(Seek { keys, ..self })?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.end()?;
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.end()
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.end()
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.end()
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        self.end()
    }

    fn visit_i128<E: serde::de::Error>(self, _: i128) -> Result<(), E> {
        self.end()
    }

    fn visit_u128<E: serde::de::Error>(self, _: u128) -> Result<(), E> {
        self.end()
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.end()
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        self.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, keys: &[&str], line: usize, column: usize) {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        assert_eq!(locate(text, &keys), Some(Position { line, column }), "{text}");
    }

    #[test]
    fn every_kind_of_value_is_located() {
        for value in ["text", "'quoted'", "-5", "5", "1.5", "true", "null", "[a, b]", "{a: b}"] {
            check(&format!("a: 1\nkey: {value}\nb: 2\n"), &["key"], 2, 6);
        }
    }

    #[test]
    fn nested_values_are_located_in_yaml_and_json() {
        check("outer:\n  # here\n  inner: x\n", &["outer", "inner"], 3, 10);
        check("{\n\t\"outer\": {\"inner\": 5}\n}", &["outer", "inner"], 2, 21);
    }

    #[test]
    fn of_repeated_values_the_last_is_located() {
        let text = "a: {b: 1}\nc: [a, {b: 1}]\na:\n  b: 2\n  b: [3]\n";
        check(text, &["a", "b"], 5, 6);
        check(text, &["a"], 4, 3);
        assert!(is_repeated(text, &["a".to_owned()]));
        assert!(!is_repeated(text, &["c".to_owned()]));
    }

    #[test]
    fn a_key_that_is_not_there_has_no_place() {
        assert_eq!(locate("a: 1", &["b".to_owned()]), None);
        assert_eq!(locate("a: 1", &["a".to_owned(), "b".to_owned()]), None);
    }

    #[test]
    fn an_empty_text_is_an_empty_mapping() {
        for text in ["", "# nothing\n", "---\n", "null"] {
            assert!(read(text).expect("valid YAML").is_empty(), "{text:?}");
        }
    }
}
