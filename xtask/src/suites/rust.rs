//! The tests of the crate etcd-client.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::network::Network;
use super::server::Servers;
use super::{Setting, succeed};
use crate::cargo;

const VERSION: &str = "0.21.1";
/// As the registry's index has it; cargo holds what it fetches against it.
const CHECKSUM: &str = "c46b85f82f5189ce66d901425833ee2d94440a571e8071252db5776cc66dea63";
/// What the suite's own set-up runs.
const PREPARATIONS: [&[&str]; 2] = [
    &["user", "add", "root", "--new-user-password=rootpwd"],
    &["user", "grant-role", "root", "root"],
];
/// Two tests are for servers that answer in small parts.
const SMALL: [&str; 4] = ["--test", "client", "test_get_stream", "--"];

pub(crate) fn run(setting: &Setting) -> Result<()> {
    let sources = fetch(&setting.home)?;
    let network = Network::new()?;
    // The tests wait for tokens to run out.
    let servers = Servers::start(setting, &network, &["rust"], &["--auth-token-ttl=2"])?;
    for arguments in PREPARATIONS {
        succeed(network.command("etcdctl").args(arguments).env("ETCDCTL_API", "3"))?;
    }
    let test = |arguments: &[&str]| {
        let mut command = network.command(cargo::command(&sources).get_program());
        command.current_dir(&sources).arg("test").args(arguments);
        command.env("CARGO_TARGET_DIR", setting.home.join("target"));
        succeed(&mut command)
    };
    let all = test(&["--no-fail-fast", "--tests"]);
    drop(servers);
    let flags = ["--max-request-bytes=10240"];
    let _servers = Servers::start(setting, &network, &["rust"], &flags)?;
    let small = test(&[&SMALL[..], &["--ignored"]].concat());
    all.and(small)
}

/// Lets cargo fetch the crate, and copies its sources out of cargo's own folder.
fn fetch(home: &Path) -> Result<PathBuf> {
    let sources = home.join(format!("etcd-client-{VERSION}"));
    if sources.is_dir() {
        return Ok(sources);
    }
    let scratch = home.join("fetch");
    fs::create_dir_all(scratch.join("src"))?;
    fs::write(scratch.join("src/lib.rs"), "")?;
    let manifest = format!(
        "[workspace]\n[package]\nname = \"fetch\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [dependencies]\netcd-client = \"={VERSION}\"\n"
    );
    fs::write(scratch.join("Cargo.toml"), manifest)?;
    let metadata = cargo::metadata(&scratch)?;
    let lock = fs::read_to_string(scratch.join("Cargo.lock"))?;
    if !lock.contains(CHECKSUM) {
        bail!("etcd-client {VERSION} has another checksum than it had: {}", scratch.display());
    }
    let package = metadata.packages.iter().find(|package| package.name == "etcd-client");
    let package = package.context("cargo fetched no etcd-client")?;
    let fetched = package.manifest_path.parent().context("a manifest is in a folder")?;
    let unfinished = sources.with_extension("part");
    succeed(Command::new("cp").arg("-r").arg(fetched).arg(&unfinished))?;
    // It stands inside this checkout, and belongs to no workspace.
    let manifest = unfinished.join("Cargo.toml");
    let text = fs::read_to_string(&manifest)?;
    fs::write(&manifest, format!("{text}\n[workspace]\n"))?;
    fs::rename(&unfinished, &sources)?;
    Ok(sources)
}
