//! The image's files: from an image that docker or podman builds, else laid out as the Dockerfile
//! says, with the libraries of this machine in the place of its base image.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::dockerfile::Dockerfile;
use super::run::{output, succeed};
use super::{Options, clear};
use crate::checkout::Checkout;

/// Programs that build images, the first that works is taken.
const ENGINES: [&str; 2] = ["docker", "podman"];
/// What the image is called while it is checked.
const TAG: &str = "etcd-rust:deploy-check";
/// The ports of etcd's own images.
const PORTS: [&str; 2] = ["2379", "2380"];
/// Where manifests written for etcd find it.
const ETCD: &str = "usr/local/bin/etcd";
/// What the base image has of names.
const NAMES: [(&str, &str); 3] = [
    ("etc/passwd", "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532::/home/nonroot:\n"),
    ("etc/group", "root:x:0:\nnonroot:x:65532:\n"),
    ("etc/nsswitch.conf", "hosts: files dns\n"),
];

/// A container's file system before it runs, and how it runs.
pub(crate) struct Image {
    files: PathBuf,
    /// Who it runs as, unless told otherwise.
    pub(crate) user: (u32, u32),
    /// The folder it starts in.
    pub(crate) folder: String,
    /// The program.
    pub(crate) entrypoint: Vec<String>,
}

impl Image {
    /// Builds the image, or takes its files together.
    pub(crate) fn provide(
        checkout: &Checkout,
        scratch: &Path,
        server: &Path,
        options: &Options,
    ) -> Result<Image> {
        let file = checkout.root.join("deploy/Dockerfile");
        let says = Dockerfile::parse(&fs::read_to_string(&file)?).context("deploy/Dockerfile")?;
        if let Some(port) = PORTS.iter().find(|port| !says.ports.iter().any(|own| own == *port)) {
            bail!("deploy/Dockerfile does not expose port {port}");
        }
        let files = scratch.join("image");
        clear(&files)?;
        match ENGINES.into_iter().find(|engine| !options.without_image && works(engine)) {
            Some(engine) => build(checkout, engine, &file, &files)?,
            None => {
                say!(
                    "The image is not built ({}): its files are laid out as deploy/Dockerfile says, \
                     with this machine's libraries instead of {}",
                    if options.without_image {
                        "as asked"
                    } else {
                        "no docker or podman works here"
                    },
                    says.base
                );
                lay_out(scratch, server, &says, &files)?;
            }
        }
        for program in [says.entrypoint[0].trim_start_matches('/'), ETCD] {
            // A link leads within the image, and here that is relative.
            let found = fs::metadata(files.join(program));
            found.with_context(|| format!("the image has no /{program}"))?;
        }
        Ok(Image { files, user: says.user, folder: says.folder, entrypoint: says.entrypoint })
    }

    /// A copy that a member can have for itself. Large files are shared.
    pub(crate) fn root(&self, place: &Path) -> Result<Root> {
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent)?;
        }
        succeed(Command::new("cp").args(["--archive", "--link"]).arg(&self.files).arg(place))?;
        let root = Root { place: place.to_path_buf() };
        root.folder("/proc", (0, 0), 0o755)?;
        Ok(root)
    }
}

/// A member's file system.
pub(crate) struct Root {
    /// Where it is on this machine.
    pub(crate) place: PathBuf,
}

impl Root {
    /// Where a path of the member's is on this machine.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.place.join(inside.trim_start_matches('/'))
    }

    /// Makes a file, in the place of one that the image may have.
    pub(crate) fn file(&self, inside: &str, text: &str, of: (u32, u32), mode: u32) -> Result<()> {
        let path = self.path(inside);
        let parent = path.parent().context("a file is in a folder")?;
        fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
        // Written over, it would change in all copies.
        if path.exists() {
            fs::remove_file(&path)?;
        }
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        own(&path, of, mode)
    }

    /// Makes an empty folder, as a volume that is mounted there for the first time.
    pub(crate) fn folder(&self, inside: &str, of: (u32, u32), mode: u32) -> Result<()> {
        let path = self.path(inside);
        clear(&path)?;
        own(&path, of, mode)
    }
}

fn own(path: &Path, (user, group): (u32, u32), mode: u32) -> Result<()> {
    chown(path, Some(user), Some(group))?;
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    Ok(())
}

