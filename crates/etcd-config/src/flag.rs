//! One row of the table of flags.

use crate::kind::Kind;

/// One flag, with everything that the command line, the environment, a file and the help need.
#[derive(Debug)]
pub(crate) struct Flag {
    /// The name without dashes.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The default as a word of the command line.
    pub(crate) default: &'static str,
    /// Where the value lies in the tree that the sections are read from.
    pub(crate) key: &'static str,
    /// Where a YAML file has it; `None` where a file cannot set it.
    pub(crate) yaml: Option<&'static str>,
    /// What it means, for the help.
    pub(crate) help: &'static str,
}

impl Flag {
    /// A flag whose key is its name everywhere.
    pub(crate) const fn new(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        help: &'static str,
    ) -> Flag {
        Flag { name, kind, default, key: name, yaml: Some(name), help }
    }

    /// The same flag with another key in a YAML file.
    pub(crate) const fn in_yaml(self, path: &'static str) -> Flag {
        Flag { yaml: Some(path), ..self }
    }

    /// The same flag with another key in a YAML file and in the tree.
    pub(crate) const fn nested(self, path: &'static str) -> Flag {
        Flag { key: path, yaml: Some(path), ..self }
    }

    /// The same flag, which a YAML file cannot set.
    pub(crate) const fn not_in_yaml(self) -> Flag {
        Flag { yaml: None, ..self }
    }

    /// The environment variable of this flag.
    pub(crate) fn variable(&self) -> String {
        format!("ETCD_{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }

    /// Whether a YAML key under `outer` (empty, or ending in a dot) is this flag's or leads to it,
    /// letter by letter.
    pub(crate) fn is_spelt(&self, outer: &str, key: &str) -> bool {
        let rest = self.yaml.and_then(|path| path.strip_prefix(outer));
        rest.is_some_and(|rest| rest.split('.').next() == Some(key))
    }
}
