//! `--help` lists the flags in etcd's sections, with etcd's names and defaults.

use crate::rows::path;
use etcd_tests::process::{server_is_ours, server_program};
use std::fs;
use std::process::Command;

/// Lines of etcd's help that say nothing that is so: the first two flags are none, the last two
/// defaults no values.
const UNTRUE: &[&str] = &[
    "Clustering: --discovery",
    "Clustering: --discovery-proxy",
    "Member: --max-concurrent-streams math.MaxUint32",
    "Member: --backend-batch-interval",
];

/// The flags of a help text with their sections and defaults; descriptions are left out.
fn outline(text: &str) -> Vec<String> {
    let mut section = "";
    let mut flags = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_suffix(':').filter(|title| !title.starts_with([' ', '\t']))
        {
            section = title;
        } else if let Some(flag) = line.strip_prefix("  --") {
            flags.push(format!("{section}: --{}", flag.trim_end().replace('\'', "")));
        }
    }
    flags
}

#[test]
fn the_help_has_etcds_flags_in_its_sections_with_its_defaults() {
    let output = Command::new(server_program()).arg("--help").output().expect("it starts");
    assert_eq!(output.status.code(), Some(0));
    let found = outline(&String::from_utf8_lossy(&output.stdout));
    if std::env::var_os("UPDATE_SCRIPTS").is_some() {
        assert!(!server_is_ours(), "the outline is recorded from a real etcd only");
        fs::write(path("help"), found.join("\n") + "\n").expect("the file can be written");
        return;
    }
    let expected = fs::read_to_string(path("help")).expect("the outline was recorded");
    let expected: Vec<&str> = expected.lines().collect();
    // Where etcd says no default, any will do.
    let is_there = |line: &str| {
        found.iter().any(|found| found == line || found.starts_with(&format!("{line} ")))
    };
    let is_true = |line: &&&str| !UNTRUE.contains(&line.trim());
    let missing: Vec<&&str> =
        expected.iter().filter(is_true).filter(|line| !is_there(line)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
