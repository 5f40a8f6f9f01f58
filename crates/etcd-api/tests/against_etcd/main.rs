//! The services against a real etcd: both get the same random requests and must answer alike.
//!
//! It needs the program of an etcd 3.7 and is left out otherwise:
//! `ETCD_REFERENCE=/path/to/etcd cargo test -p etcd-api --test against_etcd`.
//! `SEED` (a number) and `REQUESTS` (how many) choose another run.

mod requests;
mod answers;
mod reference;
mod subject;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use answers::Answer;
use reference::Reference;
use subject::Subject;

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    let Ok(text) = std::env::var(name) else { return default };
    text.parse().expect("a number")
}

#[tokio::test]
async fn random_requests_are_answered_as_etcd_answers_them() {
    let program = std::env::var("ETCD_REFERENCE").expect("ETCD_REFERENCE names a program");
    let (seed, requests) = (number("SEED", 1), number("REQUESTS", 5000));
    let reference = Reference::start(&program).await;
    let subject = Subject::start().await;
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut revision = 1;
    let mut refused = 0;
    for number in 0..requests {
        let tree = requests::request(revision).new_tree(&mut runner).expect("a request");
        let request = tree.current();
        let mut expected = Answer::to(request.clone(), reference.channel()).await;
        let actual = Answer::to(request.clone(), subject.router()).await;
        assert_eq!(actual, expected, "seed {seed}, request {number}: {request:#?}");
        match expected.header() {
            Some(header) => revision = header.revision,
            None => refused += 1,
        }
    }
    // The requests must not drift to where nearly all of them are refused.
    assert!(refused < requests / 2, "{refused} of {requests} were refused");
}
