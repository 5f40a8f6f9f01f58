//! A YAML or JSON configuration file: etcd's keys become assignments.

use figment::value::{Dict, Empty, Value};

use crate::fault::{Fault, Place, Position};
use crate::file::ConfigFile;
use crate::flag::Flag;
use crate::kind::Kind;
use crate::origin::Origin;
use crate::settings::Assignment;
use crate::table;
use crate::warning::Warning;
use crate::yaml;

/// The most warnings about keys of one document; more would only hide each other.
const MAX_WARNINGS: usize = 32;

/// What a document says.
#[derive(Default)]
pub(crate) struct Document {
    pub(crate) assignments: Vec<Assignment>,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) faults: Vec<Fault>,
}

impl Document {
    /// Reads a file; a text that is no YAML mapping is one fault.
    pub(crate) fn read(file: &ConfigFile) -> Document {
        let mut document = Document::default();
        match yaml::read(&file.text) {
            Ok(mapping) => document.walk(file, &mapping, &[]),
            Err(error) => {
                let position = yaml::position(&error);
                let mut message = error.to_string();
                if let Some(Position { line, column }) = position {
                    message = message.replace(&format!(" at line {line} column {column}"), "");
                }
                // It quotes what it found, which in the wrong file is a secret.
                if let Some((kind, _)) = message.split_once("string \"") {
                    message = format!("{kind}a text, expected a mapping of keys to values");
                }
                let place = Place::File { path: file.path.clone(), position };
                let advice = "write YAML, JSON, or lines ETCD_NAME=\"value\"";
                document.faults.push(Fault::new(place, message, advice));
            }
        }
        document
    }

    /// Takes a mapping that lies under `outer`. An exact key wins over one in other letter case.
    fn walk(&mut self, file: &ConfigFile, mapping: &Dict, outer: &[String]) {
        let prefix: String = outer.iter().map(|key| key.to_ascii_lowercase() + ".").collect();
        let mut entries: Vec<(&String, &Value)> = mapping.iter().collect();
        entries.sort_by_key(|(key, _)| table::settings().any(|flag| flag.is_spelt(&prefix, key)));
        for (key, value) in entries {
            let path = format!("{prefix}{}", key.to_ascii_lowercase());
            let keys: Vec<String> = outer.iter().chain([key]).cloned().collect();
            let below = format!("{path}.");
            if let Some(flag) = table::settings().find(|flag| flag.yaml == Some(path.as_str())) {
                self.repeated(file, &keys);
                self.take(file, flag, value, keys);
            } else if table::settings().any(|flag| flag.yaml.is_some_and(|y| y.starts_with(&below)))
            {
                self.repeated(file, &keys);
                match value {
                    Value::Dict(_, inner) => self.walk(file, inner, &keys),
                    Value::Empty(_, Empty::Unit | Empty::None) => {}
                    _ => self.faults.push(Fault::new(
                        file.place(&Origin::Keys(keys)),
                        format!("invalid {path}"),
                        "write its settings as a mapping, one indented line each",
                    )),
                }
            } else {
                self.unknown(file, &path, keys);
            }
        }
    }

    fn take(&mut self, file: &ConfigFile, flag: &'static Flag, value: &Value, keys: Vec<String>) {
        let origin = Origin::Keys(keys);
        match flag.kind.decode(value) {
            Ok(None) => {}
            Ok(value) => self.assignments.push(Assignment { flag, value, origin }),
            Err(reason) => {
                let (message, advice) = match flag.kind {
                    Kind::Urls | Kind::Origins => (
                        format!("unexpected error setting up {}: {reason}", flag.name),
                        flag.kind.advice(),
                    ),
                    _ => (format!("{}: {reason}", flag.name), String::new()),
                };
                self.faults.push(Fault::new(file.place(&origin), message, advice));
            }
        }
    }

    /// etcd takes the last of repeated keys; a word about them finds the other one.
    fn repeated(&mut self, file: &ConfigFile, keys: &[String]) {
        if yaml::is_repeated(&file.text, keys) {
            let message = "key is repeated in the configuration file; the last one counts";
            let place = file.place(&Origin::Keys(keys.to_vec()));
            let warning = Warning::warn(message).with("place", place);
            self.warnings.push(warning.with("key", keys.join(".")));
        }
    }

    /// etcd ignores keys that it does not know; a word about them finds misspelt ones.
    fn unknown(&mut self, file: &ConfigFile, path: &str, keys: Vec<String>) {
        if self.warnings.len() >= MAX_WARNINGS {
            return;
        }
        let warning = Warning::warn("unrecognized key in the configuration file")
            .with("place", file.place(&Origin::Keys(keys)))
            .with("key", path);
        let last = path.rsplit('.').next().unwrap_or(path);
        let nested = table::find(last).and_then(|flag| flag.yaml).map(str::to_owned);
        let meant = nested
            .filter(|nested| nested != path)
            .or_else(|| table::nearest(path, |flag| flag.yaml.map(str::to_owned)));
        self.warnings.push(match meant {
            Some(meant) => warning.with("perhaps", meant),
            None => warning,
        });
    }
}
