//! `cargo xtask bench`: loads on this server, and on another etcd in turn, and one table.
//!
//! Clients, members and other server share the machine, so that only ratios of the same run count,
//! and what the clients themselves use is told beside.

mod program;
mod usage;
mod machine;
mod syncs;
mod stacks;
mod figures;
mod keys;
mod connection;
mod wire;
mod control;
mod cluster;
mod frames;
mod request_headers;
mod response_headers;
mod streams;
mod arriving;
mod messages;
mod fields;
mod pairs;
mod line;
mod crew;
mod pacing;
mod tally;
mod load;
mod sends;
mod watchers;
mod fill;
mod size;
mod outcome;
mod recording;
mod stage;
mod pulse;
mod watching;
mod control_plane;
mod renewing;
mod compaction;
mod growth;
mod offered;
mod looks;
mod soak;
mod overload;
mod etcds_tool;
mod scenario;
mod agenda;
mod progress;
mod targets;
mod results;
mod baseline;
mod table;
mod report;
mod plot;
mod arguments;

use std::io::Write;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Parser;

use agenda::{Agenda, Step};
use arguments::Arguments;
use program::Program;
use progress::Progress;
use results::{Described, Results};
use size::Purpose;

/// The load's own share of the processors is what the servers cannot have.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // What cannot go well shall not fail after an hour.
    let baseline = arguments.baseline.as_deref().map(Results::read).transpose()?;
    let programs = arguments.programs();
    let mut results = Results::of(programs.iter().map(describe).collect::<Result<_>>()?);
    results.date = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
    results.machine = machine::describe();
    results.command = arguments::spoken(std::env::args().skip(1));
    let agenda = arguments.agenda(&mut results.notes)?;
    let failed = run(agenda, &programs, &mut results).await?;
    show(&results, baseline.as_ref())?;
    if let Some(path) = &arguments.json {
        results.write(path)?;
    }
    if let Some(path) = &arguments.results {
        report::write(path, &results)?;
    }
    if let Some(folder) = &arguments.plot {
        plot::draw(folder, &results)?;
    }
    match failed {
        0 => Ok(()),
        failed => bail!("{failed} runs failed"),
    }
}

fn describe(program: &Program) -> Result<Described> {
    Ok(Described { label: program.label.clone(), version: program.version()? })
}

/// Runs all steps; one that fails does not take the others' results away. Answers how many failed.
async fn run(mut agenda: Agenda, programs: &[Program], results: &mut Results) -> Result<usize> {
    let mut progress = Progress::new()?;
    progress.say(&format!("It will take about {}.", progress::words(agenda.left())))?;
    let mut failed = 0;
    while let Some(step) = agenda.next() {
        let program = &programs[step.program];
        let name = name(&step, program);
        progress.begin(&name, step.forecast, agenda.left());
        let begin = Instant::now();
        let outcome = step.scenario.run(program, &step.size, &progress.step).await;
        agenda.learn(&step, begin.elapsed());
        match outcome {
            Ok(outcome) => {
                results.add(step.program, outcome);
                progress.say(&format!("{name}: {}", progress::words(begin.elapsed())))?;
            }
            Err(error) => {
                let note = format!("{name} failed: {error:#}");
                progress.say(&note)?;
                results.notes.push(note);
                failed += 1;
            }
        }
    }
    progress.end()?;
    Ok(failed)
}

fn name(step: &Step, program: &Program) -> String {
    let purpose = match step.size.purpose {
        Purpose::Measure => "",
        Purpose::CountSyncs => ", counting syncs",
        Purpose::Profile(_) => ", with perf",
    };
    format!("{} {} on {}{purpose}", step.scenario.name(), step.run, program.label)
}

fn show(results: &Results, baseline: Option<&Results>) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{}", results.machine)?;
    for program in &results.programs {
        writeln!(out, "{}: {}", program.label, program.version)?;
    }
    let tables =
        [table::targets(results), Some(table::everything(results)), table::others(results)];
    for table in tables.into_iter().flatten() {
        writeln!(out, "\n{table}")?;
    }
    if let Some(baseline) = baseline {
        writeln!(out, "\nThen: {}", baseline.date)?;
        match table::baseline(baseline, results) {
            Some(table) => writeln!(out, "{table}")?,
            None => writeln!(out, "No load was taken both then and now.")?,
        }
    }
    for note in &results.notes {
        writeln!(out, "\n{note}")?;
    }
    out.flush().context("writing the tables")
}
