//! The sections of the configuration: each file has a section's struct and its rows of the table.

pub(crate) mod member;
pub(crate) mod clustering;
pub(crate) mod discovery;
pub(crate) mod tls;
pub(crate) mod security;
pub(crate) mod auth;
pub(crate) mod monitoring;
pub(crate) mod rotation;
pub(crate) mod logging;
pub(crate) mod tracing;
pub(crate) mod tuning;
pub(crate) mod hazards;
pub(crate) mod process;
