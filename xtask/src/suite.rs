//! `cargo xtask test`: every check and every test, as CI runs them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;

use crate::cargo::Profile;
use crate::checkout::Checkout;
use crate::timings::Timings;
use crate::{cargo, codegen, deploy_check, host, rocksdb, tidy};

/// Options of `test`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Leave out the tests that run clusters of real processes.
    #[arg(long)]
    quick: bool,
}

/// The package whose tests run real processes.
const CLUSTER_TESTS: &str = "etcd-tests";
/// Tells those tests which server to run.
const SERVER: &str = "ETCD_SERVER";

/// Runs everything, stops at the first failure, and says how long each part took.
pub(crate) fn run(checkout: &Checkout, options: &Options) -> Result<()> {
    Timings::tell(|timings| parts(checkout, options, timings))
}

fn parts(checkout: &Checkout, options: &Options, timings: &mut Timings) -> Result<()> {
    timings.part("machine", || {
        host::provide(host::BUILD)?;
        if options.quick { Ok(()) } else { host::provide(host::TESTS) }
    })?;
    timings.part("format", || cargo::run(checkout, &["fmt", "--all", "--check"]))?;
    timings.part("tidy", || tidy::run(checkout))?;
    timings.part("lock file", || cargo::check_lock(checkout))?;
    timings.part("licences and sources", || deny(checkout))?;
    timings.part("rocksdb", || rocksdb::provide(checkout))?;
    timings.part("generated code", || codegen::check(checkout))?;
    timings.part("clippy", || {
        cargo::run(
            checkout,
            &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"],
        )
    })?;
    if options.quick {
        return timings.part("tests", || {
            cargo::run(
                checkout,
                &["test", "--workspace", "--no-fail-fast", "--exclude", CLUSTER_TESTS],
            )
        });
    }
    let server = timings.part("server", || cargo::build_server(checkout, Profile::Dev))?;
    timings.part("tests", || test(checkout, server.clone()))?;
    timings.part("deploy", || {
        // An image would compile everything once more.
        let server = Some(server);
        deploy_check::run(
            checkout,
            &deploy_check::Options { server, without_image: true, ..Default::default() },
        )
    })
}

fn test(checkout: &Checkout, server: PathBuf) -> Result<()> {
    let environment = BTreeMap::from([(SERVER, server.into_os_string())]);
    cargo::run_with(checkout, &["test", "--workspace", "--no-fail-fast"], &environment)
}

/// Advisories are left out: their database is not in a package registry.
fn deny(checkout: &Checkout) -> Result<()> {
    if !cargo::has_command("deny") {
        say!("skipped: `cargo install --locked cargo-deny` brings the tool");
        return Ok(());
    }
    cargo::run(checkout, &["deny", "check", "licenses", "bans", "sources"])
}
