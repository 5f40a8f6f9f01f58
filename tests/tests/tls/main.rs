//! TLS to the last option: each lets in whom it should and keeps out whom it should, as in etcd,
//! and files that change on disk count without a restart.

mod caller;
mod server;

mod crowds;
mod generated;
mod names;
mod protocols;
mod revocation;
mod rotation;
