//! Behaviour scripts: requests and their answers in a text file, at the level of gRPC.
//!
//! - [`Request`] prints and parses itself; [`Show`] writes responses.
//! - [`Session`] takes a script's steps against one member, [`Sheet`] is a script's file.
//! - [`check`] runs a script against a member of its own.
//!
//! The answers are those of a real etcd; see the README.

pub mod literal;
pub mod request;
mod print;
mod parse;
pub mod answer;
mod responses;
pub mod connection;
mod stream;
mod expand;
mod session;
pub mod sheet;

pub use answer::{Answer, Show};
pub use request::Request;
pub use responses::show_call;
pub use session::Session;
pub use sheet::Sheet;

use crate::{Member, Signal, process};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Runs a script against a new member and holds the answers against it. With `UPDATE_SCRIPTS` set,
/// writes the answers into the file instead; that is for a real etcd, never for the server made
/// here.
///
/// # Panics
///
/// When an answer differs, or the file is no script.
#[track_caller]
pub fn check(file: &Path) {
    let shown = file.display();
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{shown}: {error}"));
    let mut sheet = Sheet::parse(&text).unwrap_or_else(|error| panic!("{shown}: {error:#}"));
    let home = TempDir::with_prefix("etcd-test-").expect("a temporary folder");
    let mut member = Member::alone(home.path());
    member.arguments.extend(sheet.flags.iter().cloned());
    let mut session = start(&mut member);
    let mut differences = String::new();
    for block in &mut sheet.blocks {
        session.begin_block();
        let mut answer = String::new();
        let outcome = block.steps.iter().try_for_each(|step| {
            if step == "restart" {
                member.end(Signal::TERM);
                session = start(&mut member);
            } else {
                answer.push_str(&session.step(step)?);
            }
            anyhow::Ok(())
        });
        if answer != block.answer || outcome.is_err() {
            let difference = sheet::difference(&block.answer, &answer);
            let _ = write!(differences, "\n{}{difference}", block.head);
        }
        if let Err(error) = outcome {
            panic!("{shown}:\n{differences}\nno more of the script was run: {error:#}");
        }
        block.answer = answer;
    }
    // Its log says nothing about a wrong answer.
    drop(member);
    if std::env::var_os("UPDATE_SCRIPTS").is_some() {
        assert!(!process::server_is_ours(), "answers are recorded from a real etcd only");
        fs::write(file, sheet.print()).expect("the script can be written");
    } else {
        assert!(differences.is_empty(), "{shown}:\n{differences}");
    }
}

fn start(member: &mut Member) -> Session {
    member.start();
    member.wait_until_ready();
    Session::new(&member.client_url)
}
