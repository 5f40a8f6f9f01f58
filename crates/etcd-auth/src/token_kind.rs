//! Which tokens prove a user on this member.

use crate::Jwt;

/// The kind of tokens that are handed out and taken.
#[derive(Debug)]
pub enum TokenKind {
    /// None: nobody gets in with a password.
    None,
    /// Simple ones, which [`SimpleTokens`](crate::SimpleTokens) remembers.
    Simple,
    /// Signed ones.
    Jwt(Box<Jwt>),
}