fn works(engine: &str) -> bool {
    let mut info = Command::new(engine);
    let status = info.arg("info").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Builds the image and unpacks what a container of it would see.
fn build(checkout: &Checkout, engine: &str, file: &Path, files: &Path) -> Result<()> {
    say!("Building the image with {engine}; that compiles everything anew");
    let mut build = Command::new(engine);
    build.args(["build", "--tag", TAG, "--file"]).arg(file).arg(&checkout.root);
    succeed(&mut build)?;
    let container = output(Command::new(engine).args(["create", TAG]))?;
    let container = container.trim();
    let archive = files.with_extension("tar");
    let mut export = Command::new(engine);
    export.args(["export", "--output"]).arg(&archive).arg(container);
    let exported = succeed(&mut export);
    succeed(Command::new(engine).args(["rm", container]))?;
    exported?;
    succeed(Command::new("tar").arg("xf").arg(&archive).arg("-C").arg(files))?;
    fs::remove_file(&archive).context("removing the archive")
}

/// Runs the Dockerfile's own line, then copies what it copies.
fn lay_out(scratch: &Path, server: &Path, says: &Dockerfile, files: &Path) -> Result<()> {
    let layout = scratch.join("layout");
    clear(&layout)?;
    // The one path from outside is where the build stage has the program.
    let words: Vec<_> = says.layout.split(' ').collect();
    let outside = words.iter().filter(|word| word.starts_with('/')).count();
    if outside != 1 {
        bail!("the line that lays out the image must name one absolute path: {}", says.layout);
    }
    let told =
        |word: &&str| if word.starts_with('/') { "\"$SERVER\"".into() } else { (*word).to_owned() };
    let line = words.iter().map(told).collect::<Vec<String>>().join(" ");
    let mut shell = Command::new("sh");
    succeed(shell.args(["-euc", &line]).env("SERVER", server).current_dir(&layout))?;
    for library in libraries(server)? {
        let own = files.join(library.trim_start_matches('/'));
        fs::create_dir_all(own.parent().context("a library is in a folder")?)?;
        fs::copy(&library, &own).with_context(|| format!("copying {library}"))?;
    }
    for (name, text) in NAMES {
        let path = files.join(name);
        fs::create_dir_all(path.parent().context("it is in a folder")?)?;
        fs::write(path, text)?;
    }
    for copied in &says.copies {
        let from = copied.from.strip_prefix(&says.layout_folder);
        let from = from.with_context(|| format!("{} is not laid out", copied.from))?;
        let (from, to) = (layout.join(from.trim_start_matches('/')), copied.to.trim_matches('/'));
        let to = files.join(to);
        fs::create_dir_all(&to)?;
        // What is in a folder is copied, as COPY does it, and the folder's rights with it.
        succeed(Command::new("cp").arg("--archive").arg(from.join(".")).arg(&to))?;
        if let Some((user, group)) = copied.owner {
            let owner = format!("{user}:{group}");
            succeed(Command::new("chown").args(["--recursive", &owner]).arg(&to))?;
        }
    }
    Ok(())
}

/// The shared libraries that a program is linked with, and the loader.
fn libraries(program: &Path) -> Result<Vec<String>> {
    let text = output(Command::new("ldd").arg(program))?;
    let libraries = text.lines().filter_map(library);
    Ok(libraries.map(str::to_owned).collect())
}

/// The path in one of ldd's lines; what the kernel brings itself has none.
fn library(line: &str) -> Option<&str> {
    line.split_whitespace().find(|word| word.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ldd_lists_is_found() {
        assert_eq!(library("\tlibm.so.6 => /lib/x/libm.so.6 (0x7f)"), Some("/lib/x/libm.so.6"));
        assert_eq!(library("\t/lib64/ld.so.2 (0x7f)"), Some("/lib64/ld.so.2"));
        assert_eq!(library("\tlinux-vdso.so.1 (0x7f)"), None);
    }

    #[test]
    fn a_file_of_one_root_is_not_changed_in_another() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| Root { place: folder.path().join(name) });
        let me = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        one.file("/etc/hosts", "first", me, 0o644).unwrap();
        fs::create_dir_all(two.path("/etc")).unwrap();
        fs::hard_link(one.path("/etc/hosts"), two.path("/etc/hosts")).unwrap();
        two.file("/etc/hosts", "second", me, 0o600).unwrap();
        assert_eq!(fs::read_to_string(one.path("/etc/hosts")).unwrap(), "first");
        assert_eq!(fs::read_to_string(two.path("/etc/hosts")).unwrap(), "second");
    }
}
