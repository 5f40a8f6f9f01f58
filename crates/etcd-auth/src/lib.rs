//! Who may touch which keys, and how they prove who they are.
//!
//! - [`Store`] is the replicated part: users, roles, permissions, whether all that counts, and the
//!   revision that counts its changes. A command changes it in the same way on every member.
//! - [`Auth`] shows the store as it was last committed, beside the applier, and keeps the
//!   [`SimpleTokens`] that this member has seen handed out.
//! - [`Identity`] is what a caller has proved: a name, and the store's revision when it was proved.
//! - [`TokenKind`] says which tokens prove it: none, simple ones, or [`Jwt`]s.
//! - [`password`] hashes and compares, which takes long and is for the caller to do elsewhere.
//!
//! Never in this crate: gRPC and its metadata, hashing while a command is applied, and a secret in
//! anything that can be printed.

mod refusal;
mod error;
mod identity;
mod token;
mod intervals;
mod search_tree;
mod access;
mod account;
mod store;
mod rows;
mod users;
mod roles;
mod checks;
mod simple_tokens;
mod auth;
mod keys;
mod jwt;
mod token_kind;
pub mod password;

pub use access::Right;
pub use auth::Auth;
pub use error::Error;
pub use identity::Identity;
pub use jwt::{Jwt, JwtOptions};
pub use refusal::Refusal;
pub use simple_tokens::SimpleTokens;
pub use store::{ROOT, Store};
pub use token::Token;
pub use token_kind::TokenKind;

/// The README's example, kept true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
