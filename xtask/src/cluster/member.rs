//! One member: how it is started, where it answers, and which process it is.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One member of the cluster as `cluster.json` remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// What follows the program's name on its command line.
    pub(crate) arguments: Vec<String>,
    /// Where the process runs; paths in its arguments and configuration start here.
    pub(crate) directory: PathBuf,
    /// Where this tool asks the member.
    pub(crate) client_url: String,
    /// What a client needs when `client_url` is https.
    pub(crate) identity: Option<Identity>,
    /// The addresses the member will listen at.
    pub(crate) listens: Vec<SocketAddr>,
    /// Gets what the process prints.
    pub(crate) log: PathBuf,
    /// The process that was started last; nothing once it was stopped.
    pub(crate) process: Option<u32>,
}

/// The files that let a client in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) authority: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}
