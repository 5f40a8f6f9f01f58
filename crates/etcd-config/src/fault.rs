//! One thing wrong with the configuration: where it stands, what it is, what to do.

use std::fmt;
use std::path::PathBuf;

/// One thing wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where the value at fault was given.
    pub place: Place,
    /// What is wrong, in etcd's words where etcd has some.
    pub message: String,
    /// What to do about it; empty where the message says it.
    pub advice: String,
}

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nowhere in particular: a default, or what a missing value leaves.
    Default,
    /// The command line, by the flag's name without dashes.
    Flag(String),
    /// The environment, by the variable's name.
    Variable(String),
    /// A configuration file.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// The place inside it, where it is known.
        position: Option<Position>,
    },
}

/// A place in a text, both counted from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Fault {
    pub(crate) fn new(
        place: Place,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) -> Fault {
        Fault { place, message: message.into(), advice: advice.into() }
    }

    /// The place inside a file, if there is one.
    pub(crate) fn position(&self) -> Option<Position> {
        match &self.place {
            Place::File { position, .. } => *position,
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Default => {}
            // etcd's own texts mostly name the flag; then once is enough.
            Place::Flag(name) if self.message.contains(&format!("-{name}")) => {}
            Place::Variable(name) if self.message.contains(name.as_str()) => {}
            place => write!(f, "{place}: ")?,
        }
        f.write_str(&self.message)?;
        if !self.advice.is_empty() {
            write!(f, "; {}", self.advice)?;
        }
        Ok(())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Default => f.write_str("default"),
            Place::Flag(name) => write!(f, "--{name}"),
            Place::Variable(name) => f.write_str(name),
            Place::File { path, position: None } => write!(f, "{}", path.display()),
            Place::File { path, position: Some(Position { line, column }) } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_named_once() {
        let place = Place::Flag("name".to_owned());
        let fault = Fault::new(place.clone(), "flag needs an argument: -name", "give one");
        assert_eq!(fault.to_string(), "flag needs an argument: -name; give one");
        assert_eq!(Fault::new(place, "too long", "").to_string(), "--name: too long");
    }

    #[test]
    fn a_file_is_named_with_line_and_column() {
        let place = Place::File {
            path: PathBuf::from("etcd.yaml"),
            position: Some(Position { line: 3, column: 7 }),
        };
        assert_eq!(Fault::new(place, "no", "").to_string(), "etcd.yaml:3:7: no");
    }
}
