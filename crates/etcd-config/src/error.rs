//! What stops a start: the two ways in which etcd ends over its configuration.

use std::fmt;

use crate::fault::{Fault, Place};

/// The short usage that follows a fault on the command line and opens the help.
pub(crate) const USAGE: &str = "\
Usage:

  etcd [flags]
    Start a member, configured by flags and ETCD_* environment variables.

  etcd --config-file FILE
    Start a member, configured by FILE alone: YAML, JSON, or lines ETCD_NAME=\"value\".

  etcd --version
    Print the version.

  etcd -h | --help
    Print every flag.
";

/// Every fault that was found, by what the caller does about them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line cannot be read: print this error, which ends with the usage, to stderr and
    /// exit with status 2.
    #[error("{}\n{USAGE}", lines(.0))]
    Usage(Vec<Fault>),
    /// The configuration is wrong: log the faults and exit with status 1.
    #[error("{}", lines(.0))]
    Invalid(Vec<Fault>),
}

impl Error {
    /// Every fault that was found, the first one as etcd would find it first.
    pub fn faults(&self) -> &[Fault] {
        match self {
            Error::Usage(faults) | Error::Invalid(faults) => faults,
        }
    }

    /// The exit status that etcd has for this error.
    pub fn exit_status(&self) -> u8 {
        match self {
            Error::Usage(_) => 2,
            Error::Invalid(_) => 1,
        }
    }

    pub(crate) fn invalid(message: String) -> Error {
        Error::Invalid(vec![Fault::new(Place::Default, message, "")])
    }
}

/// Prints one fault a line.
fn lines(faults: &[Fault]) -> impl fmt::Display {
    faults.iter().map(Fault::to_string).collect::<Vec<String>>().join("\n")
}
