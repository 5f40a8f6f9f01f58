//! What a caller has proved to be.

/// A caller's name and when it was proved. It travels with a command, in its header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The user; empty for nobody, and for a certificate without a name.
    pub user: String,
    /// The store's revision when the user was proved; 0 for nobody.
    pub revision: u64,
}

impl Identity {
    /// A caller who proved nothing.
    pub fn nobody() -> Identity {
        Identity::default()
    }

    /// Whether the caller proved nothing.
    pub fn is_nobody(&self) -> bool {
        self.revision == 0 && self.user.is_empty()
    }
}
