//! One member with TLS at both of its doors.

use crate::caller::Caller;
use etcd_tests::{Member, Turn, ports};
use etcd_visitors::{Authority, Identity};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Within this time a line is logged.
const LINE: Duration = Duration::from_secs(10);

/// A member that serves alone, and the authority that everybody trusts.
pub(crate) struct Server {
    pub(crate) member: Member,
    pub(crate) port: u16,
    pub(crate) peer_port: u16,
    pub(crate) trusted: Authority,
    pub(crate) shown: Identity,
    home: TempDir,
    _turn: Turn,
}

impl Server {
    /// A member that shows a certificate to clients and to peers; not started.
    pub(crate) fn prepare() -> Server {
        let mut server = Server::without_certificates();
        for prefix in ["--", "--peer-"] {
            let (certificate, key) = (server.shown.certificate.clone(), server.shown.key.clone());
            server.set_file(&format!("{prefix}cert-file"), &certificate);
            server.set_file(&format!("{prefix}key-file"), &key);
        }
        server
    }

    /// The same without certificates, whose URLs say TLS all the same.
    pub(crate) fn without_certificates() -> Server {
        let turn = Turn::take();
        let home = TempDir::with_prefix("etcd-test-").expect("a temporary folder");
        let trusted = Authority::new(home.path(), "trusted");
        let shown = trusted.issue("member", &["127.0.0.1", "localhost"]);
        let mut member = Member::alone(home.path());
        let (port, peer_port) = (ports::free(), ports::free());
        member.advertised_url = format!("https://127.0.0.1:{port}");
        member.peer_url = format!("https://127.0.0.1:{peer_port}");
        for (flag, value) in [
            ("--listen-client-urls", member.advertised_url.clone()),
            ("--advertise-client-urls", member.advertised_url.clone()),
            ("--listen-peer-urls", member.peer_url.clone()),
            ("--initial-advertise-peer-urls", member.peer_url.clone()),
            ("--initial-cluster", format!("alone={}", member.peer_url)),
        ] {
            member.set_flag(flag, &value);
        }
        Server { member, port, peer_port, trusted, shown, home, _turn: turn }
    }

    /// With more flags, started.
    pub(crate) fn start(flags: &[&str]) -> Server {
        let mut server = Server::prepare();
        for flag in flags {
            let (flag, value) = flag.split_once('=').unwrap_or((flag, "true"));
            server.member.set_flag(flag, value);
        }
        server.serve();
        server
    }

    /// Starts it and waits until it serves.
    pub(crate) fn serve(&mut self) {
        self.member.start();
        self.member.wait_until_ready();
    }

    pub(crate) fn set_file(&mut self, flag: &str, file: &Path) {
        self.member.set_flag(flag, &file.display().to_string());
    }

    /// Lets the trusted authority's certificates in, at both doors.
    pub(crate) fn demand_certificates(&mut self) {
        let file = self.trusted.file();
        self.set_file("--trusted-ca-file", &file);
        self.set_file("--peer-trusted-ca-file", &file);
    }

    /// Another authority, whom nobody trusts.
    pub(crate) fn strange_authority(&self) -> Authority {
        Authority::new(self.home.path(), "strange")
    }

    /// A path in the test's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A client without a certificate.
    pub(crate) fn caller(&self) -> Caller {
        Caller::of(&self.trusted)
    }

    /// A client with a certificate of the trusted authority.
    pub(crate) fn known(&self, name: &str) -> Caller {
        self.caller().showing(&self.trusted.issue(name, &[]))
    }

    /// Whether a client is let in at the client door. Who is not is told of once, with his address
    /// and, by this server, a reason.
    #[track_caller]
    pub(crate) fn lets_in(&self, caller: &Caller, reason: &str) -> bool {
        self.judge(caller, self.port, "client", reason)
    }

    /// The same at the peer door.
    #[track_caller]
    pub(crate) fn lets_peer_in(&self, caller: &Caller, reason: &str) -> bool {
        self.judge(caller, self.peer_port, "peer", reason)
    }

    #[track_caller]
    fn judge(&self, caller: &Caller, port: u16, door: &str, reason: &str) -> bool {
        let (address, answer) = caller.get_from(port, "/version");
        let Err(error) = answer else { return true };
        let process = self.member.process();
        let line = process.wait_for_line(&format!("\"{address}\""), LINE);
        assert!(line.contains(&format!("rejected connection on {door} endpoint")), "{line}");
        let is_told = line.contains(reason) || !etcd_tests::process::server_is_ours();
        assert!(is_told, "{reason:?} is not in {line}; the client saw {error}");
        // Later lines come after what was logged before them.
        let (later, _) = Caller::credulous().offering(&["nonsense"]).get_from(port, "/version");
        process.find_line(&format!("\"{later}\""), Duration::from_millis(300));
        let lines = process.lines();
        let told = lines.iter().filter(|line| line.contains(&format!("\"{address}\""))).count();
        assert_eq!(told, 1, "{address} is told of once");
        false
    }

    /// Waits until the process ends by itself, having said this.
    #[track_caller]
    pub(crate) fn fails_with(mut self, words: &str) {
        self.member.start();
        let mut process = self.member.take_process();
        process.wait_for_line(words, Duration::from_secs(20));
        let status = process.wait_for_exit(Duration::from_secs(20));
        assert_eq!(status.code(), Some(1));
    }
}
