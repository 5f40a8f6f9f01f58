//! Tells the log who was turned away, and not more often than somebody can read.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use crate::connection::Remote;
use crate::handshake::Refused;

/// As many lines go to the log in one such time, as from etcd's logger.
const LINES: u32 = 100;
const WINDOW: Duration = Duration::from_secs(1);

/// One line, with the names of the client's certificate if it has shown one.
macro_rules! line {
    ($level:ident, $remote:expr, $refused:expr, $door:literal) => {
        $level!(
            "remote-addr" = %$remote,
            "server-name" = $refused.server_name,
            "ip-addresses" = $refused.ip_addresses(),
            "dns-names" = $refused.dns_names(),
            error = $refused.reason,
            concat!("rejected connection on ", $door, " endpoint")
        )
    };
}

/// Which of a member's doors this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Peer,
}

/// The refusals of one listener.
pub(crate) struct Refusals {
    role: Role,
    refused: Mutex<Count>,
    /// Those who only left: health checks of load balancers do, all the time.
    gone: Mutex<Count>,
}

/// The lines of one window.
struct Count {
    began: Instant,
    written: u32,
    left_out: u64,
}

/// What becomes of a line.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Written,
    /// The first that is not.
    LeftOut,
    LeftOutToo,
}

impl Refusals {
    pub(crate) fn new(role: Role) -> Arc<Refusals> {
        let [refused, gone] = [(); 2].map(|()| Mutex::new(Count::new()));
        Arc::new(Refusals { role, refused, gone })
    }

    /// Notes one refusal. When it is the first that is left out, the caller runs what is returned:
    /// it tells later how many there were.
    pub(crate) fn note(
        self: &Arc<Self>,
        remote: Remote,
        refused: &Refused,
    ) -> Option<impl Future<Output = ()> + Send + 'static> {
        if refused.is_gone() {
            if self.gone.lock().note() == Verdict::Written {
                match self.role {
                    Role::Client => line!(debug, remote, refused, "client"),
                    Role::Peer => line!(debug, remote, refused, "peer"),
                }
            }
            return None;
        }
        let verdict = self.refused.lock().note();
        match (&verdict, self.role) {
            (Verdict::Written, Role::Client) => line!(warn, remote, refused, "client"),
            (Verdict::Written, Role::Peer) => line!(warn, remote, refused, "peer"),
            _ => {}
        }
        let refusals = Arc::clone(self);
        (verdict == Verdict::LeftOut).then_some(async move {
            sleep(WINDOW).await;
            let count = std::mem::take(&mut refusals.refused.lock().left_out);
            warn!(count, "rejected more connections than are logged one by one");
        })
    }
}

impl Count {
    fn new() -> Count {
        Count { began: Instant::now(), written: 0, left_out: 0 }
    }

    fn note(&mut self) -> Verdict {
        if self.began.elapsed() >= WINDOW {
            (self.began, self.written) = (Instant::now(), 0);
        }
        if self.written < LINES {
            self.written += 1;
            return Verdict::Written;
        }
        self.left_out += 1;
        if self.left_out == 1 { Verdict::LeftOut } else { Verdict::LeftOutToo }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_counted_and_every_second_begins_anew() {
        let mut count = Count::new();
        for _ in 0..LINES {
            assert_eq!(count.note(), Verdict::Written);
        }
        assert_eq!(count.note(), Verdict::LeftOut);
        assert_eq!(count.note(), Verdict::LeftOutToo);
        tokio::time::advance(WINDOW).await;
        assert_eq!(count.note(), Verdict::Written);
        assert_eq!(count.left_out, 2, "they are still to be told of");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_only_leaves_does_not_hide_a_refusal() {
        let refusals = Refusals::new(Role::Client);
        for _ in 0..=LINES {
            let told = refusals.note(Remote::Unix, &Refused::because("EOF"));
            assert!(told.is_none());
        }
        assert_eq!(refusals.refused.lock().written, 0);
        for _ in 0..LINES {
            assert!(refusals.note(Remote::Unix, &Refused::because("no")).is_none());
        }
        let told = refusals.note(Remote::Unix, &Refused::because("no")).expect("left out");
        assert!(refusals.note(Remote::Unix, &Refused::because("no")).is_none(), "told of by one");
        told.await;
        assert_eq!(refusals.refused.lock().left_out, 0);
    }
}
