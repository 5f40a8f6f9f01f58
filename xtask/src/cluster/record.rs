//! `cluster.json`: what the commands must know of each other.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};

use super::member::Member;
use super::plan::Shape;

/// The cluster in `target/cluster`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cluster {
    /// What the person asked for.
    pub(crate) shape: Shape,
    /// The server that the members run.
    pub(crate) program: PathBuf,
    pub(crate) members: Vec<Member>,
}

impl Cluster {
    /// The cluster that was started last in this folder, if there ever was one.
    pub(crate) fn find(folder: &Path) -> Result<Option<Cluster>> {
        let path = file(folder);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        serde_json::from_slice(&text).map(Some).with_context(|| {
            format!(
                "{} is not readable; `cargo xtask cluster-up --fresh` starts anew",
                path.display()
            )
        })
    }

    /// The same, for commands that make no sense without one.
    pub(crate) fn read(folder: &Path) -> Result<Cluster> {
        Cluster::find(folder)?
            .ok_or_else(|| anyhow!("there is no cluster here; `cargo xtask cluster-up` starts one"))
    }

    /// Remembers the cluster. Another command never sees half a file.
    pub(crate) fn save(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        let part = folder.join("cluster.json.part");
        fs::write(&part, serde_json::to_vec_pretty(self)?)?;
        fs::rename(&part, file(folder)).context("writing cluster.json")
    }

    /// The position of a member by its number, from 1, or its name.
    pub(crate) fn position(&self, member: &str) -> Result<usize> {
        let by_name = self.members.iter().position(|m| m.name == member);
        let by_number = member.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        by_name.or(by_number).filter(|position| *position < self.members.len()).ok_or_else(|| {
            let names: Vec<_> = self.members.iter().map(|m| m.name.as_str()).collect();
            anyhow!("there is no member {member}; there are {}", names.join(", "))
        })
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("cluster.json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::plan;

    fn cluster() -> Cluster {
        plan::local(Path::new("/c"), 3, 2379, plan::Doors::Plain).unwrap()
    }

    #[test]
    fn a_saved_cluster_is_read_back_whole() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("new");
        assert_eq!(Cluster::find(&place).unwrap(), None);
        let mut cluster = cluster();
        cluster.members[1].process = Some(42);
        cluster.save(&place).unwrap();
        assert_eq!(Cluster::read(&place).unwrap(), cluster);
    }

    #[test]
    fn a_broken_file_is_no_missing_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(file(folder.path()), "{").unwrap();
        assert!(Cluster::find(folder.path()).unwrap_err().to_string().contains("--fresh"));
    }

    #[test]
    fn a_member_is_found_by_name_and_by_number() {
        let cluster = cluster();
        assert_eq!(cluster.position("m2").unwrap(), 1);
        assert_eq!(cluster.position("3").unwrap(), 2);
        for unknown in ["0", "4", "m4", ""] {
            let error = cluster.position(unknown).unwrap_err().to_string();
            assert!(error.contains("m1, m2, m3"), "{error}");
        }
    }
}
