//! Section Logging: what is logged, how, and where to.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use crate::field;
use crate::flag::Flag;
use crate::kind::Kind;
use crate::sections::rotation::LogRotation;

/// The slow-request threshold where `--warning-unary-request-duration` is 0.
pub(crate) const DEFAULT_SLOW_REQUEST: Duration = Duration::from_millis(300);

/// What is logged, how, and where to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Logging {
    /// Always `zap`.
    pub logger: String,
    /// Where lines go; never empty.
    #[serde(deserialize_with = "outputs")]
    pub log_outputs: Vec<LogOutput>,
    /// The least level that is logged.
    pub log_level: LogLevel,
    /// How a line looks.
    pub log_format: LogFormat,
    /// Whether the one file output is rotated.
    pub enable_log_rotation: bool,
    /// The rotation's settings as given; see [`Logging::rotation`].
    pub log_rotation_config_json: String,
    /// A unary request that takes longer is logged.
    #[serde(with = "field::nanos")]
    pub warning_unary_request_duration: Duration,
}

/// Where log lines go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogOutput {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// systemd's journal.
    #[serde(rename = "systemd/journal")]
    Journal,
    /// A file, which lines are appended to.
    File(PathBuf),
}

/// The least level that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// What happens.
    Info,
    /// What is odd.
    Warn,
    /// What needs a person.
    Error,
    /// What ends a development build.
    Dpanic,
    /// What ends the process by a panic.
    Panic,
    /// What ends the process.
    Fatal,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// One JSON object a line.
    #[serde(alias = "")]
    Json,
    /// Text.
    Console,
}

impl Logging {
    /// How the log file is rotated; `None` where it is not.
    ///
    /// The error begins with etcd's text for settings that it refuses, which a loaded configuration
    /// does not have.
    pub fn rotation(&self) -> Result<Option<LogRotation>, String> {
        if !self.enable_log_rotation {
            return Ok(None);
        }
        LogRotation::parse(&self.log_rotation_config_json).map(Some)
    }
}

impl LogOutput {
    pub(crate) fn parse(text: &str) -> LogOutput {
        match text {
            "stdout" => LogOutput::Stdout,
            "default" | "stderr" => LogOutput::Stderr,
            "systemd/journal" => LogOutput::Journal,
            path => LogOutput::File(PathBuf::from(path)),
        }
    }
}

impl TryFrom<String> for LogLevel {
    type Error = String;

    fn try_from(text: String) -> Result<LogLevel, String> {
        // In letters of any case, and empty for the default.
        Ok(match text.to_ascii_lowercase().as_str() {
            "debug" => LogLevel::Debug,
            "info" | "" => LogLevel::Info,
            "warn" | "warning" => LogLevel::Warn,
            "error" => LogLevel::Error,
            "dpanic" => LogLevel::Dpanic,
            "panic" => LogLevel::Panic,
            "fatal" => LogLevel::Fatal,
            _ => return Err(format!("unrecognized level: {text:?}")),
        })
    }
}

/// No output at all means the default one.
fn outputs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<LogOutput>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    if texts.is_empty() {
        return Ok(vec![LogOutput::Stderr]);
    }
    Ok(texts.iter().map(|text| LogOutput::parse(text)).collect())
}

pub(crate) const FLAGS: &[Flag] = &[
    Flag::new("logger", Kind::Text, "zap", "The logger; only 'zap' is left."),
    Flag::new(
        "log-outputs",
        Kind::Set,
        "default",
        "Where lines go: 'stderr', 'stdout', 'systemd/journal' or files, separated by commas.",
    ),
    Flag::new("log-level", Kind::Text, "info", "debug, info, warn, error, panic or fatal."),
    Flag::new("log-format", Kind::Text, "json", "How a line looks: 'json' or 'console'."),
    Flag::new("enable-log-rotation", Kind::Bool, "false", "Rotate the one file of the outputs."),
    Flag::new(
        "log-rotation-config-json",
        Kind::Text,
        r#"{"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}"#,
        "How to rotate: megabytes, days, number of old files, their names and compression.",
    ),
    Flag::new(
        "warning-unary-request-duration",
        Kind::Duration,
        "300ms",
        "Log requests that take longer.",
    ),
];
