//! Many sequences, on several pairs of servers at a time.

use super::counts::Counts;
use super::generate::{Generator, STACK};
use super::pair::{Found, Pair};
use super::reference::Program;
use super::servers::Subject;
use super::shrink::{Item, shrink};
use super::tokens::Tokens;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Builder;

/// So many sequences go on with one store, before servers with an empty one are started: what one
/// leaves behind matters for the next, and watchers of the past need a long one.
pub const SEQUENCES_PER_STORE: u64 = 20;

/// How long a server has for what it must send by itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// What to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Decides all operations.
    pub seed: u64,
    /// The number of the first sequence, from 0; its store's first one is where it begins.
    pub first: u64,
    /// How many sequences.
    pub sequences: u64,
    /// How many operations each has.
    pub operations: usize,
    /// What is compared with the reference.
    pub subject: Subject,
    /// The reference.
    pub program: Program,
    /// How many pairs of servers run at a time. It changes nothing but the time.
    pub lanes: usize,
    /// No longer than this is spent on making one difference smaller.
    pub shrink_limit: Duration,
    /// After so many differences it ends.
    pub most_differences: usize,
}

/// A difference.
#[derive(Debug, Clone)]
pub struct Case {
    /// The number of the sequence.
    pub sequence: u64,
    /// Script and difference: the smallest that shows it again, else all since the store's start.
    pub found: Found,
    /// Whether it was found again on new servers.
    pub repeats: bool,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Sequences that were run.
    pub sequences: u64,
    /// Operations in them.
    pub operations: u64,
    /// How they were answered.
    pub counts: Counts,
    /// Where the two differed.
    pub cases: Vec<Case>,
}

/// Told what happens while it runs.
pub trait Progress: Sync {
    /// An operation was compared.
    fn operation(&self);
    /// A difference was found, which is now made smaller.
    fn difference(&self, sequence: u64);
}

struct Run<'a> {
    options: &'a Options,
    progress: &'a dyn Progress,
    next_store: AtomicU64,
    is_over: AtomicBool,
    outcome: Mutex<Outcome>,
}

/// Runs all sequences. The servers end with the threads that this starts and waits for.
///
/// # Panics
///
/// When a server cannot be started.
pub fn run(options: &Options, progress: &dyn Progress) -> Outcome {
    let run = Run {
        options,
        progress,
        next_store: AtomicU64::new(options.first / SEQUENCES_PER_STORE),
        is_over: AtomicBool::new(false),
        outcome: Mutex::default(),
    };
    std::thread::scope(|scope| {
        for _ in 0..options.lanes {
            let thread = std::thread::Builder::new().stack_size(STACK);
            let lane = thread.spawn_scoped(scope, || {
                let runtime = Builder::new_current_thread().enable_all().build();
                let lane = Lane { run: &run, generator: Generator::new(options.seed) };
                runtime.expect("a runtime").block_on(lane.run());
            });
            lane.expect("a thread can be started");
        }
    });
    let mut outcome = run.outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcome.cases.sort_by_key(|case| case.sequence);
    outcome
}

/// One pair of servers at a time.
struct Lane<'a> {
    run: &'a Run<'a>,
    generator: Generator,
}

impl Lane<'_> {
    /// Takes stores until none is left.
    async fn run(&self) {
        let end = self.run.options.first + self.run.options.sequences;
        while !self.is_over() {
            let store = self.run.next_store.fetch_add(1, Ordering::Relaxed);
            let mut sequence = store * SEQUENCES_PER_STORE;
            let store_end = (sequence + SEQUENCES_PER_STORE).min(end);
            if sequence >= end {
                return;
            }
            // After a difference the rest of the store's sequences get new servers.
            while sequence < store_end && !self.is_over() {
                sequence = self.store(sequence, store_end).await;
            }
        }
    }

    /// Runs sequences on new servers up to an end or a difference, and says which comes next.
    async fn store(&self, first: u64, end: u64) -> u64 {
        let Options { program, subject, shrink_limit, .. } = self.run.options;
        let tokens = Tokens::of_store(first / SEQUENCES_PER_STORE);
        let mut pair = Pair::start(program, subject, tokens, PATIENCE).await;
        let mut items = Vec::new();
        let mut found = None;
        let mut sequence = first;
        while sequence < end && found.is_none() && !self.is_over() {
            found = self.sequence(&mut pair, sequence, &mut items).await.err();
            sequence += 1;
        }
        self.add(|outcome| outcome.counts.add(&pair.counts));
        // Its servers end here.
        drop(pair);
        if let Some(found) = found {
            self.run.progress.difference(sequence - 1);
            let smaller =
                shrink(program, subject, tokens, items, (*found).clone(), *shrink_limit).await;
            let repeats = smaller.is_some();
            let found = smaller.unwrap_or(*found);
            let most = self.run.options.most_differences;
            self.add(|outcome| {
                outcome.cases.push(Case { sequence: sequence - 1, found, repeats });
                if outcome.cases.len() >= most {
                    self.run.is_over.store(true, Ordering::Relaxed);
                }
            });
        }
        sequence
    }

    async fn sequence(
        &self,
        pair: &mut Pair,
        number: u64,
        items: &mut Vec<Item>,
    ) -> Result<(), Box<Found>> {
        let trees = self.generator.sequence(number, self.run.options.operations);
        let mut operations = 0;
        let mut result = Ok(());
        for tree in trees {
            let step = tree.current();
            items.push(Item::Step(tree));
            operations += 1;
            result = pair.run(&step).await;
            self.run.progress.operation();
            if result.is_err() {
                break;
            }
        }
        self.add(|outcome| {
            outcome.sequences += 1;
            outcome.operations += operations;
        });
        result?;
        items.push(Item::Finish);
        pair.finish_sequence().await
    }

    fn is_over(&self) -> bool {
        self.run.is_over.load(Ordering::Relaxed)
    }

    fn add(&self, add: impl FnOnce(&mut Outcome)) {
        add(&mut self.run.outcome.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
