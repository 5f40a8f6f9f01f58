//! The RocksDB library, built once a machine: its C++ takes longer than everything else together.
//!
//! The library stands in the cache under a name made from all that shapes it. `.cargo/native.toml`,
//! which the checkout's Cargo configuration includes, tells librocksdb-sys to link it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use serde_json::Value;
use sha1::{Digest, Sha1};

use crate::cargo;
use crate::checkout::Checkout;

const LIBRARY: &str = "librocksdb.a";
/// Beside the library: what it was built from.
const KEY: &str = "key";
/// How often the progress bar looks for new object files.
const LOOK: Duration = Duration::from_millis(500);
/// After how many files a line is printed where there is no progress bar.
const LINE: u64 = 50;

/// Makes sure that cargo, run in this checkout, finds the machine's RocksDB library.
pub(crate) fn provide(checkout: &Checkout) -> Result<()> {
    let named = named_folder(&checkout.root);
    if let Some(folder) = std::env::var_os("ROCKSDB_LIB_DIR").map(PathBuf::from)
        && Some(&folder) != named.as_ref()
    {
        say!("RocksDB: the library in ROCKSDB_LIB_DIR, {}", folder.display());
        return Ok(());
    }
    let recipe = Recipe::read(checkout)?;
    if named.is_some_and(|folder| holds(&folder, &recipe)) {
        return Ok(());
    }
    let folder = checkout.cache.join(format!("rocksdb-{}", recipe.digest()));
    fs::create_dir_all(&checkout.cache)?;
    let lock = lock(&checkout.cache.join("rocksdb.lock"))?;
    if !holds(&folder, &recipe) {
        build(checkout, &recipe, &folder)?;
    }
    drop(lock);
    write_native(&checkout.root, &folder)
}

/// Whether `ROCKSDB_LIB_DIR` in this process's environment comes from the checkout's own
/// `.cargo/native.toml`, and not from the person.
pub(crate) fn names_library(root: &Path) -> bool {
    let variable = std::env::var_os("ROCKSDB_LIB_DIR").map(PathBuf::from);
    variable.is_some() && variable == named_folder(root)
}

/// All that shapes the library.
struct Recipe {
    version: String,
    features: Vec<String>,
    target: String,
    rustflags: String,
    /// The number of C++ files to compile.
    sources: u64,
}

impl Recipe {
    fn read(checkout: &Checkout) -> Result<Recipe> {
        let graph = cargo::graph(checkout)?;
        let package = graph
            .packages
            .iter()
            .find(|package| package.name == "librocksdb-sys")
            .context("the workspace does not depend on librocksdb-sys")?;
        let nodes = graph.resolve.context("cargo metadata resolved nothing")?.nodes;
        let node = nodes
            .into_iter()
            .find(|node| node.id == package.id)
            .context("librocksdb-sys is not in the resolved graph")?;
        let sources = package.manifest_path.with_file_name("rocksdb_lib_sources.txt");
        let sources = fs::read_to_string(&sources)
            .with_context(|| format!("reading {}", sources.display()))?;
        let configuration = fs::read_to_string(checkout.root.join(".cargo/config.toml"))?;
        Ok(Recipe {
            version: package.version.clone(),
            features: node.features,
            target: cargo::host_target()?,
            rustflags: std::env::var("RUSTFLAGS").unwrap_or_else(|_| rustflags(&configuration)),
            sources: sources.lines().filter(|line| line.contains(".cc")).count() as u64,
        })
    }

    fn key(&self) -> String {
        format!(
            "librocksdb-sys {}\nfeatures {}\ntarget {}\nrustflags {}\n",
            self.version,
            self.features.join(" "),
            self.target,
            self.rustflags
        )
    }

    fn digest(&self) -> String {
        let digest = Sha1::digest(self.key());
        let short: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{short}", self.version)
    }

