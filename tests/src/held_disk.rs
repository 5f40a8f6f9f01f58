//! A disk that lets nothing be synced for as long as a test wants.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Member;

/// Stands before the C library's `fdatasync`: waits while the file that `HELD_BY` names is there, and
/// says that it waits in a file beside it.
const WAITING_SYNC: &str = r#"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int fdatasync(int file) {
    const char *holder = getenv("HELD_BY");
    if (holder && strlen(holder) < 4000 && access(holder, F_OK) == 0) {
        char waiting[4096];
        strcpy(waiting, holder);
        close(open(strcat(waiting, ".waiting"), O_CREAT | O_WRONLY, 0600));
        while (access(holder, F_OK) == 0) usleep(1000);
    }
    return syscall(SYS_fdatasync, file);
}
"#;

/// The disk of one member.
pub struct HeldDisk {
    holder: PathBuf,
}

impl HeldDisk {
    /// Puts it under a member that is not started yet. Programs that ask the system themselves, as
    /// Go's do, go past it.
    ///
    /// # Panics
    ///
    /// There is no C compiler.
    pub fn under(member: &mut Member, home: &Path) -> HeldDisk {
        let (source, library) = (home.join("held_disk.c"), home.join("held_disk.so"));
        if !library.exists() {
            fs::write(&source, WAITING_SYNC).expect("a folder for it");
            let mut compiler = Command::new("cc");
            compiler.args(["-shared", "-fPIC", "-o"]).args([&library, &source]);
            let status = compiler.status().expect("cc is installed, which the build needs too");
            assert!(status.success(), "it compiles");
        }
        let holder = home.join(format!("{}.held", member.name));
        let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
        member.environment.push(("LD_PRELOAD".to_owned(), text(&library)));
        member.environment.push(("HELD_BY".to_owned(), text(&holder)));
        HeldDisk { holder }
    }

    /// From now on nothing is synced.
    pub fn hold(&self) {
        fs::write(&self.holder, "").expect("a folder for it");
    }

    /// Whether something waits to be synced.
    pub fn is_waited_for(&self) -> bool {
        self.holder.with_extension("held.waiting").exists()
    }

    /// Lets go.
    pub fn release(&self) {
        fs::remove_file(&self.holder).expect("it was held");
    }
}

impl Drop for HeldDisk {
    fn drop(&mut self) {
        // It may be released already.
        let _ = fs::remove_file(&self.holder);
    }
}
