//! The doors of a member: listeners for clients and peers, the dialer to peers, and TLS for both.
//!
//! - [`Tls`] names the PEM files; [`Tls::server`] and [`Tls::client`] check them and give
//!   [`ServerTls`] and [`ClientTls`], which notice by themselves when the files change.
//! - [`ClientListener`] and [`PeerListener`] bind URLs first and serve later: a gRPC service and a
//!   router for plain HTTP, both on the same port, with or without TLS. A connection and its
//!   requests share one task, and answers that are ready together go out together.
//! - [`Connection`] is an extension of every request: who asked, through which listener, with
//!   which certificate.
//! - [`Dialer`] makes a lazy gRPC channel to one member's URLs, and single HTTP requests.
//!
//! Never in it: a service, a path, a word of raft or of the key-value store, the parsing of flags.

mod error;
mod address;
mod connection;
mod certificate;
mod pem;
mod stamp;
mod material;
mod revocation;
mod legacy;
mod verify;
mod ciphers;
mod settings;
mod configure;
mod following;
mod tls;
mod self_signed;
mod socket;
mod bind;
mod mux;
mod huffman;
mod authority;
mod header_block;
mod frames;
mod lenient;
mod opening;
mod gathering;
mod places;
mod attendance;
mod options;
mod half_open;
mod names;
mod handshake;
mod refusals;
mod serve;
mod listener;
mod stream;
mod dial;
mod get;

pub use connection::{Connection, Remote, TlsFacts};
pub use dial::{DialOptions, Dialer};
pub use error::Error;
pub use handshake::SanCheck;
pub use listener::{ClientListener, PeerListener};
pub use mux::{Answering, Answers};
pub use options::ListenOptions;
pub use settings::{ServerVerification, Tls, TlsVersion};
pub use tls::{ClientTls, ServerTls};
pub use verify::AnyServer;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
