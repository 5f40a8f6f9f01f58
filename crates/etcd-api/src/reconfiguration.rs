//! What a member needs to deal with changes of the members.

use etcd_transport::Dialer;

/// How a member deals with changes of the members.
#[derive(Clone)]
pub struct Reconfiguration {
    /// How the leader is asked to promote a learner.
    pub dialer: Dialer,
    /// What is asked before a change.
    pub strictness: Strictness,
}

/// Whether changes are refused that could cost the cluster its quorum (`--strict-reconfig-check`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// They are.
    Strict,
    /// Whoever asks for one knows what it does.
    Lax,
}
