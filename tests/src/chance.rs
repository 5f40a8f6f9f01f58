//! Chance that a person can repeat.

use rand::SeedableRng;
use rand::rngs::StdRng;

/// Names the seed of random tests.
const SEED: &str = "ETCD_TEST_SEED";

/// The seed that `ETCD_TEST_SEED` gives.
///
/// # Panics
/// It is no number.
pub fn given_seed() -> Option<u64> {
    let text = std::env::var(SEED).ok()?;
    Some(text.parse().expect("ETCD_TEST_SEED is a number"))
}

/// Random numbers, others each time; the seed is printed when the test fails, and
/// [`given_seed`] repeats them.
#[expect(clippy::print_stderr, reason = "the seed of a failed test is for a person")]
pub fn random() -> StdRng {
    let seed = given_seed().unwrap_or_else(rand::random);
    eprintln!("{SEED}={seed}");
    StdRng::seed_from_u64(seed)
}
