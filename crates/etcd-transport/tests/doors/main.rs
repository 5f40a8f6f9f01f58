//! The doors from outside: listeners and dialers with certificates made on the spot.

mod certificates;
mod member;
mod journal;

mod authorities;
mod crowds;
mod dialing;
mod files;
mod identity;
mod ports;
mod revocation;
mod rotation;
mod shutdown;
