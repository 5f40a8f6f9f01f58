//! The first thing that went wrong below raft, in its own words.

use std::sync::{Arc, OnceLock};

/// Remembers why log or state failed: openraft wraps the reason into its own terms, and the person who
/// has to free a disk needs it plain. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Failure {
    first: Arc<OnceLock<String>>,
}

impl Failure {
    /// Remembers the error if it is the first, and passes it on as openraft wants it.
    pub(crate) fn note<E>(&self, error: E) -> std::io::Error
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let error = error.into();
        // Later failures follow from the first.
        let _ = self.first.set(error.to_string());
        std::io::Error::other(error)
    }

    /// The first error's text.
    pub(crate) fn first(&self) -> Option<String> {
        self.first.get().cloned()
    }
}
