//! What this machine must have beside Rust, and how it gets it: with apt-get where that is allowed,
//! otherwise by naming what is missing.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Something that is needed, and the Debian and Ubuntu package it comes in.
pub(crate) struct Need {
    what: What,
    package: &'static str,
    /// Completes the sentence "needed …".
    purpose: &'static str,
}

enum What {
    /// A program on the search path.
    Program(&'static str),
    /// The shared library that bindgen loads, with the compiler's own headers.
    Libclang,
    /// A Python that can make environments, which Debian has in a package of its own.
    PythonEnvironments,
}

/// To build the server.
pub(crate) const BUILD: &[Need] = &[
    Need { what: What::Program("g++"), package: "g++", purpose: "to compile RocksDB" },
    Need { what: What::Program("make"), package: "make", purpose: "to build jemalloc" },
    Need { what: What::Libclang, package: "libclang-dev", purpose: "to read RocksDB's header" },
];

/// To run the tests.
pub(crate) const TESTS: &[Need] = &[
    Need {
        what: What::Program("etcdctl"),
        package: "etcd-client",
        purpose: "as a client in tests",
    },
    Need { what: What::Program("etcd"), package: "etcd-server", purpose: "to compare with" },
    Need { what: What::Program("ip"), package: "iproute2", purpose: "for network namespaces" },
    Need { what: What::Program("mkfs.ext4"), package: "e2fsprogs", purpose: "for small disks" },
    Need { what: What::Program("go"), package: "golang-go", purpose: "to build etcdctl 3.7" },
];

/// To run other people's suites.
pub(crate) const SUITES: &[Need] = &[
    Need {
        what: What::Program("etcdctl"),
        package: "etcd-client",
        purpose: "to prepare servers, and for a suite's own use",
    },
    Need { what: What::Program("ip"), package: "iproute2", purpose: "for network namespaces" },
    Need {
        what: What::Program("protoc"),
        package: "protobuf-compiler",
        purpose: "to build the crate etcd-client",
    },
    Need { what: What::Program("python3"), package: "python3-venv", purpose: "for etcd3's tests" },
];

/// To check what is in `deploy/`.
pub(crate) const DEPLOY: &[Need] = &[
    Need { what: What::Program("ip"), package: "iproute2", purpose: "for network namespaces" },
    Need { what: What::Program("curl"), package: "curl", purpose: "to ask what probes ask" },
    Need { what: What::Program("go"), package: "golang-go", purpose: "to fetch tools and schemas" },
    Need {
        what: What::PythonEnvironments,
        package: "python3-venv",
        purpose: "to check manifests against Kubernetes' schemas",
    },
];

/// To see where processor time goes.
pub(crate) const PROFILE: &[Need] = &[Need {
    what: What::Program("perf"),
    package: "linux-perf",
    purpose: "to look at the server while it works",
}];

/// Installs what is missing, or fails and names it.
pub(crate) fn provide(needs: &[Need]) -> Result<()> {
    let missing: Vec<_> = needs.iter().filter(|need| !need.what.is_here()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for need in &missing {
        say!("Missing: {} ({})", need.package, need.purpose);
    }
    let packages: Vec<_> = missing.iter().map(|need| need.package).collect();
    match Installer::find() {
        Some(installer) => installer.install(&packages)?,
        None => bail!("{}", advice(&packages)),
    }
    match missing.iter().find(|need| !need.what.is_here()) {
        Some(need) => bail!("{} is installed, but what it is for is still missing", need.package),
        None => Ok(()),
    }
}

fn advice(packages: &[&str]) -> String {
    format!(
        "install these packages and try again: {list}\n\
         On Debian or Ubuntu: sudo apt-get install {list}\n\
         Elsewhere they may have other names.",
        list = packages.join(" ")
    )
}

impl What {
    fn is_here(&self) -> bool {
        match self {
            What::Program(name) => {
                find_program(name, std::env::var_os("PATH").as_deref()).is_some()
            }
            What::PythonEnvironments => {
                let import =
                    Command::new("python3").args(["-c", "import ensurepip, venv"]).output();
                import.is_ok_and(|output| output.status.success())
            }
            What::Libclang => {
                let folders = libclang_folders();
                let told = ["LIBCLANG_PATH", "BINDGEN_EXTRA_CLANG_ARGS"]
                    .iter()
                    .any(|variable| std::env::var_os(variable).is_some());
                folders.iter().any(|folder| has_libclang(folder))
                    && (told || folders.iter().any(|folder| has_clang_headers(folder)))
            }
        }
    }
}

fn find_program(name: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    // The administrator's folders hold `ip`, and are not on everybody's path.
    let folders = path.into_iter().flat_map(std::env::split_paths);
    folders
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
        .map(|folder| folder.join(name))
        .find(|file| {
            let metadata = fs::metadata(file);
            metadata.is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
        })
}

/// Where bindgen looks for libclang.
fn libclang_folders() -> Vec<PathBuf> {
    if let Some(folder) = std::env::var_os("LIBCLANG_PATH") {
        return vec![folder.into()];
    }
    let mut folders: Vec<PathBuf> =
        ["/usr/lib64", "/usr/lib", "/usr/local/lib"].iter().map(PathBuf::from).collect();
    for entry in fs::read_dir("/usr/lib").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("llvm") {
            folders.push(entry.path().join("lib"));
        } else if name.ends_with("-linux-gnu") {
            folders.push(entry.path());
        }
    }
    folders
}

/// Whether bindgen would take a library of this folder: `libclang.so` or `libclang-14.so.1`, but
/// not the C++ interface `libclang-cpp.so`.
fn has_libclang(folder: &Path) -> bool {
    fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let named = name.starts_with("libclang.so") || name.starts_with("libclang-");
        named && name.contains(".so") && !name.starts_with("libclang-cpp")
    })
}

