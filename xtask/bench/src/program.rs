//! A server's program and what to call it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

/// One of the two that are compared.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// How the table names it.
    pub(crate) label: String,
    /// The executable.
    pub(crate) path: PathBuf,
}

impl Program {
    /// What it says of its version, in one line.
    pub(crate) fn version(&self) -> Result<String> {
        let output = Command::new(&self.path)
            .arg("--version")
            .output()
            .with_context(|| format!("running {}", self.path.display()))?;
        Ok(first_lines(&String::from_utf8_lossy(&output.stdout)))
    }
}

/// The lines that name versions: etcd goes on with its compiler and the machine.
fn first_lines(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| line.contains("Version: "));
    let own = lines.filter(|line| !line.starts_with("Go "));
    own.collect::<Vec<_>>().join(", ").replace("Version: ", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_versions_of_servers_are_told() {
        let etcd = "etcd Version: 3.4.23\nGit SHA: Not provided\nGo Version: go1.19.8\n";
        assert_eq!(first_lines(etcd), "etcd 3.4.23");
        let this = "etcd Version: 3.7.1\netcd-server Version: 0.1.0 (Rust)\n";
        assert_eq!(first_lines(this), "etcd 3.7.1, etcd-server 0.1.0 (Rust)");
    }
}
