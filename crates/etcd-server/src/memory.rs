//! What stays in memory: with `--memory-mlock` all that the member has, and else what it still needs.

use std::time::Duration;

use etcd_config::Member;
use rustix::mm::{MlockAllFlags, mlockall};

use crate::Error;

/// If that is wanted, keeps this process's pages from being swapped out: those that it has and those that it will have,
/// each from its first use on.
///
/// # Errors
/// The system does not allow it.
pub(crate) fn lock_if_wanted(member: &Member) -> Result<(), Error> {
    if !member.memory_mlock {
        return Ok(());
    }
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    mlockall(flags).map_err(|error| {
        Error::Configuration(format!(
            "cannot lock memory for --memory-mlock: {error}: raise the limit of locked memory \
             (ulimit -l, or LimitMEMLOCK= in the unit) or leave the flag out"
        ))
    })
}

/// An election, who the members are and their version: what follows the start is mostly over by then.
const SETTLED_AFTER: Duration = Duration::from_secs(1);

/// Gives the code back that only the start needed, and what followed it. What is locked stays.
pub(crate) async fn give_back_start() {
    give_back().await;
    tokio::time::sleep(SETTLED_AFTER).await;
    give_back().await;
}

async fn give_back() {
    match tokio::task::spawn_blocking(etcd_residence::give_back_code).await {
        Ok(Ok(bytes)) => tracing::debug!(bytes, "gave back the code of the start"),
        // The member takes more memory and works as well.
        Ok(Err(error)) => tracing::debug!(%error, "the code of the start stays in memory"),
        Err(error) => tracing::debug!(%error, "the code of the start stays in memory"),
    }
}
