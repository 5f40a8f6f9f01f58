//! A place for members that each test makes by itself.

use crate::{Member, Turn};
use std::path::Path;
use tempfile::TempDir;

/// A folder, and the right to run servers.
pub struct Scene {
    home: TempDir,
    _turn: Turn,
}

impl Scene {
    /// An empty folder, once it is this test's turn.
    #[expect(clippy::new_without_default, reason = "it waits for its turn")]
    pub fn new() -> Scene {
        let turn = Turn::take();
        let home = TempDir::with_prefix("etcd-test-").expect("a temporary folder");
        Scene { home, _turn: turn }
    }

    /// The folder, which goes with the scene.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The only member of its cluster, with these flags.
    pub fn member(&self, flags: &[&str]) -> Member {
        let mut member = Member::alone(self.home());
        member.arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
        member
    }

    /// The same, which serves already.
    pub fn start(&self, flags: &[&str]) -> Member {
        let mut member = self.member(flags);
        member.start();
        member.wait_until_ready();
        member
    }
}
