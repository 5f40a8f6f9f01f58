//! A cluster of members, alone on the machine while it runs.

use crate::member::{Member, Place};
use crate::{Certificates, Network, ports};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Within this time a healthy cluster has a leader.
const LEADER: Duration = Duration::from_secs(15);

/// How often something is asked that cannot be awaited.
const PROBE: Duration = Duration::from_millis(20);

/// The members' addresses in a network of their own: those of the seed's three.
pub const ADDRESSES: [Ipv4Addr; 3] =
    [Ipv4Addr::new(10, 0, 52, 13), Ipv4Addr::new(10, 0, 52, 14), Ipv4Addr::new(10, 0, 52, 6)];

/// The right to run servers: only one test of a process has it at a time, since the machine is
/// small and clusters are measured against the clock.
pub struct Turn {
    _guard: MutexGuard<'static, ()>,
}

impl Turn {
    /// Waits for it.
    pub fn take() -> Turn {
        static TURN: Mutex<()> = Mutex::new(());
        Turn { _guard: TURN.lock().unwrap_or_else(PoisonError::into_inner) }
    }
}

/// What a cluster is to be like.
#[derive(Debug, Clone)]
pub struct Plan {
    size: usize,
    flags: Vec<String>,
    layout: Layout,
    security: Security,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Loopback,
    Namespaces,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Security {
    Plain,
    /// Clients must show certificates; peers speak without TLS.
    Clients,
    /// Everyone must.
    Everyone,
}

impl Plan {
    /// Members on loopback, without TLS.
    pub fn loopback(size: usize) -> Plan {
        Plan { size, flags: Vec::new(), layout: Layout::Loopback, security: Security::Plain }
    }

    /// Three members, each in a network namespace of its own, without TLS.
    pub fn namespaces() -> Plan {
        Plan { layout: Layout::Namespaces, ..Plan::loopback(ADDRESSES.len()) }
    }

    /// The same, with one more flag for every member.
    #[must_use]
    pub fn flag(mut self, flag: &str) -> Plan {
        self.flags.push(flag.to_owned());
        self
    }

    /// The same with TLS among peers and for clients, who must show certificates; on loopback
    /// members serve clients without TLS as well.
    #[must_use]
    pub fn tls(self) -> Plan {
        Plan { security: Security::Everyone, ..self }
    }

    /// The same with TLS for clients only: peer URLs stay as they are, and with them all ids.
    #[must_use]
    pub fn client_tls(self) -> Plan {
        Plan { security: Security::Clients, ..self }
    }
}

/// A running cluster. Dropping it ends everything; its files stay when the test fails.
pub struct Cluster {
    /// The members.
    pub members: Vec<Member>,
    /// The network, when they have namespaces.
    pub network: Option<Network>,
    /// The certificates, when they have TLS.
    pub certificates: Option<Certificates>,
    /// A folder for the test's files.
    pub home: TempDir,
    _turn: Turn,
}

impl Cluster {
    /// A cluster whose members all serve.
    ///
    /// # Panics
    ///
    /// When one of them does not.
    #[track_caller]
    pub fn start(plan: &Plan) -> Cluster {
        let mut cluster = Cluster::prepare(plan);
        cluster.start_all();
        cluster
    }

    /// A cluster of which nothing runs yet.
    ///
    /// # Panics
    ///
    /// When its files or its network cannot be made.
    pub fn prepare(plan: &Plan) -> Cluster {
        let turn = Turn::take();
        let home = TempDir::with_prefix("etcd-test-").expect("a temporary folder");
        let network = match plan.layout {
            Layout::Loopback => None,
            Layout::Namespaces => Some(Network::new(&ADDRESSES)),
        };
        let certificates = match plan.security {
            Security::Plain => None,
            Security::Clients | Security::Everyone => {
                let mut names = vec![IpAddr::from(Ipv4Addr::LOCALHOST)];
                names.extend(ADDRESSES.map(IpAddr::from));
                Some(Certificates::new(&home.path().join("certificates"), &names))
            }
        };
        let members = (0..plan.size).map(|number| {
            let place = match &network {
                None => Place::Here,
                Some(network) => Place::Namespace(network.name(number).to_owned()),
            };
            Member::new(&format!("m{}", number + 1), home.path(), place)
        });
        let members = members.collect();
        let mut cluster = Cluster { members, network, certificates, home, _turn: turn };
        cluster.set_urls(plan.security);
        cluster.set_arguments(plan);
        cluster
    }

    fn set_urls(&mut self, security: Security) {
        let (peer_scheme, scheme) = match security {
            Security::Plain => ("http", "http"),
            Security::Clients => ("http", "https"),
            Security::Everyone => ("https", "https"),
        };
        for (number, member) in self.members.iter_mut().enumerate() {
            if self.network.is_some() {
                let address = ADDRESSES[number];
                member.peer_url = format!("{peer_scheme}://{address}:2380");
                member.advertised_url = format!("{scheme}://{address}:2379");
                member.client_url = match &self.certificates {
                    None => member.advertised_url.clone(),
                    Some(_) => "http://127.0.0.1:2379".to_owned(),
                };
            } else {
                member.peer_url = format!("{peer_scheme}://127.0.0.1:{}", ports::free());
                member.client_url = format!("http://127.0.0.1:{}", ports::free());
                member.advertised_url = match &self.certificates {
                    None => member.client_url.clone(),
                    Some(_) => format!("https://127.0.0.1:{}", ports::free()),
                };
            }
        }
    }