    /// A package whose only purpose is to have librocksdb-sys built.
    fn manifest(&self) -> String {
        let features: Vec<_> = self.features.iter().map(|name| format!("{name:?}")).collect();
        format!(
            "[package]\nname = \"rocksdb-library\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
             [dependencies]\nlibrocksdb-sys = {{ version = \"={}\", default-features = false, \
             features = [{}] }}\n\n[workspace]\n",
            self.version.split('+').next().unwrap_or_default(),
            features.join(", ")
        )
    }
}

/// The lines of a Cargo configuration that give the compiler flags, in a canonical form.
fn rustflags(configuration: &str) -> String {
    let lines = configuration.lines().map(str::trim).filter(|line| line.starts_with("rustflags"));
    lines.collect::<Vec<_>>().join("; ")
}

fn holds(folder: &Path, recipe: &Recipe) -> bool {
    let key = fs::read_to_string(folder.join(KEY));
    folder.join(LIBRARY).is_file() && key.is_ok_and(|key| key == recipe.key())
}

/// Waits until no other process builds the library.
fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
    if file.try_lock().is_err() {
        say!("RocksDB: another process is building it; waiting for that");
        file.lock().with_context(|| format!("locking {}", path.display()))?;
    }
    Ok(file)
}

fn build(checkout: &Checkout, recipe: &Recipe, folder: &Path) -> Result<()> {
    say!("RocksDB {}: building the library, once for this machine", recipe.version);
    let work = checkout.cache.join("rocksdb-build");
    fs::create_dir_all(work.join("src"))?;
    fs::write(work.join("Cargo.toml"), recipe.manifest())?;
    fs::write(work.join("src/lib.rs"), "")?;
    // The same versions of what librocksdb-sys builds with; cargo drops the rest of the file.
    fs::copy(checkout.root.join("Cargo.lock"), work.join("Cargo.lock"))?;
    let log = work.join("build.log");
    // Cargo runs in the checkout, so that the checkout's compiler flags hold.
    let mut build = cargo::command(&checkout.root)
        .args(["build", "--release", "--message-format=json", "--manifest-path"])
        .arg(work.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(work.join("target"))
        .env("ROCKSDB_COMPILE", "1")
        .stdout(Stdio::piped())
        .stderr(File::create(&log)?)
        .spawn()
        .context("running cargo build")?;
    let objects = work.join("target/release/build");
    let messages = watch(&mut build, &objects, recipe.sources)?;
    if !build.wait()?.success() {
        let text = fs::read_to_string(&log).unwrap_or_default();
        bail!("building RocksDB failed; {} ends with\n{}", log.display(), tail(&text, 30));
    }
    let out = out_folder(&messages).context("cargo names no folder of librocksdb-sys's output")?;
    install(&out.join(LIBRARY), folder, recipe)?;
    // Half a gigabyte of object files that nobody needs any more.
    fs::remove_dir_all(work.join("target")).context("removing RocksDB's object files")
}

/// Shows how many object files there are until the build ends, and returns what it printed.
fn watch(build: &mut Child, objects: &Path, total: u64) -> Result<String> {
    let before = ProgressStyle::with_template("{spinner} compiling what RocksDB needs, {elapsed}")?;
    let counted = "{spinner} compiling RocksDB [{wide_bar}] {pos}/{len} files, {elapsed}{msg}";
    let counted = ProgressStyle::with_template(counted)?;
    let bar = ProgressBar::new(total).with_style(before);
    let mut output = build.stdout.take().expect("the output is piped");
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).map(|_| text)
    });
    let mut first = None;
    let mut told = 0;
    while build.try_wait()?.is_none() {
        let count = count_objects(objects).min(total);
        if count > 0 {
            let (start, before) = *first.get_or_insert_with(|| {
                bar.set_style(counted.clone());
                (Instant::now(), count)
            });
            bar.set_message(to_go(start.elapsed(), count - before, total - count));
        }
        // Where no bar can be drawn, a line now and then shows that something happens.
        if bar.is_hidden() && count >= told + LINE {
            say!("RocksDB: {count} of {total} files");
            told = count;
        }
        bar.set_position(count);
        bar.tick();
        std::thread::sleep(LOOK);
    }
    bar.finish_and_clear();
    Ok(reader.join().expect("reading does not panic")?)
}

/// How long the remaining files take if they are like those so far.
fn to_go(elapsed: Duration, done: u64, remaining: u64) -> String {
    if done < 10 {
        return String::new();
    }
    let seconds = elapsed.as_secs() * remaining / done;
    format!(", about {} to go", HumanDuration(Duration::from_secs(seconds)))
}

fn count_objects(build: &Path) -> u64 {
    let entries = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten();
    entries(build.to_path_buf())
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("librocksdb-sys-"))
        .flat_map(|entry| entries(entry.path().join("out")))
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "o"))
        .count() as u64
}

/// Where librocksdb-sys's build script put the library.
fn out_folder(messages: &str) -> Option<PathBuf> {
    messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let package = message.get("package_id")?.as_str()?;
        let built = message.get("reason")?.as_str()? == "build-script-executed";
        (built && package.contains("librocksdb-sys"))
            .then(|| message.get("out_dir")?.as_str().map(PathBuf::from))?
    })
}

