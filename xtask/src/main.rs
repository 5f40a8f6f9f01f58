//! The project's own commands: everything that a person or CI runs here is `cargo xtask …`.

#[macro_use]
mod say;
mod checkout;
mod cargo;
mod host;
mod rocksdb;
mod timings;
mod tidy;
mod codegen;
mod deploy_check;
mod suite;
mod bench;
mod profile;
mod parity;
mod cluster;
mod fuzz;
mod suites;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use checkout::Checkout;

/// The project's own commands.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the server and run a cluster of it on this machine.
    ClusterUp(cluster::Up),
    /// Show the members of the cluster.
    ClusterStatus,
    /// Stop a member the hard way (SIGKILL), as a crash would.
    ClusterKill {
        /// The member's number, from 1, or its name.
        member: String,
    },
    /// Start a member again; one that runs is stopped gently first.
    ClusterRestart {
        /// The member's number, from 1, or its name.
        member: String,
    },
    /// Stop the cluster gently; its data stays.
    ClusterDown,
    /// Run every check and every test.
    Test(suite::Options),
    /// Check the layout of the workspace and the rules of style that no compiler knows.
    Tidy,
    /// Make etcd-proto's Rust code from the .proto files.
    Codegen {
        /// Only check that the committed code is fresh.
        #[arg(long)]
        check: bool,
    },
    /// Put load on this server, and on another etcd in turn (`--help` for more).
    #[command(disable_help_flag = true)]
    Bench {
        /// See `cargo xtask bench --help`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Show where the leader's processor time goes under one load, with perf.
    Profile(profile::Options),
    /// Hold this server against a real etcd by random operations (`--help` for more).
    #[command(disable_help_flag = true)]
    Parity {
        /// See `cargo xtask parity --help`; `--release` takes the server as it is built for use.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Let a fuzzer make up requests, and members serve them.
    Fuzz(fuzz::Options),
    /// Run the own tests of other people's clients (they are fetched first).
    Suites(suites::Options),
    /// Prove that what is in `deploy/` works: manifests, image, unit, alerts, dashboard.
    DeployCheck(deploy_check::Options),
    /// Build the RocksDB library of this machine, if there is none yet.
    Rocksdb,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    let checkout = Checkout::find()?;
    match command {
        Command::ClusterUp(up) => cluster::up(&checkout, &up),
        Command::ClusterStatus => cluster::status(&checkout),
        Command::ClusterKill { member } => cluster::kill(&checkout, &member),
        Command::ClusterRestart { member } => cluster::restart(&checkout, &member),
        Command::ClusterDown => cluster::down(&checkout),
        Command::Test(options) => suite::run(&checkout, &options),
        Command::Tidy => tidy::run(&checkout),
        Command::Codegen { check: false } => codegen::generate(&checkout),
        Command::Codegen { check: true } => codegen::check(&checkout),
        Command::Bench { arguments } => bench::run(&checkout, &arguments),
        Command::Profile(options) => profile::run(&checkout, &options),
        Command::Parity { arguments } => parity::run(&checkout, &arguments),
        Command::Fuzz(options) => fuzz::run(&checkout, &options),
        Command::Suites(options) => suites::run(&checkout, &options),
        Command::DeployCheck(options) => deploy_check::run(&checkout, &options),
        Command::Rocksdb => {
            host::provide(host::BUILD)?;
            rocksdb::provide(&checkout)
        }
    }
}
