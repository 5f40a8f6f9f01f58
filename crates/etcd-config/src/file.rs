//! The configuration file: the one file that this crate opens.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use crate::fault::{Fault, Place, Position};
use crate::origin::Origin;
use crate::yaml;

/// The largest configuration file that is read.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// A configuration file's name and text.
#[derive(Clone, Debug)]
pub(crate) struct ConfigFile {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl ConfigFile {
    /// Reads a whole file.
    pub(crate) fn read(path: PathBuf) -> Result<ConfigFile, Fault> {
        let place = Place::File { path: path.clone(), position: None };
        let mut bytes = Vec::new();
        let outcome = File::open(&path)
            .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
        match outcome {
            Err(error) => Err(Fault::new(
                place,
                format!("cannot read the configuration file: {error}"),
                "name a readable file with --config-file or ETCD_CONFIG_FILE",
            )),
            Ok(_) if bytes.len() as u64 > MAX_FILE_BYTES => Err(Fault::new(
                place,
                format!("the configuration file is larger than {MAX_FILE_BYTES} bytes"),
                "name the right file with --config-file or ETCD_CONFIG_FILE",
            )),
            Ok(_) => ConfigFile::from_bytes(path, bytes),
        }
    }

    /// Takes the bytes of a file, which must be UTF-8; a byte order mark is dropped.
    pub(crate) fn from_bytes(path: PathBuf, bytes: Vec<u8>) -> Result<ConfigFile, Fault> {
        match String::from_utf8(bytes) {
            Ok(text) => {
                let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
                Ok(ConfigFile { path, text })
            }
            Err(error) => {
                let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let position = position_after(&String::from_utf8_lossy(valid));
                Err(Fault::new(
                    Place::File { path, position: Some(position) },
                    "the configuration file is not UTF-8 text",
                    "save it as UTF-8",
                ))
            }
        }
    }

    /// Whether the file has lines `ETCD_NAME=value` and not YAML.
    pub(crate) fn is_environment_style(&self) -> bool {
        self.text.lines().any(|line| {
            line.trim_start().strip_prefix("ETCD_").is_some_and(|rest| {
                let name_end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                name_end.is_some_and(|end| rest[end..].trim_start().starts_with('='))
            })
        })
    }

    /// The place of something in this file.
    pub(crate) fn place(&self, origin: &Origin) -> Place {
        let position = match origin {
            Origin::Line(position) => Some(*position),
            Origin::Keys(keys) => yaml::locate(&self.text, keys),
            Origin::CommandLine | Origin::Environment => None,
        };
        Place::File { path: self.path.clone(), position }
    }
}

fn position_after(text: &str) -> Position {
    let line_start = text.rfind('\n').map_or(0, |newline| newline + 1);
    Position {
        line: text.matches('\n').count() + 1,
        column: text[line_start..].chars().count() + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> ConfigFile {
        ConfigFile { path: PathBuf::from("etcd.conf"), text: text.to_owned() }
    }

    #[test]
    fn lines_with_variables_are_told_from_yaml() {
        for text in ["ETCD_NAME=a", "# c\n[Member]\n  ETCD_DATA_DIR = \"/x\"\n"] {
            assert!(file(text).is_environment_style(), "{text}");
        }
        for text in ["", "name: ETCD_NAME=a", "{\"name\": \"a\"}", "ETCD_NAME: a", "ETCD_"] {
            assert!(!file(text).is_environment_style(), "{text}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_located() {
        let fault = ConfigFile::from_bytes(PathBuf::from("f"), b"name: a\nx: \xff".to_vec());
        let fault = fault.expect_err("the bytes are no UTF-8").to_string();
        assert_eq!(fault, "f:2:4: the configuration file is not UTF-8 text; save it as UTF-8");
    }

    #[test]
    fn a_byte_order_mark_is_dropped() {
        let bytes = "\u{feff}name: a".as_bytes().to_vec();
        let file = ConfigFile::from_bytes(PathBuf::from("f"), bytes).expect("valid text");
        assert_eq!(file.text, "name: a");
    }
}
