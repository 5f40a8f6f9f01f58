//! Random operations over few keys, many of them right at the edge of a rule.
//!
//! Left out is only what ends a real etcd's process, see [`txns`].

mod words;
mod ranges;
mod writes;
mod txns;
mod watches;
mod callers;
mod users;
mod leases;
mod recipes;
mod alarms;
mod prelude;

use super::MAX_REQUEST_BYTES;
use super::SEQUENCES_PER_STORE;
use super::caller::Caller;
use super::moment::{COMPACTED, NEWEST};
use super::operation::{Operation, Step};
use etcd_proto::etcdserverpb::CompactionRequest;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// An operation that can still be made simpler.
pub type Tree = Box<dyn ValueTree<Value = Step>>;

/// One of so many sequences begins with values that are long for a watcher.
const LONG_EVERY: u64 = 10;

/// How many of them there are.
const LONG_PUTS: usize = 12;

/// Requests so close to the limit of their size are not made: what counts is the command, which has
/// the member's id in it, and revisions whose length is not known yet.
const UNDECIDED_BYTES: usize = 160;

/// The stack of a thread that makes sequences: without optimisation a strategy of nested
/// transactions takes much.
pub const STACK: usize = 64 << 20;

/// Makes the sequences of a seed.
pub struct Generator {
    strategy: BoxedStrategy<Step>,
    /// The same, and what puts ids into keys that each server picks itself.
    picking: BoxedStrategy<Step>,
    prelude: Vec<BoxedStrategy<Step>>,
    seed: u64,
}

impl Generator {
    /// For this seed; the same one always makes the same sequences.
    pub fn new(seed: u64) -> Generator {
        let (strategy, picking) = (step(false), step(true));
        Generator { strategy, picking, prelude: prelude::steps(), seed }
    }

    /// The operations of one sequence.
    pub fn sequence(&self, number: u64, operations: usize) -> Vec<Tree> {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&number.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let tree = |strategy: &BoxedStrategy<Step>, runner: &mut _| -> Tree {
            Box::new(strategy.new_tree(runner).expect("no strategy here refuses anything"))
        };
        let strategy = if picks(number) { &self.picking } else { &self.strategy };
        let mut trees: Vec<Tree> = Vec::new();
        if number % LONG_EVERY == LONG_EVERY - 1 {
            trees.extend(long_puts().map(|step| tree(&step, &mut runner)));
        }
        if has_users(number) {
            trees.extend(self.prelude.iter().map(|step| tree(step, &mut runner)));
        }
        trees.resize_with(operations, || tree(strategy, &mut runner));
        trees
    }
}

/// So many puts of long values that a watcher gets them in fragments, and one that does.
fn long_puts() -> impl Iterator<Item = BoxedStrategy<Step>> {
    let step = |operation| Step { member: 0, caller: Caller::Nobody, operation };
    let put = move || writes::long_put().prop_map(move |put| step(Operation::Put(put))).boxed();
    let puts = std::iter::repeat_with(put).take(LONG_PUTS);
    let watch = watches::fragmented(NEWEST - LONG_PUTS as i64 + 1).prop_map(step).boxed();
    puts.chain([watch])
}

/// Whether a sequence begins by making users and asking everybody who he is.
fn has_users(number: u64) -> bool {
    number % 2 == 1
}

/// Whether there are keys with ids in them that servers pick: only near a store's end, since its
/// hashes are not compared any more then.
fn picks(number: u64) -> bool {
    number % SEQUENCES_PER_STORE >= SEQUENCES_PER_STORE * 4 / 5
}

fn step(picks: bool) -> BoxedStrategy<Step> {
    let recipe = if picks { recipes::picking().boxed() } else { recipes::recipe().boxed() };
    let operation = prop_oneof![
        220 => ranges::range().prop_map(Operation::Range),
        50 => ranges::streamed().prop_map(Operation::RangeStream),
        240 => writes::put().prop_map(Operation::Put),
        70 => writes::delete_range().prop_map(Operation::DeleteRange),
        220 => txns::txn().prop_map(Operation::Txn),
        8 => txns::many_puts().prop_map(Operation::Txn),
        20 => compaction().prop_map(Operation::Compact),
        40 => words::revision().prop_map(Operation::HashKv),
        110 => watches::watch(),
        12 => watches::close(),
        110 => leases::lease().prop_map(Operation::Call),
        5 => Just(Operation::Expire),
        150 => users::call().prop_map(Operation::Call),
        80 => recipe,
        12 => alarms::alarm().prop_map(Operation::Call),
    ];
    let operation = operation
        .prop_filter("the member's id decides whether it is too large", |one| {
            one.command_bytes().abs_diff(MAX_REQUEST_BYTES) > UNDECIDED_BYTES
        });
    ((0..1000usize).no_shrink(), callers::caller(), operation)
        .prop_map(|(member, caller, operation)| Step { member, caller, operation })
        .boxed()
}

fn compaction() -> impl Strategy<Value = CompactionRequest> {
    let revision = prop_oneof![
        // Mostly little, so that much stays for watchers and old reads.
        6 => (COMPACTED + 1)..(COMPACTED + 12),
        1 => Just(COMPACTED),
        1 => (NEWEST - 8)..NEWEST,
        1 => Just(NEWEST),
        1 => prop::sample::select(vec![0, -1, i64::MIN, i64::MAX, NEWEST + 1, COMPACTED - 1]),
    ];
    (revision, any::<bool>())
        .prop_map(|(revision, physical)| CompactionRequest { revision, physical })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_number_always_make_the_same_sequence() {
        let show = |seed, number| {
            let show = move || {
                let sequence = Generator::new(seed).sequence(number, 50);
                sequence.iter().map(|tree| format!("{:?}\n", tree.current())).collect::<String>()
            };
            let thread = std::thread::Builder::new().stack_size(STACK).spawn(show);
            thread.expect("a thread").join().expect("a sequence")
        };
        assert_eq!(show(1, 2), show(1, 2));
        assert_ne!(show(1, 2), show(1, 3));
        assert_ne!(show(1, 2), show(2, 2));
    }
}
