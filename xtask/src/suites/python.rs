//! The tests of the Python package etcd3.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::network::Network;
use super::server::Servers;
use super::{Setting, succeed};

const VERSION: &str = "0.12.0";
const CHECKSUM: &str = "89a704cb389bf0a010a1fa050ce19342d23bf6371ebda1c21cfe8ff3ed488726";
/// What it needs, as old as it is itself where newer ones have changed too much.
const PACKAGES: &[&str] = &[
    "grpcio==1.85.1",
    "hypothesis==4.57.1",
    "mock==3.0.5",
    "protobuf==3.20.3",
    "pytest==7.4.4",
    "pytest-timeout==2.4.0",
    "setuptools==59.8.0",
    "six==1.17.0",
    "tenacity==6.1.0",
    "wheel==0.45.1",
];
/// Tests that fail with a real etcd too. This one looks for a module under a name that it never had.
const BROKEN: &[&str] = &["TestClient::test_user_pwd_auth"];
/// The suite stops the last two of three members, which it finds by these names.
const NAMES: [&str; 3] = ["pifpaf0", "pifpaf1", "pifpaf2"];

pub(crate) fn run(setting: &Setting) -> Result<()> {
    let python = environment(&setting.home)?;
    let sources = fetch(&setting.home, &python)?;
    let network = Network::new()?;
    let _servers = Servers::start(setting, &network, &NAMES, &[])?;
    let mut command = network.command(&python);
    command.current_dir(&sources).args(["-m", "pytest", "--quiet", "--timeout=120", "tests"]);
    for test in BROKEN {
        command.args(["--deselect", &format!("tests/test_etcd3.py::{test}")]);
    }
    command
        .env("PYTHON_ETCD_HTTP_URL", "http://localhost:2379")
        .env("TEST_ETCD_VERSION", "v3.7.1")
        .env("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "python");
    succeed(&mut command)
}

/// The Python of an environment that has what the suite needs.
fn environment(home: &Path) -> Result<PathBuf> {
    let folder = home.join("python");
    let python = folder.join("bin/python");
    if !python.is_file() {
        succeed(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    }
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    succeed(install.args(PACKAGES))?;
    Ok(python)
}

/// Lets pip fetch the package, which checks it, and unpacks it.
fn fetch(home: &Path, python: &Path) -> Result<PathBuf> {
    let sources = home.join(format!("etcd3-{VERSION}"));
    if sources.is_dir() {
        return Ok(sources);
    }
    let requirement = home.join("etcd3.txt");
    fs::write(&requirement, format!("etcd3=={VERSION} --hash=sha256:{CHECKSUM}\n"))?;
    let mut download = Command::new(python);
    download.args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation"]);
    download.args(["--no-binary", ":all:", "--require-hashes"]);
    succeed(download.arg("--requirement").arg(&requirement).arg("--dest").arg(home))?;
    let archive = home.join(format!("etcd3-{VERSION}.tar.gz"));
    succeed(Command::new("tar").arg("xzf").arg(&archive).arg("-C").arg(home))?;
    fs::metadata(&sources).with_context(|| format!("looking for {}", sources.display()))?;
    Ok(sources)
}
