//! The server answers every request of the scripts in `scripts/grpc` as a real etcd does.

use etcd_tests::behaviour;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "scripts", "grpc"].iter().collect()
}

/// A test for each script: `put_flags` is `put-flags.txt`.
macro_rules! scripts {
    ($($name:ident)*) => {
        mod the_server_answers_as_etcd_does {
            $(
                #[test]
                fn $name() {
                    super::check(stringify!($name));
                }
            )*
        }

        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

fn check(name: &str) {
    behaviour::check(&folder().join(name.replace('_', "-")).with_extension("txt"));
}

scripts! {
    alarms
    alarms_corrupt
    alarms_restart
    compaction
    compaction_below_zero
    compaction_of_nothing
    compares
    count_only
    delete
    duplicate_keys
    filters
    hash_kv
    hash_kv_compactions
    hash_kv_vector
    header_revisions
    keys_only
    limits
    malformed
    message_size
    metadata
    nested_txns
    put
    put_flags
    put_lease
    quota
    quota_room
    range_shapes
    range_stream
    read_only_txns
    request_size
    restart
    revisions
    sort
    status
    timeouts
    txn_basics
    txn_default_limit
    txn_limits
    txn_revisions
    watch_batches
    watch_cancel
    watch_compaction
    watch_create
    watch_filters
    watch_fragments
    watch_large_past
    watch_live
    watch_prev_kv
    watch_progress
    watch_progress_notify
    watch_replay
    watch_slow
    watch_small_fragments
}

#[test]
fn every_script_has_its_test() {
    let entries = fs::read_dir(folder()).expect("the scripts are there");
    let files = entries.map(|entry| entry.expect("an entry").path());
    let files: BTreeSet<String> = files
        .map(|file| {
            let name = file.file_stem().expect("a name").to_string_lossy();
            name.replace('-', "_")
        })
        .collect();
    let names: BTreeSet<String> = NAMES.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(files, names);
}
