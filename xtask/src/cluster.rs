//! A cluster of real server processes on this machine, for a person to play with.
//!
//! Everything it keeps is in `target/cluster`: `cluster.json` says which members there are, and
//! each member has a folder with its data and its log.

mod member;
mod certificates;
mod plan;
mod record;
mod files;
mod process;
mod client;
mod report;
mod wait;
mod up;
mod control;

pub(crate) use control::{down, kill, restart, status};
pub(crate) use plan::Up;
pub(crate) use up::up;

use anyhow::{Context, Result};

/// Runs what talks to members. One thread is plenty.
fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?
        .block_on(work)
}
