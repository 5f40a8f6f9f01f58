//! How a log file is rotated.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::error::Category;

/// How a log file is rotated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogRotation {
    /// The size at which a file ends, in MiB; 0 means 100.
    #[serde(rename = "maxsize", deserialize_with = "count")]
    pub max_size: u64,
    /// How long old files are kept, in days; 0: for ever.
    #[serde(rename = "maxage", deserialize_with = "count")]
    pub max_age: u64,
    /// How many old files are kept; 0: all.
    #[serde(rename = "maxbackups", deserialize_with = "count")]
    pub max_backups: u64,
    /// Whether old files are named by local time, not UTC.
    #[serde(rename = "localtime")]
    pub local_time: bool,
    /// Whether old files are compressed.
    pub compress: bool,
}

impl LogRotation {
    /// Reads the JSON of `--log-rotation-config-json`; the error begins with etcd's text.
    pub(crate) fn parse(text: &str) -> Result<LogRotation, String> {
        serde_json::from_str(text).map_err(|error| match error.classify() {
            Category::Syntax | Category::Eof => {
                format!("improperly formatted log rotation config: {error}")
            }
            Category::Data => format!("invalid log rotation config: {error}"),
            Category::Io => format!("fail to unmarshal log rotation config: {error}"),
        })
    }
}

/// A count that etcd keeps signed: below zero is as zero.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Ok(i64::deserialize(deserializer)?.max(0).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_zero() {
        let rotation = LogRotation::parse(r#"{"maxsize": 7, "maxage": -1, "compress": true}"#);
        let expected = LogRotation { max_size: 7, compress: true, ..LogRotation::default() };
        assert_eq!(rotation, Ok(expected));
    }

    #[test]
    fn bad_json_is_told_from_a_bad_type() {
        let fault = LogRotation::parse("{").expect_err("half a document");
        assert!(fault.starts_with("improperly formatted log rotation config: "), "{fault}");
        let fault = LogRotation::parse(r#"{"maxsize": "7"}"#).expect_err("a text for a number");
        assert!(fault.starts_with("invalid log rotation config: "), "{fault}");
    }
}
