//! The server answers random operations as a real etcd does, alone and as a cluster of three.
//!
//! `cargo xtask parity` runs more of them. `ETCD_TEST_SEED` chooses others.

use etcd_tests::Turn;
use etcd_tests::chance::given_seed;
use etcd_tests::parity::{self, Options, Outcome, Program, Progress, Subject};
use std::time::Duration;

/// Operations in a sequence.
const OPERATIONS: usize = 100;

struct Silent;

impl Progress for Silent {
    fn operation(&self) {}

    fn difference(&self, _: u64) {}
}

fn run(subject: Subject, sequences: u64) -> Outcome {
    // Servers are not measured here, but whoever measures wants the machine for itself.
    let _turn = Turn::take();
    let options = Options {
        seed: given_seed().unwrap_or(1),
        first: 0,
        sequences,
        operations: OPERATIONS,
        subject,
        program: Program::find(),
        // Most of the time goes by while leases end.
        lanes: 4,
        shrink_limit: Duration::from_secs(240),
        most_differences: 1,
    };
    parity::run(&options, &Silent)
}

#[track_caller]
fn assert_equal(outcome: &Outcome, sequences: u64) {
    let found: Vec<String> = outcome
        .cases
        .iter()
        .map(|case| {
            format!("sequence {}: {}\n{}", case.sequence, case.found.difference, case.found.script)
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert_eq!(outcome.operations, sequences * OPERATIONS as u64);
    // The operations must not drift to where nearly all of them are refused.
    for kind in ["put", "range", "txn", "delete-range", "hash-kv"] {
        let (succeeded, refused) = (outcome.counts.succeeded(kind), outcome.counts.refused(kind));
        // Half of the sequences are in the names of users who may not do everything.
        assert!(2 * succeeded > refused, "{kind}: {succeeded} succeeded, {refused} did not");
    }
    let happened = ["compact", "auth_enable", "authenticate", "role_grant_permission"];
    let others = ["lease_grant", "lease_revoke", "lock", "campaign"];
    for kind in happened.into_iter().chain(others) {
        assert!(outcome.counts.succeeded(kind) > 0, "no {kind}");
    }
    assert!(outcome.counts.responses as u64 > 10 * sequences, "watchers were told nothing");
}

#[test]
fn one_member_answers_as_etcd_does() {
    let sequences = 40;
    assert_equal(&run(Subject::Members(1), sequences), sequences);
}

#[test]
fn each_of_three_members_answers_as_etcd_does() {
    let sequences = 20;
    assert_equal(&run(Subject::Members(3), sequences), sequences);
}

/// What is heeded of all that etcd leaves open is enough, and not more than the truth.
#[test]
fn etcd_answers_as_etcd_does() {
    let sequences = 20;
    assert_equal(&run(Subject::Reference, sequences), sequences);
}
