//! The files of the checkout, without what git ignores.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Texts by path, relative to the root, with `/` between the parts.
pub(crate) struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads a checkout. Of `.gitignore` only whole paths from the root count, as the project's
    /// own has them.
    pub(crate) fn read(root: &Path) -> Result<Tree> {
        let ignored = fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
        let mut skipped: BTreeSet<_> =
            ignored.lines().map(|line| line.trim_matches('/').to_owned()).collect();
        skipped.insert(".git".to_owned());
        let mut files = BTreeMap::new();
        collect(root, "", &skipped, &mut files)?;
        Ok(Tree { files })
    }

    /// All files.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The Rust sources that people write.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().filter(|(path, _)| path.ends_with(".rs") && !path.contains("/src/gen/"))
    }

    /// One file's text.
    pub(crate) fn get(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// The names of the folders in `crates/`.
    pub(crate) fn crates(&self) -> BTreeSet<&str> {
        let inside = self.files.keys().filter_map(|path| path.strip_prefix("crates/"));
        inside.filter_map(|path| path.split_once('/')).map(|(name, _)| name).collect()
    }

    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Tree {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        Tree { files: files.collect() }
    }
}

fn collect(
    folder: &Path,
    prefix: &str,
    skipped: &BTreeSet<String>,
    files: &mut BTreeMap<String, String>,
) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if skipped.contains(&path) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{path}/"), skipped, files)?;
        } else {
            let bytes = fs::read(entry.path()).with_context(|| format!("reading {path}"))?;
            files.insert(path, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_ignores_is_not_read() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(".gitignore", "/target\n/.cargo/native.toml\n");
        write("target/a.rs", "");
        write(".git/HEAD", "");
        write(".cargo/native.toml", "");
        write(".cargo/config.toml", "");
        write("crates/one/src/lib.rs", "//! One.");
        let tree = Tree::read(root.path()).unwrap();
        let paths: Vec<_> = tree.iter().map(|(path, _)| path).collect();
        assert_eq!(paths, [".cargo/config.toml", ".gitignore", "crates/one/src/lib.rs"]);
        assert_eq!(tree.crates(), BTreeSet::from(["one"]));
    }
}
