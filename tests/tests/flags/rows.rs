//! The rows of a file: a command line each, and what comes of it.
//!
//! ```text
//! # A remark.
//! ETCD_NAME=one ^name --max-wals=x
//!   exit 2: invalid value "x" for flag -max-wals: parse error
//! ```
//!
//! Words in front that begin with `ETCD_` are the environment. Every row begins with the flags of a
//! member alone; one that the row gives is taken from there instead, and `^name` takes it away.

use std::fs;
use std::path::PathBuf;

/// A file of rows.
pub(crate) struct Sheet {
    path: PathBuf,
    /// The remarks before each row and at the end, as they stand there.
    remarks: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

/// One start.
pub(crate) struct Row {
    /// Its place in the file, from 0.
    pub(crate) number: usize,
    /// As it stands in the file.
    pub(crate) line: String,
    pub(crate) words: Vec<String>,
    /// What comes of it with a real etcd.
    pub(crate) result: String,
}

/// The path of a file of rows.
pub(crate) fn path(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts/flags");
    folder.join(name).with_extension("txt")
}

impl Sheet {
    /// Reads a file.
    pub(crate) fn read(name: &str) -> Sheet {
        let path = path(name);
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut sheet = Sheet { path, remarks: vec![String::new()], rows: Vec::new() };
        for line in text.lines() {
            if line.is_empty() || line.starts_with('#') {
                let remark = sheet.remarks.last_mut().expect("there is one after each row");
                remark.push_str(line);
                remark.push('\n');
            } else if let Some(result) = line.strip_prefix("  ") {
                let row = sheet.rows.last_mut().expect("a result has its row");
                result.clone_into(&mut row.result);
            } else {
                sheet.rows.push(Row {
                    number: sheet.rows.len(),
                    line: line.to_owned(),
                    words: split(line),
                    result: String::new(),
                });
                sheet.remarks.push(String::new());
            }
        }
        assert!(!sheet.rows.is_empty(), "{name}: no row in it");
        sheet
    }

    /// Writes other results into the file.
    pub(crate) fn record(&mut self, results: Vec<String>) {
        let mut text = String::new();
        for ((row, remark), result) in self.rows.iter().zip(&self.remarks).zip(results) {
            text.push_str(&format!("{remark}{}\n  {result}\n", row.line));
        }
        text.push_str(self.remarks.last().map_or("", String::as_str));
        fs::write(&self.path, text).expect("the file can be written");
    }
}

/// Splits at spaces that do not stand in single quotes.
pub(crate) fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for char in line.chars() {
        match char {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    words
}
