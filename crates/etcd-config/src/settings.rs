//! All given values over all defaults, each with the place where it was given.

use std::collections::BTreeMap;

use figment::value::{Dict, Map, Tag, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::de::DeserializeOwned;

use crate::fault::{Fault, Place};
use crate::file::ConfigFile;
use crate::flag::Flag;
use crate::origin::Origin;
use crate::table;
use crate::url::Url;

/// A flag that was given.
#[derive(Clone, Debug)]
pub(crate) struct Assignment {
    pub(crate) flag: &'static Flag,
    /// The value; `None` where it leaves the default, as an empty URL list does.
    pub(crate) value: Option<Value>,
    pub(crate) origin: Origin,
}

/// Which of etcd's two sets of rules applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    /// Those for flags and variables, from an environment file too.
    Words,
    /// Those for a YAML file.
    Document,
}

/// All given values over all defaults.
pub(crate) struct Settings {
    figment: Figment,
    /// Invariant: has an entry for exactly the flags that were given.
    origins: BTreeMap<&'static str, Origin>,
    file: Option<ConfigFile>,
    rules: Rules,
}

/// One layer of values for figment.
struct Layer(&'static str, Dict);

impl Settings {
    /// Puts the layers over the defaults, each over those before it.
    pub(crate) fn new(
        layers: Vec<Vec<Assignment>>,
        file: Option<ConfigFile>,
        rules: Rules,
    ) -> Settings {
        let mut figment = Figment::from(Layer("default", defaults()));
        let mut origins = BTreeMap::new();
        for layer in layers {
            let mut values = Dict::new();
            for Assignment { flag, value, origin } in layer {
                origins.insert(flag.name, origin);
                if let Some(value) = value {
                    insert(&mut values, flag.key, value);
                }
            }
            figment = figment.merge(Layer("given", values));
        }
        Settings { figment, origins, file, rules }
    }

    /// Whether the rules for flags and variables apply, not those for a YAML file.
    pub(crate) fn has_word_rules(&self) -> bool {
        self.rules == Rules::Words
    }

    /// Whether the flag was given, wherever.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.origins.contains_key(name)
    }

    /// The flags that were given.
    pub(crate) fn given(&self) -> impl Iterator<Item = &'static str> {
        self.origins.keys().copied()
    }

    /// Whether the flag has another value than its default.
    pub(crate) fn is_changed(&self, name: &str) -> bool {
        table::find(name).is_some_and(|flag| default(flag) != self.value(name))
    }

    /// Replaces a value that etcd's rules replace; the place of the flag stays.
    pub(crate) fn replace(&mut self, name: &str, value: impl Into<Value>) {
        let mut values = Dict::new();
        insert(&mut values, key(name), value.into());
        self.figment = self.figment.clone().merge(Layer("rule", values));
    }

    /// The value of a flag as any type that it can be read as.
    ///
    /// # Panics
    ///
    /// On a name that is not in the table and on a type that is not the flag's kind.
    pub(crate) fn get<T: DeserializeOwned>(&self, name: &str) -> T {
        self.figment.extract_inner(key(name)).expect("every flag has a value of its kind")
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.get(name)
    }

    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        self.get(name)
    }

    pub(crate) fn urls(&self, name: &str) -> Vec<Url> {
        self.get(name)
    }

    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.get(name)
    }

    /// A whole section.
    pub(crate) fn section<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        self.figment.extract().map_err(|error| Fault::new(Place::Default, error.to_string(), ""))
    }

    /// Where a flag was given.
    pub(crate) fn place(&self, name: &str) -> Place {
        match (self.origins.get(name), &self.file) {
            (None, _) => Place::Default,
            (Some(Origin::CommandLine), _) => Place::Flag(name.to_owned()),
            (Some(origin), Some(file)) => file.place(origin),
            (Some(_), None) => {
                let variable = table::find(name).map(Flag::variable);
                Place::Variable(variable.unwrap_or_default())
            }
        }
    }

    /// The file that the settings come from, or nothing.
    pub(crate) fn file_path(&self) -> String {
        self.file.as_ref().map(|file| file.path.display().to_string()).unwrap_or_default()
    }

    /// A fault at the place of a flag.
    pub(crate) fn fault(
        &self,
        name: &str,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) -> Fault {
        Fault::new(self.place(name), message, advice)
    }

    fn value(&self, name: &str) -> Value {
        self.figment.find_value(key(name)).expect("every flag has a value")
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.0)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.1.clone())]))
    }
}

fn key(name: &str) -> &'static str {
    table::find(name).expect("the name stands in the table").key
}

fn defaults() -> Dict {
    let mut values = Dict::new();
    for flag in table::flags() {
        insert(&mut values, flag.key, default(flag));
    }
    values
}

fn default(flag: &Flag) -> Value {
    let value = flag.kind.parse(flag.default).expect("every default is a valid value");
    // Only an empty list of URLs has no value of its own.
    value.unwrap_or_else(|| Value::from(Vec::<String>::new()))
}

/// Inserts at a path whose parts are joined by dots.
fn insert(dict: &mut Dict, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            dict.insert(path.to_owned(), value);
        }
        Some((head, tail)) => {
            let inner = dict
                .entry(head.to_owned())
                .or_insert_with(|| Value::Dict(Tag::Default, Dict::new()));
            if let Value::Dict(_, inner) = inner {
                insert(inner, tail, value);
            }
        }
    }
}
