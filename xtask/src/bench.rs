//! `cargo xtask bench`: hands over to the crate beside this one, built as the server is for use.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Result;

use crate::cargo::{self, Profile};
use crate::checkout::Checkout;

/// Builds the server and the loads, and runs them with what the person said.
pub(crate) fn run(checkout: &Checkout, arguments: &[String]) -> Result<()> {
    let server = cargo::build_server(checkout, Profile::Release)?;
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    put_load_on(checkout, &server, &arguments)
}

/// Builds the loads, and puts them on a server.
pub(crate) fn put_load_on(
    checkout: &Checkout,
    server: &Path,
    arguments: &[OsString],
) -> Result<()> {
    let scratch = checkout.target.join("bench");
    let mut words: Vec<OsString> =
        ["run", "--release", "--quiet", "--package", "xtask-bench", "--"]
            .map(OsString::from)
            .into();
    words.extend([OsString::from("--server"), server.into()]);
    words.extend([OsString::from("--scratch"), scratch.into_os_string()]);
    words.extend(arguments.iter().cloned());
    cargo::run(checkout, &words)
}
