//! What the machine allows this process, and what this process allows itself.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Error;

/// How long connections may stay open after the stop began: longer than it takes to let commands
/// finish and to hand over, so that whoever still waits then is told.
pub(crate) const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);

/// File descriptors that the member keeps for itself (etcd: 150).
const RESERVED_DESCRIPTORS: u64 = 150;

/// Takes all the open files that the process may have, as Go's programs do: connections need them, and
/// a large state does.
pub(crate) fn raise_open_files() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, ?maximum, "could not raise the limit of open files");
    }
}

/// How many connections a client listener may have, given the limit of open files.
///
/// # Errors
/// The limit leaves none.
pub(crate) fn client_connections() -> Result<usize, Error> {
    // No limit is a limit that is never reached.
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if limit <= RESERVED_DESCRIPTORS {
        return Err(Error::Configuration(format!(
            "file descriptor limit of etcd process is too low; please set higher: it is {limit} and \
             must be more than {RESERVED_DESCRIPTORS} (ulimit -n, or LimitNOFILE= in the unit)"
        )));
    }
    let connections = usize::try_from(limit - RESERVED_DESCRIPTORS).unwrap_or(usize::MAX);
    Ok(connections.min(tokio::sync::Semaphore::MAX_PERMITS))
}
