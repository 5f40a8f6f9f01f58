//! Every flag, with a good value, with a wrong one and in each conflict: a start ends as etcd's does.
//!
//! The rows are in `scripts/flags`, a file for each section of the help; what etcd makes of them was
//! recorded. Where this server does something else on purpose, `differences.txt` says what and why.

mod differences;
mod help;
mod rows;
mod start;

use differences::Differences;
use etcd_tests::process::server_is_ours;
use rows::Sheet;
use start::Ground;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// How many rows of a file are tried at the same time.
const LANES: usize = 4;

/// Tries all rows of a file, or records what they bring.
#[track_caller]
fn check(name: &str) {
    let mut sheet = Sheet::read(name);
    let ground = Ground::new();
    let next = AtomicUsize::new(0);
    let results = Mutex::new(vec![String::new(); sheet.rows.len()]);
    std::thread::scope(|scope| {
        for _ in 0..LANES.min(sheet.rows.len()) {
            scope.spawn(|| {
                while let Some(row) = sheet.rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = ground.try_row(row);
                    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                    results[row.number] = result;
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    if std::env::var_os("UPDATE_SCRIPTS").is_some() {
        assert!(!server_is_ours(), "results are recorded from a real etcd only");
        sheet.record(results);
        return;
    }
    let differences = if server_is_ours() { Differences::read() } else { Differences::none() };
    let mut wrong = String::new();
    for (row, result) in sheet.rows.iter().zip(&results) {
        if let Err(complaint) = differences.judge(row, result) {
            wrong.push_str(&format!("\n{}\n{complaint}\n", row.line));
        }
    }
    assert!(wrong.is_empty(), "{name}:{wrong}");
}

#[test]
fn flags_of_the_member_act_as_etcds() {
    check("member");
}

#[test]
fn flags_of_the_members_limits_act_as_etcds() {
    check("limits");
}

#[test]
fn flags_of_clustering_act_as_etcds() {
    check("clustering");
}

#[test]
fn flags_of_discovery_act_as_etcds() {
    check("discovery");
}

#[test]
fn flags_of_security_act_as_etcds() {
    check("security");
}

#[test]
fn flags_of_peer_security_act_as_etcds() {
    check("peer-security");
}

#[test]
fn flags_of_auth_act_as_etcds() {
    check("auth");
}

#[test]
fn flags_of_profiling_monitoring_and_tracing_act_as_etcds() {
    check("monitoring");
}

#[test]
fn flags_of_logging_act_as_etcds() {
    check("logging");
}

#[test]
fn flags_of_features_act_as_etcds() {
    check("features");
}

#[test]
fn feature_gates_act_as_etcds() {
    check("gates");
}

#[test]
fn words_that_are_no_flags_act_as_etcds() {
    check("words");
}