    fn set_arguments(&mut self, plan: &Plan) {
        let initial_cluster = self.initial_cluster();
        let mut flags = plan.flags.clone();
        if let Some(certificates) = &self.certificates {
            flags.extend(client_tls_flags(certificates));
            if plan.security == Security::Everyone {
                flags.extend(peer_tls_flags(certificates));
            }
        }
        for member in &mut self.members {
            let mut listen = vec![member.advertised_url.clone()];
            // A thread that stands in a member's namespace finds the member on loopback.
            let on_loopback = if self.network.is_some() {
                "http://127.0.0.1:2379".to_owned()
            } else {
                member.client_url.clone()
            };
            if !listen.contains(&on_loopback) {
                listen.push(on_loopback);
            }
            member.arguments = vec![
                format!("--name={}", member.name),
                format!("--data-dir={}", member.data_dir.display()),
                format!("--listen-client-urls={}", listen.join(",")),
                format!("--advertise-client-urls={}", member.advertised_url),
                format!("--listen-peer-urls={}", member.peer_url),
                format!("--initial-advertise-peer-urls={}", member.peer_url),
                format!("--initial-cluster={initial_cluster}"),
                "--initial-cluster-token=etcd-cluster".to_owned(),
            ];
            member.arguments.extend(flags.iter().cloned());
        }
    }

    /// `--initial-cluster` of the members.
    pub fn initial_cluster(&self) -> String {
        let entries = self.members.iter().map(|m| format!("{}={}", m.name, m.peer_url));
        entries.collect::<Vec<_>>().join(",")
    }

    /// Starts every member that does not run and waits until they serve.
    ///
    /// # Panics
    ///
    /// When one of them does not.
    #[track_caller]
    pub fn start_all(&mut self) {
        let stopped: Vec<usize> =
            (0..self.members.len()).filter(|&at| !self.members[at].is_started()).collect();
        for &at in &stopped {
            self.members[at].start();
        }
        for &at in &stopped {
            self.members[at].wait_until_ready();
        }
    }

    /// The place in `members` of the one that leads, as soon as one says so.
    ///
    /// # Panics
    ///
    /// When none does in time.
    #[track_caller]
    pub fn leader(&self) -> usize {
        eventually(LEADER, "a leader", || {
            self.members
                .iter()
                .position(|member| member.is_started() && matches!(member.role(), Ok((_, true))))
        })
    }

    /// Layout clients reach the members without TLS.
    pub fn client_urls(&self) -> Vec<String> {
        self.members.iter().map(|member| member.client_url.clone()).collect()
    }

    /// Layout clients reach the members as they advertise it.
    pub fn advertised_urls(&self) -> Vec<String> {
        self.members.iter().map(|member| member.advertised_url.clone()).collect()
    }

    /// Waits until every member has applied the same newest revision, and returns it.
    ///
    /// # Panics
    ///
    /// When they do not meet.
    #[track_caller]
    pub fn wait_until_level(&self) -> i64 {
        let clients: Vec<_> = self.members.iter().map(Member::client).collect();
        eventually(Duration::from_secs(30), "one revision on all members", || {
            let revisions: Result<Vec<i64>, _> = clients
                .iter()
                .map(|client| {
                    client.status().map(|status| status.header.unwrap_or_default().revision)
                })
                .collect();
            let revisions = revisions.ok()?;
            revisions.iter().all(|&revision| revision == revisions[0]).then(|| revisions[0])
        })
    }
}

impl Drop for Cluster {
    #[expect(clippy::print_stderr, reason = "where a failed test's files are is for a person")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.home.disable_cleanup(true);
            eprintln!("logs and data: {}", self.home.path().display());
        }
    }
}

/// Flags that demand certificates of clients.
pub fn client_tls_flags(certificates: &Certificates) -> [String; 4] {
    flags_with(certificates, "--", "--client-cert-auth=true")
}

/// Flags that demand certificates of peers.
pub fn peer_tls_flags(certificates: &Certificates) -> [String; 4] {
    flags_with(certificates, "--peer-", "--peer-client-cert-auth=true")
}

fn flags_with(certificates: &Certificates, prefix: &str, demand: &str) -> [String; 4] {
    [
        demand.to_owned(),
        format!("{prefix}cert-file={}", certificates.server.display()),
        format!("{prefix}key-file={}", certificates.server_key.display()),
        format!("{prefix}trusted-ca-file={}", certificates.ca.display()),
    ]
}

/// Asks again and again until there is an answer, for what cannot be awaited.
///
/// # Panics
///
/// When there is none in time.
#[track_caller]
pub fn eventually<T>(limit: Duration, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = probe() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        std::thread::sleep(PROBE);
    }
}
