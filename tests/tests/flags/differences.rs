//! Where this server's end of a start is another than etcd's, and why.

use crate::rows::{Row, path};
use std::collections::BTreeMap;
use std::fs;

/// What is different on purpose.
pub(crate) struct Differences(BTreeMap<String, Difference>);

struct Difference {
    result: String,
    reason: String,
}

impl Differences {
    /// A real etcd has none.
    pub(crate) fn none() -> Differences {
        Differences(BTreeMap::new())
    }

    /// Reads `differences.txt`: a row, this server's result, and `because: …`.
    pub(crate) fn read() -> Differences {
        let text = fs::read_to_string(path("differences")).expect("the list can be read");
        let mut differences = BTreeMap::new();
        let mut row = String::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line.strip_prefix("  ") {
                None => {
                    line.clone_into(&mut row);
                    let empty = Difference { result: String::new(), reason: String::new() };
                    let earlier = differences.insert(row.clone(), empty);
                    assert!(earlier.is_none(), "{row}: it is listed twice");
                }
                Some(text) => {
                    let difference = differences.get_mut(&row).expect("a row comes first");
                    match text.strip_prefix("because: ") {
                        Some(reason) => reason.clone_into(&mut difference.reason),
                        None => text.clone_into(&mut difference.result),
                    }
                }
            }
        }
        for (row, difference) in &differences {
            assert!(!difference.result.is_empty(), "{row}: the result is missing");
            assert!(!difference.reason.is_empty(), "{row}: the reason is missing");
        }
        Differences(differences)
    }

    /// Whether a result is etcd's, or is listed.
    pub(crate) fn judge(&self, row: &Row, result: &str) -> Result<(), String> {
        let listed = self.0.get(&row.line);
        let expected = listed.map_or(&row.result, |difference| &difference.result);
        if !is_as(result, expected) {
            return Err(format!("  expected {expected}\n  got      {result}"));
        }
        if listed.is_some() && is_as(result, &row.result) {
            return Err("  it is as in etcd: take it off the list".to_owned());
        }
        Ok(())
    }
}

/// Whether a result says what another says. The message may have more around it: where the value
/// was given, and what to do.
fn is_as(result: &str, expected: &str) -> bool {
    match (result.split_once(": "), expected.split_once(": ")) {
        (Some((end, message)), Some((expected_end, expected_message))) => {
            end == expected_end && message.contains(expected_message)
        }
        _ => result == expected,
    }
}
