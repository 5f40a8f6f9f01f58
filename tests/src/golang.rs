//! Programs that the tests build from Go modules, each once, into the target directory.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// Builds a package as `target/etcdctl/NAME`, unless it is there. One of `tests/go` itself, whose
/// path begins with `./`, is built again when its source is newer.
///
/// # Panics
///
/// When Go is not installed or cannot build it.
pub fn build(package: &str, name: &str) -> PathBuf {
    let folder = target_folder().join("etcdctl");
    let program = folder.join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("go").join(package).join("main.go");
    if changed(&program).is_some_and(|built| changed(&source).is_none_or(|time| time < built)) {
        return program;
    }
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    let unfinished = program.with_extension(std::process::id().to_string());
    let output = Command::new("go")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("go"))
        .env("GOFLAGS", "-mod=mod")
        .arg("build")
        .arg("-o")
        .arg(&unfinished)
        .arg(package)
        .output()
        .unwrap_or_else(|error| panic!("Go is installed: it builds {name}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} cannot be built: {errors}");
    // Two test processes may build at once: a rename leaves either one's whole.
    std::fs::rename(&unfinished, &program).expect("both are in one folder");
    program
}

fn changed(file: &Path) -> Option<SystemTime> {
    file.metadata().ok()?.modified().ok()
}

/// Whether Go is installed.
pub fn is_installed() -> bool {
    Command::new("go").arg("version").output().is_ok_and(|output| output.status.success())
}

/// Cargo's target folder: programs are two folders deep in it, test programs three.
///
/// # Panics
///
/// When the running program is not below one.
pub fn target_folder() -> PathBuf {
    let own = std::env::current_exe().expect("a running program has a path");
    let profile = own.parent().expect("a program is in a folder");
    let profile = if profile.ends_with("deps") { profile.parent() } else { Some(profile) };
    let target = profile.and_then(Path::parent);
    target.expect("programs are two folders deep").to_path_buf()
}
