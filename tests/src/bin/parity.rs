//! Holds the server against a real etcd by random operations: `cargo xtask parity` runs it.

use anyhow::{Result, bail};
use clap::Parser;
use etcd_tests::parity::{self, Case, Options, Outcome, Program, Progress, Subject};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Holds the server against a real etcd by random operations.
#[derive(Parser)]
#[command(bin_name = "cargo xtask parity")]
struct Arguments {
    /// Decides all operations.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many sequences of operations.
    #[arg(long, default_value_t = 200)]
    sequences: u64,
    /// How many operations in each.
    #[arg(long, default_value_t = 100)]
    operations: usize,
    /// The number of the first sequence.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// How many members of the server there are.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=7))]
    members: u8,
    /// The real etcd, with its own flags; built from Go modules when none is named.
    #[arg(long, value_name = "PATH")]
    against: Option<PathBuf>,
    /// Hold the real etcd against itself, which must show no difference.
    #[arg(long = "self", conflicts_with = "members")]
    itself: bool,
    /// How many pairs run at a time.
    #[arg(long, default_value_t = 3)]
    lanes: usize,
    /// For so many seconds a difference is made smaller.
    #[arg(long, value_name = "SECONDS", default_value_t = 240)]
    shrink: u64,
    /// End after so many differences.
    #[arg(long, default_value_t = 5)]
    differences: usize,
}

struct Bar(ProgressBar);

impl Progress for Bar {
    fn operation(&self) {
        self.0.inc(1);
    }

    fn difference(&self, sequence: u64) {
        let words = format!("sequence {sequence} differs; looking for the smallest script");
        self.0.suspend(|| {
            let _ = writeln!(std::io::stderr(), "{words}");
        });
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let options = Options {
        seed: arguments.seed,
        first: arguments.first,
        sequences: arguments.sequences,
        operations: arguments.operations,
        subject: match arguments.itself {
            true => Subject::Reference,
            false => Subject::Members(arguments.members.into()),
        },
        program: arguments.against.clone().map_or_else(Program::find, Program::Server),
        lanes: arguments.lanes,
        shrink_limit: Duration::from_secs(arguments.shrink),
        most_differences: arguments.differences,
    };
    let bar = ProgressBar::new(options.sequences * options.operations as u64);
    let style = "{bar:40} {human_pos}/{human_len} operations, {per_sec}, {eta} left";
    bar.set_style(ProgressStyle::with_template(style)?);
    bar.enable_steady_tick(Duration::from_millis(200));
    let start = Instant::now();
    let outcome = parity::run(&options, &Bar(bar.clone()));
    bar.finish_and_clear();
    report(&arguments, &outcome, start.elapsed())?;
    if !outcome.cases.is_empty() {
        bail!("{} differences", outcome.cases.len());
    }
    Ok(())
}

fn report(arguments: &Arguments, outcome: &Outcome, time: Duration) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for case in &outcome.cases {
        write!(out, "{}", show(arguments, case))?;
    }
    writeln!(out, "{}", outcome.counts)?;
    writeln!(
        out,
        "seed {}: {} operations in {} sequences, {} differences, {:.0} s ({:.0} operations/s)",
        arguments.seed,
        outcome.operations,
        outcome.sequences,
        outcome.cases.len(),
        time.as_secs_f64(),
        outcome.operations as f64 / time.as_secs_f64(),
    )?;
    Ok(())
}

fn show(arguments: &Arguments, case: &Case) -> String {
    let Arguments { seed, operations, .. } = arguments;
    let who =
        if arguments.itself { "--self".into() } else { format!("--members {}", arguments.members) };
    // A store's first sequence comes with it: what one leaves behind matters for the next.
    let first = case.sequence / parity::SEQUENCES_PER_STORE * parity::SEQUENCES_PER_STORE;
    let count = case.sequence + 1 - first;
    let again = format!(
        "cargo xtask parity --seed {seed} --operations {operations} --first {first} \
         --sequences {count} {who}"
    );
    let repeats = match case.repeats {
        true => "the smallest script that shows it",
        false => "NOT SEEN AGAIN on new servers; all that was asked",
    };
    format!(
        "== sequence {}: {}\n-- {repeats}:\n{}\n-- again: {again}\n\n",
        case.sequence, case.found.difference, case.found.script
    )
}
