//! What no well-behaved client sends: each odd request gets etcd's answer, or one that is at least
//! clear, and the server serves on.
//!
//! Every expected answer is a real etcd's, so the tests pass on one too; where this server answers
//! otherwise, the case says both answers and why.

mod case;
mod calls;
mod messages;
mod nesting;
mod streams;