/// Whether the compiler's own headers are here, as `clang/14/include/stddef.h`. Some packages of
/// the library come without them.
fn has_clang_headers(folder: &Path) -> bool {
    let versions = fs::read_dir(folder.join("clang")).into_iter().flatten().flatten();
    versions.into_iter().any(|version| version.path().join("include/stddef.h").is_file())
}

/// How apt-get can be run here.
struct Installer {
    /// `sudo -n`, or nothing for root.
    prefix: &'static [&'static str],
}

impl Installer {
    fn find() -> Option<Installer> {
        let path = std::env::var_os("PATH");
        find_program("apt-get", path.as_deref())?;
        if rustix::process::geteuid().is_root() {
            return Some(Installer { prefix: &[] });
        }
        find_program("sudo", path.as_deref())?;
        let installer = Installer { prefix: &["sudo", "-n"] };
        let passwordless = installer.command("true").stderr(Stdio::null()).status();
        passwordless.is_ok_and(|status| status.success()).then_some(installer)
    }

    fn command(&self, program: &str) -> Command {
        let mut words = self.prefix.iter().copied().chain([program]);
        let mut command = Command::new(words.next().expect("at least the program is there"));
        command.args(words);
        command
    }

    fn install(&self, packages: &[&str]) -> Result<()> {
        say!("Installing {}", packages.join(" "));
        let before = running("etcd");
        // A machine that was never updated knows no packages at all.
        if let Err(error) = self.apt(&["update", "-qq"]) {
            say!("{error:#}; going on with the packages that were known before");
        }
        let arguments = ["install", "-y", "-qq", "--no-install-recommends"];
        let policy = Policy::forbid_services(self)?;
        let result = self.apt(&[&arguments, packages].concat());
        policy.lift(self)?;
        // Debian's package starts a server where the policy is not asked.
        for process in running("etcd").difference(&before) {
            say!("Stopping the etcd that the package started (process {process})");
            self.run("kill", &["-TERM", &process.to_string()])?;
        }
        result
    }

    fn apt(&self, arguments: &[&str]) -> Result<()> {
        // `env` and not the process's own environment: sudo drops that.
        let fixed = ["DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "apt-get"];
        self.run("env", &[&fixed, arguments].concat())
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let status = self
            .command(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .with_context(|| format!("running {program}"))?;
        if !status.success() {
            bail!("`{program} {}` failed: {status}", arguments.join(" "));
        }
        Ok(())
    }
}

const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Debian's own way to keep a package from starting a service: a program that says no.
enum Policy {
    Ours,
    /// The machine has one of its own, which stays as it is.
    TheMachines,
}

impl Policy {
    fn forbid_services(installer: &Installer) -> Result<Policy> {
        if Path::new(POLICY).exists() {
            return Ok(Policy::TheMachines);
        }
        let script = format!("printf '#!/bin/sh\\nexit 101\\n' > {POLICY} && chmod 755 {POLICY}");
        installer.run("sh", &["-c", &script])?;
        Ok(Policy::Ours)
    }

    fn lift(self, installer: &Installer) -> Result<()> {
        match self {
            Policy::Ours => installer.run("rm", &[POLICY]),
            Policy::TheMachines => Ok(()),
        }
    }
}

/// The processes of this name.
fn running(name: &str) -> BTreeSet<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|process| {
            let comm = fs::read_to_string(format!("/proc/{process}/comm"));
            comm.is_ok_and(|comm| comm.trim_end() == name)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_only_when_it_can_run() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("some-tool");
        fs::write(&file, "").unwrap();
        let path = Some(folder.path().as_os_str());
        assert_eq!(find_program("some-tool", path), None);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find_program("some-tool", path), Some(file));
        assert_eq!(find_program("another-tool", path), None);
    }

    #[test]
    fn libclang_is_not_taken_for_its_cpp_interface() {
        let check = |name: &str| {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(name), "").unwrap();
            has_libclang(folder.path())
        };
        assert!(check("libclang.so"));
        assert!(check("libclang-14.so.1"));
        assert!(!check("libclang-cpp.so.14"));
        assert!(!check("libclang-14.a"));
    }

    #[test]
    fn headers_are_found_below_any_version() {
        let folder = tempfile::tempdir().unwrap();
        let include = folder.path().join("clang/14.0.6/include");
        fs::create_dir_all(&include).unwrap();
        assert!(!has_clang_headers(folder.path()));
        fs::write(include.join("stddef.h"), "").unwrap();
        assert!(has_clang_headers(folder.path()));
    }

    #[test]
    fn the_advice_names_every_package() {
        assert!(advice(&["g++", "make"]).contains("apt-get install g++ make"));
    }

    #[test]
    fn this_process_is_among_the_running_ones() {
        let comm = fs::read_to_string("/proc/self/comm").unwrap();
        assert!(running(comm.trim_end()).contains(&std::process::id()));
    }
}
