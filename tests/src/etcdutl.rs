//! etcd's own tool for data files, and etcd's server to start on them.

use crate::golang;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// etcdutl 3.7.1, built once from Go modules.
#[derive(Debug, Clone)]
pub struct Etcdutl {
    program: PathBuf,
}

/// What etcdutl says of a snapshot's file after it checked all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotStatus {
    /// The revision of the last record.
    pub revision: i64,
    /// The number of keys at that revision.
    pub total_keys: i64,
    /// The file's bytes, as far as they are in use.
    pub total_size: i64,
    /// The version of etcd that it is of.
    pub version: String,
}

impl Etcdutl {
    /// The newest.
    ///
    /// # Panics
    ///
    /// When Go is not installed or cannot build it.
    pub fn newest() -> Etcdutl {
        static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
        let build = || golang::build("go.etcd.io/etcd/etcdutl/v3", "etcdutl-3.7.1");
        Etcdutl { program: PROGRAM.get_or_init(build).clone() }
    }

    /// Runs it with these arguments and returns what it printed.
    ///
    /// # Panics
    ///
    /// When it fails.
    #[track_caller]
    pub fn succeed(&self, arguments: &[&str]) -> String {
        let output = Command::new(&self.program).args(arguments).output();
        let output = output.unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "etcdutl {}: {errors}", arguments.join(" "));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Checks the pages of a snapshot's file and all its records.
    ///
    /// # Panics
    ///
    /// When it finds anything wrong.
    #[track_caller]
    pub fn snapshot_status(&self, file: &Path) -> SnapshotStatus {
        let path = file.to_string_lossy();
        let json = self.succeed(&["snapshot", "status", &path, "--write-out=json"]);
        let status: serde_json::Value = serde_json::from_str(&json).expect("it prints JSON");
        let number = |name: &str| status[name].as_i64().unwrap_or_else(|| panic!("{name}: {json}"));
        SnapshotStatus {
            revision: number("revision"),
            total_keys: number("totalKey"),
            total_size: number("totalSize"),
            version: status["version"].as_str().unwrap_or_default().to_owned(),
        }
    }
}

/// The server of etcd 3.7.1, built once from Go modules.
///
/// # Panics
///
/// When Go is not installed or cannot build it.
pub fn newest_server() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| golang::build("go.etcd.io/etcd/server/v3", "etcd-3.7.1")).clone()
}