/// Puts the library into the cache; the key comes last and says that the library is whole.
fn install(library: &Path, folder: &Path, recipe: &Recipe) -> Result<()> {
    fs::create_dir_all(folder)?;
    let part = folder.join("librocksdb.a.part");
    fs::copy(library, &part).with_context(|| format!("copying {}", library.display()))?;
    fs::rename(&part, folder.join(LIBRARY))?;
    fs::write(folder.join(KEY), recipe.key())?;
    Ok(())
}

fn native(root: &Path) -> PathBuf {
    root.join(".cargo/native.toml")
}

/// The folder that `.cargo/native.toml` names.
fn named_folder(root: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(native(root)).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix("ROCKSDB_LIB_DIR = "))?;
    serde_json::from_str::<String>(value).ok().map(PathBuf::from)
}

fn write_native(root: &Path, folder: &Path) -> Result<()> {
    let folder = folder.to_str().context("the cache's path is not UTF-8")?;
    let variables = BTreeMap::from([("ROCKSDB_LIB_DIR", folder), ("ROCKSDB_STATIC", "1")]);
    let mut text = String::from(
        "# Written by `cargo xtask`: links the RocksDB library that was built for this machine.\n\
         [env]\n",
    );
    for (name, value) in variables {
        // A JSON string is a TOML string too.
        text += &format!("{name} = {}\n", serde_json::to_string(value)?);
    }
    fs::write(native(root), text).context("writing .cargo/native.toml")
}

/// The last `count` lines.
pub(crate) fn tail(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn recipe() -> Recipe {
        Recipe {
            version: "0.19.0+11.8.1".into(),
            features: vec!["lz4".into(), "zstd".into()],
            target: "x86_64-unknown-linux-gnu".into(),
            rustflags: "rustflags = []".into(),
            sources: 343,
        }
    }

    #[test]
    fn the_manifest_asks_for_exactly_this_version_and_these_features() {
        expect![[r#"
            [package]
            name = "rocksdb-library"
            version = "0.0.0"
            edition = "2024"

            [dependencies]
            librocksdb-sys = { version = "=0.19.0", default-features = false, features = ["lz4", "zstd"] }

            [workspace]
        "#]]
        .assert_eq(&recipe().manifest());
    }

    #[test]
    fn whatever_shapes_the_library_changes_its_folder() {
        let same = recipe().digest();
        let mut other = recipe();
        other.features.pop();
        assert_ne!(other.digest(), same);
        let mut other = recipe();
        other.rustflags = "rustflags = [\"-Ctarget-cpu=native\"]".into();
        assert_ne!(other.digest(), same);
        let mut other = recipe();
        other.sources = 1;
        assert_eq!(other.digest(), same);
    }

    #[test]
    fn only_a_whole_library_of_the_same_recipe_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("built.a");
        fs::write(&library, "archive").unwrap();
        let place = folder.path().join("place");
        assert!(!holds(&place, &recipe()));
        install(&library, &place, &recipe()).unwrap();
        assert!(holds(&place, &recipe()));
        let mut other = recipe();
        other.version = "0.20.0".into();
        assert!(!holds(&place, &other));
        fs::remove_file(place.join(LIBRARY)).unwrap();
        assert!(!holds(&place, &recipe()));
    }

    #[test]
    fn the_configuration_names_the_folder_that_was_written() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join(".cargo")).unwrap();
        assert_eq!(named_folder(root.path()), None);
        let folder = Path::new("/a \"b\"/c");
        write_native(root.path(), folder).unwrap();
        assert_eq!(named_folder(root.path()).as_deref(), Some(folder));
    }

    #[test]
    fn the_output_folder_is_read_from_cargos_messages() {
        let messages = r#"
{"reason":"compiler-artifact","package_id":"x#librocksdb-sys@1"}
{"reason":"build-script-executed","package_id":"x#zstd-sys@1","out_dir":"/z"}
not json
{"reason":"build-script-executed","package_id":"x#librocksdb-sys@1","out_dir":"/o"}"#;
        assert_eq!(out_folder(messages), Some(PathBuf::from("/o")));
        assert_eq!(out_folder(""), None);
    }

    #[test]
    fn the_time_to_go_is_told_once_there_is_something_to_judge_by() {
        assert_eq!(to_go(Duration::from_secs(30), 9, 334), "");
        assert_eq!(to_go(Duration::from_secs(100), 50, 300), ", about 10 minutes to go");
    }

    #[test]
    fn flags_are_read_without_the_rest_of_the_configuration() {
        let text = "[alias]\nx = \"y\"\n[target.a]\n  rustflags = [\"-C1\"]\n";
        assert_eq!(rustflags(text), "rustflags = [\"-C1\"]");
    }
}
