//! `cargo xtask profile`: where the leader's processor time goes under one load.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;

use crate::cargo::{self, Profile};
use crate::checkout::Checkout;
use crate::{bench, host};

/// Options of `profile`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A load as `cargo xtask bench` names it, such as "put" or "get, serializable".
    load: String,
    /// Seconds that the load runs; perf looks in the middle of them.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// A server that is built already.
    #[arg(long, hide = true)]
    server: Option<PathBuf>,
}

/// Builds the server, puts the load on it while perf looks, and says where the pictures are.
pub(crate) fn run(checkout: &Checkout, options: &Options) -> Result<()> {
    host::provide(host::PROFILE)?;
    let server = match &options.server {
        Some(server) => std::path::absolute(server)?,
        None => cargo::build_server(checkout, Profile::Release)?,
    };
    let folder = checkout.target.join("profile");
    let seconds = options.seconds.to_string();
    let words = ["--runs", "1", "--load", &options.load, "--duration", &seconds, "--profile"];
    let mut words: Vec<OsString> = words.map(OsString::from).into();
    words.push(folder.clone().into_os_string());
    bench::put_load_on(checkout, &server, &words)?;
    say!("A flame graph (.svg) and lists of functions (.txt) are in {}", folder.display());
    Ok(())
}
