//! A server's program and what to call it.

use std::path::PathBuf;

/// One of the two that are compared.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// How the table names it.
    pub(crate) label: String,
    /// The executable.
    pub(crate) path: PathBuf,
}
