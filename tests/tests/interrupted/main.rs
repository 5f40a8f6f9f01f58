//! Members are killed in the middle of something long: it is finished after the restart, or it
//! never was.

mod compaction;
mod transaction;
mod watch;

use etcd_tests::cluster::eventually;
use etcd_tests::{Cluster, Signal};
use std::time::Duration;

/// Kills every member at once, and waits until none of them is there any more.
fn kill_all(cluster: &mut Cluster) {
    for member in &cluster.members {
        member.process().signal(Signal::KILL);
    }
    for member in &mut cluster.members {
        member.take_process().wait_for_exit(Duration::from_secs(20));
    }
}

/// The members have applied the same, and have the same keys.
#[track_caller]
fn check_equal(cluster: &Cluster) {
    let revision = cluster.wait_until_level();
    let mut hashes = Vec::new();
    for member in &cluster.members {
        let client = member.client();
        let limit = Duration::from_secs(10);
        let hash = eventually(limit, "a hash", || client.hash_kv(revision).ok());
        hashes.push((hash.hash, hash.compact_revision));
    }
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "the members differ: {hashes:?}");
}
