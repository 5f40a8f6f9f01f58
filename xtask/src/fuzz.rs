//! `cargo xtask fuzz`: the fuzzer of requests, with a build of its own.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cargo;
use crate::checkout::Checkout;

/// Options of `fuzz`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How long.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// What makes the compiler count which code was reached: stable Rust has no flag of its own for it.
const COUNTING: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg=fuzzing",
];

/// The longest input in bytes: deep txns fit, and large values teach nothing.
const MOST_BYTES: &str = "-max_len=4096";

/// Builds the fuzzer, gives it the seeds and lets it run. What it learned stays for the next time.
pub(crate) fn run(checkout: &Checkout, options: &Options) -> Result<()> {
    let home = checkout.target.join("fuzz");
    let (corpus, seeds, findings) =
        (home.join("corpus"), home.join("seeds"), home.join("findings"));
    for folder in [&corpus, &findings] {
        fs::create_dir_all(folder)
            .with_context(|| format!("making the folder {}", folder.display()))?;
    }
    let words = ["run", "--quiet", "--package", "etcd-fuzz", "--example", "seeds", "--"];
    let status = cargo::command(&checkout.root).args(words).arg(&seeds).status()?;
    if !status.success() {
        bail!("writing the seeds failed: {status}");
    }
    let target = cargo::host_target()?;
    let build = home.join("build");
    build_fuzzer(checkout, &target, &build)?;
    let mut fuzzer = Command::new(build.join(&target).join("debug/fuzz-requests"));
    // Every few thousand inputs get new members, whose files need not outlive anything.
    if let Some(memory) = Some("/dev/shm").filter(|path| fs::metadata(path).is_ok()) {
        fuzzer.env("TMPDIR", memory);
    }
    let status = fuzzer
        .args([&corpus, &seeds])
        .arg(format!("-artifact_prefix={}/", findings.display()))
        .arg(format!("-max_total_time={}", options.seconds))
        .args([MOST_BYTES, "-print_final_stats=1"])
        .status()
        .context("running the fuzzer")?;
    if !status.success() {
        bail!("the fuzzer found something: see {}", findings.display());
    }
    Ok(())
}

fn build_fuzzer(checkout: &Checkout, target: &str, folder: &std::path::Path) -> Result<()> {
    // These replace the flags of `.cargo/config.toml`, which RocksDB's build relies on.
    let mut flags = vec!["-Ctarget-cpu=x86-64-v2", "-Ctarget-feature=+pclmulqdq"];
    if !target.starts_with("x86_64") {
        flags.clear();
    }
    flags.extend(COUNTING);
    let status = cargo::command(&checkout.root)
        .args(["build", "--package", "etcd-fuzz", "--features", "fuzzer", "--bin", "fuzz-requests"])
        // With a target, build scripts and macros are spared the counting.
        .args(["--target", target])
        .env("CARGO_TARGET_DIR", folder)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
        .status()
        .context("running cargo build")?;
    if !status.success() {
        bail!("building the fuzzer failed: {status}");
    }
    Ok(())
}
