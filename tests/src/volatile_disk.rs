//! A disk that forgets what was not synced when its power fails.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Member;

/// Shuts a file system down at once, without its journal: what xfs and ext4 offer to test this.
const POWER_CUT: &str = r#"
#include <fcntl.h>
#include <linux/types.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define SHUTDOWN _IOR('X', 125, __u32)
#define WITHOUT_JOURNAL 2

int main(int count, char **arguments) {
    __u32 how = WITHOUT_JOURNAL;
    int root = open(arguments[count - 1], O_RDONLY);
    if (root >= 0 && ioctl(root, SHUTDOWN, &how) == 0) return 0;
    perror(arguments[count - 1]);
    return 1;
}
"#;

/// How much it holds. The file behind it takes only what is written.
const BYTES: u64 = 4 << 30;

/// A file system of its own, gone when dropped.
pub struct VolatileDisk {
    image: PathBuf,
    /// What is unmounted below it is so in every namespace, also in those of other tests' members,
    /// where it would stay without power.
    shared: PathBuf,
    path: PathBuf,
    power_cut: PathBuf,
}

impl VolatileDisk {
    /// Puts it under a member that is not started yet.
    ///
    /// # Panics
    ///
    /// Without root's rights, without a loop device, or without a C compiler.
    pub fn under(member: &mut Member, home: &Path) -> VolatileDisk {
        let power_cut = compile(home);
        let shared = home.join(format!("{}.disk", member.name));
        let (image, path) = (shared.with_extension("image"), shared.join("mounted"));
        File::create(&image).and_then(|file| file.set_len(BYTES)).expect("a folder for it");
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image));
        fs::create_dir_all(&path).expect("a folder to mount it on");
        let disk = VolatileDisk { image, shared, path, power_cut };
        run(Command::new("mount").arg("--bind").args([&disk.shared, &disk.shared]));
        run(Command::new("mount").arg("--make-shared").arg(&disk.shared));
        disk.mount();
        member.data_dir = disk.path.join("data");
        member.set_flag("--data-dir", &member.data_dir.display().to_string());
        disk
    }

    /// From this moment on nothing reaches it, and whoever writes or syncs gets an error.
    ///
    /// # Panics
    ///
    /// When that is not possible.
    pub fn cut_power(&self) {
        run(Command::new(&self.power_cut).arg(&self.path));
    }

    /// Is as it was when the power failed, without what was never synced. Nobody may use it any more.
    ///
    /// # Panics
    ///
    /// When somebody uses it, or it does not recover.
    pub fn restore_power(&self) {
        run(Command::new("umount").arg(&self.path));
        self.mount();
    }

    fn mount(&self) {
        run(Command::new("mount")
            .args(["-t", "ext4", "-o", "loop"])
            .args([&self.image, &self.path]));
    }
}

impl Drop for VolatileDisk {
    fn drop(&mut self) {
        // Lazily, since a killed process may still be letting go of it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
        let _ = Command::new("umount").arg("--lazy").arg(&self.shared).status();
    }
}

fn compile(home: &Path) -> PathBuf {
    let (source, program) = (home.join("power_cut.c"), home.join("power_cut"));
    if !program.exists() {
        fs::write(&source, POWER_CUT).expect("a folder for it");
        run(Command::new("cc").arg("-o").args([&program, &source]));
    }
    program
}

/// # Panics
///
/// When it fails. Its own words say why.
fn run(command: &mut Command) {
    let status = command.status();
    assert!(
        status.as_ref().is_ok_and(std::process::ExitStatus::success),
        "{command:?}: {status:?}; this test mounts file systems from files, which only root may"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scene;

    #[test]
    fn what_was_synced_is_there_and_nothing_else() {
        let scene = Scene::new();
        let disk = VolatileDisk::under(&mut scene.member(&[]), scene.home());
        let (synced, half, written) =
            (disk.path.join("synced"), disk.path.join("half"), disk.path.join("written"));
        for path in [&synced, &half] {
            fs::write(path, "synced").expect("there is room");
            File::open(path).and_then(|file| file.sync_all()).expect("it can be synced");
        }
        fs::write(&half, "synced, and more").expect("there is room");
        fs::write(&written, "written").expect("there is room");

        disk.cut_power();
        let error = fs::write(&synced, "too late").expect_err("it has no power");
        assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::IO.raw_os_error()));
        disk.restore_power();

        assert_eq!(fs::read_to_string(&synced).expect("it was synced"), "synced");
        assert_ne!(fs::read_to_string(&half).expect("it was synced"), "synced, and more");
        assert!(!written.exists());
    }
}
