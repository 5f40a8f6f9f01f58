//! One odd request and its answer.

use etcd_tests::process::server_is_ours;
use etcd_tests::{Call, Member, Raw, Turn};
use std::fmt::Write as _;
use tempfile::TempDir;

/// A request, and what is to become of it.
pub(crate) struct Case {
    name: String,
    call: Call,
    /// The answer of etcd 3.7.1.
    etcds: &'static str,
    /// The answer of this server, where it is another.
    ours: Option<&'static str>,
}

impl Case {
    /// A call that is answered alike.
    pub(crate) fn call(name: impl Into<String>, call: Call, answer: &'static str) -> Case {
        Case { name: name.into(), call, etcds: answer, ours: None }
    }

    /// A message that is answered alike.
    pub(crate) fn message(
        name: impl Into<String>,
        method: &str,
        message: &[u8],
        answer: &'static str,
    ) -> Case {
        Case::call(name, Call::new(method).message(message), answer)
    }

    /// The same, answered in another way by this server. `why` is for the reader.
    pub(crate) fn but(self, ours: &'static str, why: &'static str) -> Case {
        assert!(!why.is_empty(), "{}: a difference has a reason", self.name);
        Case { ours: Some(ours), ..self }
    }
}

/// A member that serves alone.
pub(crate) struct Server {
    pub(crate) member: Member,
    _home: TempDir,
    _turn: Turn,
}

impl Server {
    /// With these flags beside the usual ones.
    pub(crate) fn start(flags: &[&str]) -> Server {
        let turn = Turn::take();
        let home = TempDir::with_prefix("etcd-test-").expect("a temporary folder");
        let mut member = Member::alone(home.path());
        member.arguments.extend(flags.iter().map(|&flag| flag.to_owned()));
        member.start();
        member.wait_until_ready();
        Server { member, _home: home, _turn: turn }
    }

    pub(crate) fn connect(&self) -> Raw {
        Raw::connect(&self.member.client_url)
    }

    /// Sends every case, and tells all the answers that are other than expected at once.
    #[track_caller]
    pub(crate) fn check(&self, cases: Vec<Case>) {
        let raw = self.connect();
        let mut differences = String::new();
        for Case { name, call, etcds, ours } in cases {
            let expected = ours.filter(|_| server_is_ours()).unwrap_or(etcds);
            let answer = raw.send(call).to_string();
            if answer != expected {
                let _ = write!(differences, "\n{name}\n  expected {expected}\n  received {answer}");
            }
        }
        assert!(differences.is_empty(), "{differences}");
        self.check_serving();
    }

    /// It serves, and nothing that it held for others was lost.
    #[track_caller]
    pub(crate) fn check_serving(&self) {
        let revision = self.member.client().put("hostile/alive", "yes").expect("a put");
        assert!(revision > 1);
    }
}
