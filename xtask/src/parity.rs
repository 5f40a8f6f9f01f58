//! `cargo xtask parity`: builds the server and the program of etcd-tests that holds it against a real
//! etcd, and hands over.

use std::collections::BTreeMap;
use std::ffi::OsString;

use anyhow::Result;

use crate::cargo::{self, Profile};
use crate::checkout::Checkout;
use crate::{host, rocksdb};

/// Asks for a server as it is built for use.
const RELEASE: &str = "--release";

/// Tells etcd-tests which server to run.
const SERVER: &str = "ETCD_SERVER";

/// Builds both, and runs the program with what the person said.
pub(crate) fn run(checkout: &Checkout, arguments: &[String]) -> Result<()> {
    host::provide(host::BUILD)?;
    host::provide(host::TESTS)?;
    rocksdb::provide(checkout)?;
    let is_release = arguments.iter().any(|argument| argument == RELEASE);
    let profile = if is_release { Profile::Release } else { Profile::Dev };
    let server = cargo::build_server(checkout, profile)?;
    let mut words = vec!["run", "--quiet", "--package", "etcd-tests", "--bin", "parity", "--"];
    words.extend(arguments.iter().map(String::as_str).filter(|argument| *argument != RELEASE));
    let environment = BTreeMap::from([(SERVER, OsString::from(server))]);
    cargo::run_with(checkout, &words, &environment)
}
