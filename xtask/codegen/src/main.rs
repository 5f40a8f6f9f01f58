//! Makes etcd-proto's Rust code and descriptors from the .proto files, or checks that they are fresh.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use prost::Message;
use prost_types::FileDescriptorSet;

/// The files that nothing else imports; the others come along.
const ROOTS: [&str; 6] = [
    "etcdserverpb/raft_internal.proto",
    "grpc/health/v1/health.proto",
    "leasepb/leader.proto",
    "raftpb/raft.proto",
    "v3electionpb/election.proto",
    "v3lockpb/lock.proto",
];

/// Messages with passwords or tokens: etcd-proto says by hand how they are printed.
const SECRETS: [&str; 6] = [
    ".authpb.User",
    ".etcdserverpb.AuthenticateRequest",
    ".etcdserverpb.AuthenticateResponse",
    ".etcdserverpb.AuthUserAddRequest",
    ".etcdserverpb.AuthUserChangePasswordRequest",
    ".etcdserverpb.InternalAuthenticateRequest",
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let fresh = generate(&checkout().join("proto"))?;
    let folder = checkout().join("crates/etcd-proto/src/gen");
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => write(&folder, &fresh),
        ["--check"] => check(&folder, &fresh),
        _ => bail!("usage: cargo xtask codegen [--check]"),
    }
}

fn checkout() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).expect("this crate stands two folders below the top").to_path_buf()
}

/// The generated files by name.
type Files = BTreeMap<String, Vec<u8>>;

/// What the messages look like, for those who learn it at run time.
const DESCRIPTORS: &str = "descriptors.bin";

fn generate(proto: &Path) -> Result<Files> {
    let mut descriptors = protox::compile(ROOTS, [proto]).context("compiling the .proto files")?;
    let mut files = Files::from([(DESCRIPTORS.to_owned(), without_sources(&descriptors))]);
    rename_fields(&mut descriptors);
    let scratch = tempfile::tempdir().context("making a scratch folder")?;
    tonic_prost_build::configure()
        .bytes(".")
        .skip_debug(SECRETS)
        // etcd-proto has it: the usual one begins with far too large buffers.
        .codec_path("crate::codec::FittingCodec")
        // Connections are etcd-transport's business: a client stub takes a channel.
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .out_dir(scratch.path())
        .compile_fds(descriptors)
        .context("generating Rust code")?;
    files.extend(read(scratch.path())?);
    Ok(files)
}

/// Descriptors without the comments of the .proto files.
fn without_sources(descriptors: &FileDescriptorSet) -> Vec<u8> {
    let mut descriptors = descriptors.clone();
    for file in &mut descriptors.file {
        file.source_code_info = None;
    }
    descriptors.encode_to_vec()
}

/// Lets a field such as `peerURLs` become `peer_urls` in Rust, not `peer_ur_ls`. Names are no part
/// of the binary wire format, and the .proto files keep the ones that JSON needs.
fn rename_fields(descriptors: &mut FileDescriptorSet) {
    let messages = descriptors.file.iter_mut().flat_map(|file| &mut file.message_type);
    for field in messages.flat_map(|message| &mut message.field) {
        if let Some(name) = &mut field.name {
            *name = name.replace("URLs", "Urls");
        }
    }
}

fn read(folder: &Path) -> Result<Files> {
    let mut files = Files::new();
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("reading the folder {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().expect("a folder's entry has a name").to_string_lossy();
        let content =
            std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        files.insert(name.into_owned(), content);
    }
    Ok(files)
}

fn write(folder: &Path, fresh: &Files) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let present = read(folder)?;
    for stale in present.keys().filter(|name| !fresh.contains_key(*name)) {
        std::fs::remove_file(folder.join(stale))?;
    }
    // A file that stays as it is keeps its time, so that nothing compiles again for it.
    for (name, file) in fresh.iter().filter(|(name, file)| present.get(*name) != Some(file)) {
        std::fs::write(folder.join(name), file)?;
    }
    Ok(())
}

fn check(folder: &Path, fresh: &Files) -> Result<()> {
    let present = read(folder)?;
    let names = present.keys().chain(fresh.keys().filter(|name| !present.contains_key(*name)));
    let stale: Vec<_> =
        names.filter(|name| present.get(*name) != fresh.get(*name)).map(String::as_str).collect();
    if !stale.is_empty() {
        bail!(
            "generated code is stale: {} in {}; run `cargo xtask codegen`",
            stale.join(", "),
            folder.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, &str)]) -> Files {
        list.iter().map(|(name, text)| ((*name).to_owned(), (*text).into())).collect()
    }

    #[test]
    fn a_written_folder_is_fresh_and_holds_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("old.rs"), "gone").unwrap();
        let fresh = files(&[("a.rs", "one"), ("b.rs", "two")]);
        write(folder.path(), &fresh).unwrap();
        check(folder.path(), &fresh).unwrap();
        assert_eq!(read(folder.path()).unwrap(), fresh);
    }

    #[test]
    fn a_changed_a_missing_and_a_left_over_file_are_each_named() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &files(&[("changed.rs", "one"), ("left.rs", "two")])).unwrap();
        let fresh = files(&[("changed.rs", "other"), ("missing.rs", "three")]);
        let error = check(folder.path(), &fresh).unwrap_err().to_string();
        for name in ["changed.rs", "missing.rs", "left.rs"] {
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn a_field_of_urls_keeps_the_word_whole() {
        let generated = generate(&checkout().join("proto")).unwrap();
        let text = String::from_utf8_lossy(&generated["etcdserverpb.rs"]);
        assert!(text.contains("pub peer_urls:"));
        // Names are part of JSON.
        let descriptors = String::from_utf8_lossy(&generated[DESCRIPTORS]);
        assert!(descriptors.contains("peerURLs"));
    }
}
