//! The processes that are compared: a real etcd, and members of this project's server.

use super::MAX_REQUEST_BYTES;
use super::reference::{Program, Reference};
use super::tokens::Tokens;
use crate::{Member, Place, ports};
use std::path::Path;
use tempfile::TempDir;

/// What is held against the reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// So many members of the server under test.
    Members(usize),
    /// The reference once more: there must be no difference.
    Reference,
}

/// One reference and one subject, both with an empty store. They end with this value.
pub(crate) struct Servers {
    pub(crate) reference: Reference,
    pub(crate) subject: Running,
    /// Dropped last.
    _home: TempDir,
}

pub(crate) enum Running {
    Members(Vec<Member>),
    Reference(Box<Reference>),
}

impl Servers {
    /// Starts them and waits until they serve.
    pub(crate) fn start(program: &Program, subject: &Subject, tokens: Tokens) -> Servers {
        let home = TempDir::with_prefix("etcd-parity-").expect("a temporary folder");
        let flags = tokens.flags(home.path());
        let subject = match subject {
            Subject::Members(count) => Running::Members(start_members(home.path(), *count, &flags)),
            Subject::Reference => {
                Running::Reference(program.start(home.path(), "subject", &flags).into())
            }
        };
        let reference = program.start(home.path(), "reference", &flags);
        Servers { reference, subject, _home: home }
    }

    /// Where the subject serves clients.
    pub(crate) fn subject_urls(&self) -> Vec<String> {
        match &self.subject {
            Running::Members(members) => members.iter().map(|m| m.client_url.clone()).collect(),
            Running::Reference(reference) => vec![reference.url.clone()],
        }
    }
}

fn start_members(home: &Path, count: usize, flags: &[String]) -> Vec<Member> {
    let url = || format!("http://127.0.0.1:{}", ports::free());
    let mut members: Vec<Member> = (1..=count)
        .map(|number| {
            let mut member = Member::new(&format!("m{number}"), home, Place::Here);
            (member.client_url, member.peer_url) = (url(), url());
            member
        })
        .collect();
    let entries = members.iter().map(|member| format!("{}={}", member.name, member.peer_url));
    let initial_cluster = entries.collect::<Vec<_>>().join(",");
    for member in &mut members {
        member.arguments = vec![
            format!("--name={}", member.name),
            format!("--data-dir={}", member.data_dir.display()),
            format!("--listen-client-urls={}", member.client_url),
            format!("--advertise-client-urls={}", member.client_url),
            format!("--listen-peer-urls={}", member.peer_url),
            format!("--initial-advertise-peer-urls={}", member.peer_url),
            format!("--initial-cluster={initial_cluster}"),
            format!("--max-request-bytes={MAX_REQUEST_BYTES}"),
            // Nobody asks them what they had before a power cut.
            "--unsafe-no-fsync".to_owned(),
        ];
        member.arguments.extend_from_slice(flags);
        member.start();
    }
    members.iter().for_each(Member::wait_until_ready);
    members
}
