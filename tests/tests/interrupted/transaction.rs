//! A large transaction that is on its way when everybody dies.

use etcd_tests::wire::bytes;
use etcd_tests::{Cluster, Outcome, Plan, Raw, chance};
use rand::RngExt as _;
use std::time::{Duration, Instant};

use crate::{check_equal, kill_all};

/// Puts of one transaction: as many operations as are allowed, of which the last is a nested
/// transaction with all that its parent leaves it.
const PUTS: usize = 126;
const VALUE_BYTES: usize = 12_000;
const ROUNDS: usize = 8;
/// A transaction takes a fraction of this; the moment of the kill is anywhere within.
const WITHIN: Duration = Duration::from_millis(120);

#[test]
fn a_large_transaction_is_there_as_a_whole_or_not_at_all() {
    let mut cluster = Cluster::start(&Plan::loopback(3));
    let mut random = chance::random();
    let (mut there, mut lost) = (0, 0);
    for round in 0..ROUNDS {
        let raw = Raw::connect(&cluster.members[round % 3].client_url);
        let prefix = format!("round{round}/");
        let kill_at = Instant::now() + WITHIN.mul_f64(random.random());
        let call = raw.open(etcd_tests::Call::new("KV/Txn").message(&transaction(&prefix)));
        while Instant::now() < kill_at {
            std::thread::yield_now();
        }
        kill_all(&mut cluster);
        let outcome = call.wait();
        cluster.start_all();
        cluster.wait_until_level();
        for member in &cluster.members {
            let keys = member.client().get_prefix(&prefix).expect("it serves");
            let is_whole =
                keys.len() == PUTS && keys.iter().all(|kv| kv.value.len() == VALUE_BYTES);
            assert!(is_whole || keys.is_empty(), "{} keys on {}", keys.len(), member.name);
            let revisions: std::collections::BTreeSet<i64> =
                keys.iter().map(|kv| kv.mod_revision).collect();
            assert!(revisions.len() <= 1, "one transaction, one revision: {revisions:?}");
            if matches!(outcome, Outcome::Answered(_)) {
                assert!(is_whole, "it was acknowledged, and {} has nothing of it", member.name);
            }
            if is_whole { there += 1 } else { lost += 1 }
        }
        check_equal(&cluster);
    }
    assert_eq!(there + lost, ROUNDS * 3);
}

/// A transaction near the largest that is taken, in bytes and in operations.
fn transaction(prefix: &str) -> Vec<u8> {
    let put = |at: usize| {
        let key = format!("{prefix}{at:03}");
        bytes(2, &[bytes(1, key.as_bytes()), bytes(2, &vec![b'v'; VALUE_BYTES])].concat())
    };
    let operation = |content: Vec<u8>| bytes(2, &content);
    let mut txn: Vec<u8> = (0..PUTS - 1).flat_map(|at| operation(put(at))).collect();
    let inner = operation(put(PUTS - 1));
    txn.extend(operation(bytes(4, &inner)));
    assert!(txn.len() < 1_572_864 && txn.len() > 1_500_000, "{} bytes", txn.len());
    txn
}
