//! The socket on which a service tells systemd that it is ready.

use std::fs::{self, File, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The longest message that is read.
const LONGEST: usize = 4096;

/// A socket that a member's environment names.
pub(crate) struct Notify {
    socket: UnixDatagram,
}

impl Notify {
    /// Listens in a folder, under this name, for anybody.
    pub(crate) fn listen(folder: &Path, name: &str) -> Result<Notify> {
        let opened = File::open(folder).with_context(|| format!("opening {}", folder.display()))?;
        // A socket's address has room for some hundred bytes only, and the folder may be deep.
        let address = format!("/proc/self/fd/{}/{name}", opened.as_raw_fd());
        let socket = UnixDatagram::bind(&address).context("listening for notifications")?;
        fs::set_permissions(folder.join(name), Permissions::from_mode(0o666))?;
        Ok(Notify { socket })
    }

    /// Waits until a message says `READY=1`.
    pub(crate) fn wait(&self, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        let mut message = [0; LONGEST];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("it did not say READY=1 within {patience:?}");
            }
            self.socket.set_read_timeout(Some(left))?;
            let Ok(length) = self.socket.recv(&mut message) else { continue };
            let text = String::from_utf8_lossy(&message[..length]).into_owned();
            if text.lines().any(|line| line == "READY=1") {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ready_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let notify = Notify::listen(folder.path(), "notify").unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        let say =
            |text: &str| sender.send_to(text.as_bytes(), folder.path().join("notify")).unwrap();
        say("STATUS=starting");
        assert!(notify.wait(Duration::from_millis(1)).is_err());
        say("STATUS=up\nREADY=1\n");
        notify.wait(Duration::from_secs(10)).unwrap();
    }
}
