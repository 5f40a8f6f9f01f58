//! Flags, `ETCD_*` variables and configuration files become one checked [`Config`].
//!
//! [`Config::load`] takes the words of the command line and the environment, reads the
//! configuration file if they name one, and answers with a [`Loaded`]: a [`Config`] to run with its
//! [`Warning`]s, the help, or a wish for the version. An [`Error`] carries every [`Fault`] that was
//! found, each with its [`Place`] and what to do about it. One table of flags drives all sources,
//! the checks' places, the help and the warnings.
//!
//! Names, types, defaults, rules of precedence and messages are those of etcd 3.7. One thing is
//! added: the configuration file may also have lines `ETCD_NAME="value"`.
//!
//! Never in this crate: opening any other file than the configuration file, sockets, member ids,
//! logging (warnings are values), printing, and keeping a configuration.

mod number;
mod duration;
mod fault;
mod error;
mod url;
mod warning;
mod field;
mod gates;
mod kind;
mod flag;
mod sections;
mod table;
mod without_effect;
mod yaml;
mod origin;
mod file;
mod settings;
mod document;
mod env_file;
mod variables;
mod command_line;
mod checks;
mod config;
mod derive;
mod cautions;
mod help;
mod load;

pub use crate::config::Config;
pub use crate::error::Error;
pub use crate::fault::{Fault, Place, Position};
pub use crate::gates::FeatureGates;
pub use crate::load::Loaded;
pub use crate::sections::auth::{Auth, AuthToken, JwtOptions};
pub use crate::sections::clustering::{
    AutoCompaction, AutoCompactionMode, Clustering, InitialClusterState, V2Deprecation,
};
pub use crate::sections::discovery::{Discovery, DiscoveryFallback, Secret};
pub use crate::sections::hazards::Hazards;
pub use crate::sections::logging::{LogFormat, LogLevel, LogOutput, Logging};
pub use crate::sections::member::Member;
pub use crate::sections::monitoring::Monitoring;
pub use crate::sections::rotation::LogRotation;
pub use crate::sections::security::{Security, TlsVersion};
pub use crate::sections::tls::TlsSettings;
pub use crate::sections::tracing::Tracing;
pub use crate::sections::tuning::Tuning;
pub use crate::url::{Address, Scheme, Url};
pub use crate::warning::{Warning, WarningLevel};

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
