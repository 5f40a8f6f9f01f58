//! Where things are: the checkout, its target folder, and the machine's cache.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// One checkout of the project.
pub(crate) struct Checkout {
    /// The folder of the root manifest.
    pub(crate) root: PathBuf,
    /// Cargo's target folder, wherever `CARGO_TARGET_DIR` or a configuration puts it.
    pub(crate) target: PathBuf,
    /// What is built once a machine and serves every checkout.
    pub(crate) cache: PathBuf,
}

impl Checkout {
    /// The checkout that this command was started from.
    pub(crate) fn find() -> Result<Checkout> {
        // `cargo run` says which checkout it runs; the folder known at compile time may be another
        // one when several share a target folder.
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .unwrap_or_else(|| OsString::from(env!("CARGO_MANIFEST_DIR")));
        let root = Path::new(&manifest)
            .parent()
            .context("xtask stands one folder below the root manifest")?
            .to_path_buf();
        let target = crate::cargo::target_folder(&root)?;
        let cache = cache_folder(std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME"))?;
        Ok(Checkout { root, target, cache })
    }

    /// Where the cluster that `cluster-up` starts keeps everything.
    pub(crate) fn cluster(&self) -> PathBuf {
        self.target.join("cluster")
    }
}

fn cache_folder(xdg: Option<OsString>, home: Option<OsString>) -> Result<PathBuf> {
    let usable = |value: Option<OsString>| value.map(PathBuf::from).filter(|p| p.is_absolute());
    match (usable(xdg), usable(home)) {
        (Some(xdg), _) => Ok(xdg.join("etcd-rust")),
        (None, Some(home)) => Ok(home.join(".cache/etcd-rust")),
        (None, None) => bail!("neither HOME nor XDG_CACHE_HOME names a folder for the cache"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(xdg: Option<&str>, home: Option<&str>, expected: Option<&str>) {
        let found = cache_folder(xdg.map(OsString::from), home.map(OsString::from));
        assert_eq!(found.ok(), expected.map(PathBuf::from));
    }

    #[test]
    fn the_cache_follows_xdg_then_home() {
        check(Some("/x"), Some("/h"), Some("/x/etcd-rust"));
        check(None, Some("/h"), Some("/h/.cache/etcd-rust"));
        check(Some(""), Some("/h"), Some("/h/.cache/etcd-rust"));
        check(None, None, None);
    }
}
