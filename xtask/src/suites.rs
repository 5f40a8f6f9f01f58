//! `cargo xtask suites`: the own tests of other people's clients, unchanged, against this server.
//!
//! They come from the registries of Rust and Python, at one version each whose checksum is known,
//! and are kept in the target folder. They talk to localhost:2379, so each server runs in a network
//! of its own.

mod network;
mod server;
mod python;
mod rust;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cargo::{self, Profile};
use crate::checkout::Checkout;
use crate::host;

/// Options of `suites`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Another server than this one: with a real etcd, what fails is the suite's own fault.
    #[arg(long)]
    server: Option<PathBuf>,
    /// Only this suite.
    #[arg(long)]
    only: Option<Suite>,
}

/// Whose tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Suite {
    /// The crate etcd-client's.
    Rust,
    /// The package etcd3's.
    Python,
}

/// What all suites have in common.
pub(crate) struct Setting {
    /// The server's program.
    pub(crate) server: PathBuf,
    /// Where the suites and their servers' data are kept.
    pub(crate) home: PathBuf,
}

/// Fetches and runs the suites; fails when a test does that passes with a real etcd.
pub(crate) fn run(checkout: &Checkout, options: &Options) -> Result<()> {
    host::provide(host::SUITES)?;
    let server = match &options.server {
        Some(server) => server.clone(),
        None => cargo::build_server(checkout, Profile::Dev)?,
    };
    let home = checkout.target.join("suites");
    std::fs::create_dir_all(&home).with_context(|| format!("making {}", home.display()))?;
    let setting = Setting { server, home };
    let mut failures = Vec::new();
    for (suite, run) in
        [(Suite::Rust, rust::run as fn(&Setting) -> Result<()>), (Suite::Python, python::run)]
    {
        if options.only.is_none_or(|only| only == suite)
            && let Err(error) = run(&setting)
        {
            say!("{suite:?}: {error:#}");
            failures.push(format!("{suite:?}"));
        }
    }
    if !failures.is_empty() {
        bail!("these suites failed: {}", failures.join(", "));
    }
    Ok(())
}

/// Runs a command to its end with all that it prints visible.
fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("running {command:?}"))?;
    if !status.success() {
        bail!("{} failed: {status}", Path::new(command.get_program()).display());
    }
    Ok(())
}
