//! Running cargo, and reading what it knows of the workspace.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::checkout::Checkout;

/// What `cargo metadata` says; only the parts that are used here.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) target_directory: PathBuf,
    pub(crate) resolve: Option<Resolve>,
}

/// One package of the graph.
#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a package's dependencies, of any kind.
#[derive(Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
}

/// The graph after features were chosen.
#[derive(Deserialize)]
pub(crate) struct Resolve {
    pub(crate) nodes: Vec<Node>,
}

/// One package in the resolved graph.
#[derive(Deserialize)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) features: Vec<String>,
}

/// Cargo, in `folder`, in the environment that the person has outside of `cargo xtask`.
pub(crate) fn command(folder: &Path) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(folder);
    // `cargo run` adds variables about xtask itself. Some build scripts watch them, and would run
    // again each time that a person changes between `cargo xtask` and plain `cargo`.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    // From `.cargo/native.toml`, which may be written anew while this process runs.
    if crate::rocksdb::names_library(folder) {
        command.env_remove("ROCKSDB_LIB_DIR").env_remove("ROCKSDB_STATIC");
    }
    command
}

/// Cargo's target folder for the workspace at `root`.
pub(crate) fn target_folder(root: &Path) -> Result<PathBuf> {
    Ok(read_metadata(root, &["--no-deps"])?.target_directory)
}

/// The packages of the workspace alone.
pub(crate) fn workspace(checkout: &Checkout) -> Result<Metadata> {
    read_metadata(&checkout.root, &["--no-deps"])
}

/// The whole graph as this machine builds it.
pub(crate) fn graph(checkout: &Checkout) -> Result<Metadata> {
    let target = host_target()?;
    read_metadata(&checkout.root, &["--filter-platform", &target])
}

/// The whole graph of another workspace.
pub(crate) fn metadata(root: &Path) -> Result<Metadata> {
    read_metadata(root, &[])
}

fn read_metadata(root: &Path, arguments: &[&str]) -> Result<Metadata> {
    let output = command(root)
        .args(["metadata", "--format-version", "1"])
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .context("running cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", output.status);
    }
    serde_json::from_slice(&output.stdout).context("reading what cargo metadata says")
}

/// The target that this machine's compiler builds for, as `x86_64-unknown-linux-gnu`.
pub(crate) fn host_target() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("running rustc")?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("rustc -vV names no host")
}

/// Runs cargo with everything it prints visible.
pub(crate) fn run(checkout: &Checkout, arguments: &[impl AsRef<OsStr>]) -> Result<()> {
    run_with(checkout, arguments, &BTreeMap::new())
}

/// The same, with more in the environment.
pub(crate) fn run_with(
    checkout: &Checkout,
    arguments: &[impl AsRef<OsStr>],
    environment: &BTreeMap<&str, OsString>,
) -> Result<()> {
    let status = command(&checkout.root)
        .args(arguments)
        .envs(environment)
        .status()
        .context("running cargo")?;
    if !status.success() {
        let words: Vec<_> = arguments.iter().map(|word| word.as_ref().to_string_lossy()).collect();
        bail!("`cargo {}` failed: {status}", words.join(" "));
    }
    Ok(())
}

/// The profile that the server is built in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Profile {
    /// For tests: it shares what they compile anyway, and checks arithmetic as it runs.
    Dev,
    /// For use.
    Release,
}

/// Builds the server's binary and says where it is. Cargo shows its own progress.
pub(crate) fn build_server(checkout: &Checkout, profile: Profile) -> Result<PathBuf> {
    let profile = match profile {
        Profile::Dev => "dev",
        Profile::Release => "release",
    };
    say!("Building etcd-server ({profile})");
    let mut build = command(&checkout.root)
        .args(["build", "--profile", profile, "--package", "etcd-server"])
        .arg("--message-format=json-render-diagnostics")
        .stdout(Stdio::piped())
        .spawn()
        .context("running cargo build")?;
    let messages = BufReader::new(build.stdout.take().expect("the output is piped"));
    let mut program = None;
    for line in messages.lines() {
        let message: Value = serde_json::from_str(&line?).unwrap_or_default();
        program = executable(&message).or(program);
    }
    let status = build.wait()?;
    if !status.success() {
        bail!("building etcd-server failed: {status}");
    }
    program.context("package etcd-server has no executable")
}

fn executable(message: &Value) -> Option<PathBuf> {
    message.get("executable").and_then(Value::as_str).map(PathBuf::from)
}

/// Fails when a build would have to change `Cargo.lock`.
pub(crate) fn check_lock(checkout: &Checkout) -> Result<()> {
    read_metadata(&checkout.root, &["--locked"]).map(|_| ())
}

/// Whether cargo has this subcommand.
pub(crate) fn has_command(name: &str) -> bool {
    let output = Command::new("cargo").arg("--list").output();
    output.is_ok_and(|output| {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().any(|line| line.split_whitespace().next() == Some(name))
    })
}
