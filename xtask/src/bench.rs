//! `cargo xtask bench`: hands over to the crate beside this one, built as the server is for use.

use std::ffi::OsString;

use anyhow::Result;

use crate::cargo::{self, Profile};
use crate::checkout::Checkout;

/// Builds the server and the loads, and runs them with what the person said.
pub(crate) fn run(checkout: &Checkout, arguments: &[String]) -> Result<()> {
    let server = cargo::build_server(checkout, Profile::Release)?;
    let scratch = cargo::target_folder(&checkout.root)?.join("bench");
    let mut words: Vec<OsString> =
        ["run", "--release", "--quiet", "--package", "xtask-bench", "--"]
            .map(OsString::from)
            .into();
    words.extend([OsString::from("--server"), server.into_os_string()]);
    words.extend([OsString::from("--scratch"), scratch.into_os_string()]);
    words.extend(arguments.iter().map(OsString::from));
    cargo::run(checkout, &words)
}
