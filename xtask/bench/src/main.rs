//! `cargo xtask bench`: loads on this server, and on another etcd in turn, and one table.
//!
//! Clients, members and other server share the machine, so that only ratios of the same run count,
//! and what the clients themselves use is told beside.

mod program;
mod usage;
mod figures;
mod keys;
mod connection;
mod wire;
mod cluster;
mod load;
mod sends;
mod fill;
mod scenario;
mod watching;
mod renewing;
mod compaction;
mod targets;
mod results;
mod table;
mod machine;

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use program::Program;
use results::Results;
use scenario::{Scenario, Size};

/// The load's own share of the processors is what the servers cannot have.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Loads on this server, and on another etcd in turn.
#[derive(Parser)]
#[command(bin_name = "cargo xtask bench")]
struct Arguments {
    /// This project's server.
    #[arg(long, hide = true)]
    server: PathBuf,
    /// Where members keep their data meanwhile.
    #[arg(long, hide = true)]
    scratch: PathBuf,
    /// Another etcd to compare with, run in turn with this one.
    #[arg(long)]
    against: Option<PathBuf>,
    /// How often each scenario runs on each server.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Only these scenarios.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Scenario>,
    /// Keys of the large store.
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
    /// Bytes of a value.
    #[arg(long, default_value_t = 256)]
    value_size: usize,
    /// Clients of the loads that want many; ten of them share a connection.
    #[arg(long, default_value_t = 1000)]
    clients: usize,
    /// Seconds that each load is measured.
    #[arg(long, default_value_t = 10.0)]
    duration: f64,
    /// A file for all figures of all runs.
    #[arg(long)]
    json: Option<PathBuf>,
}

impl Arguments {
    fn programs(&self) -> Vec<Program> {
        let ours = Program { label: "this".to_owned(), path: self.server.clone() };
        let other = self.against.clone().map(|path| Program { label: "other".to_owned(), path });
        std::iter::once(ours).chain(other).collect()
    }

    fn size(&self) -> Size {
        let duration = Duration::from_secs_f64(self.duration);
        Size {
            duration,
            warm_up: duration / 5,
            clients: self.clients,
            connections: self.clients.div_ceil(10),
            value_bytes: self.value_size,
            keys: self.keys,
            scratch: self.scratch.clone(),
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let programs = arguments.programs();
    let size = arguments.size();
    let scenarios = match &arguments.only[..] {
        [] => Scenario::value_variants(),
        only => only,
    };
    let labels = programs.iter().map(|program| program.label.clone()).collect();
    let mut results = Results::new(machine::describe(), labels);
    let style = "{elapsed_precise} {prefix} {msg} {wide_bar} {human_pos}/{human_len}";
    let progress = ProgressBar::new(0).with_style(ProgressStyle::with_template(style)?);
    progress.enable_steady_tick(Duration::from_millis(500));
    for scenario in scenarios {
        for run in 1..=arguments.runs {
            for (place, program) in programs.iter().enumerate() {
                progress
                    .set_prefix(format!("{scenario:?} {run}/{} {}", arguments.runs, program.label));
                let measured = scenario.run(program, &size, &progress).await;
                results.add(
                    place,
                    measured
                        .with_context(|| format!("{scenario:?} on {}", program.path.display()))?,
                );
            }
        }
    }
    progress.finish_and_clear();
    let mut out = std::io::stdout();
    writeln!(out, "{}\n\n{}\n", results.machine, table::targets(&results))?;
    writeln!(out, "{}", table::everything(&results))?;
    if let Some(path) = &arguments.json {
        let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
        serde_json::to_writer_pretty(file, &results)?;
    }
    Ok(())
}
