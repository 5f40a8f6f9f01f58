//! What a new cluster looks like: names, ports, files and command lines.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::certificates;
use super::member::Member;
use super::record::Cluster;

/// The members' ports are this far apart: member 1 has 2379 and 2380, member 2 has 2389 and 2390.
const PORT_STEP: u16 = 10;
const TOKEN: &str = "etcd-cluster";

/// Options of `cluster-up`.
#[derive(clap::Args)]
pub(crate) struct Up {
    /// How many members.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=9))]
    members: u16,
    /// The first member's client port. Its peer port is the next one, and each further member
    /// has ports ten higher.
    #[arg(long, default_value_t = 2379)]
    base_port: u16,
    /// Serve clients and peers over TLS with client certificates, made for this cluster.
    #[arg(long)]
    tls: bool,
    /// Start one member for each of these configuration files instead.
    #[arg(long, value_name = "FILE", num_args = 1..,
          conflicts_with_all = ["members", "base_port", "tls"])]
    config: Vec<PathBuf>,
    /// Run this server instead of building the project's own, as an etcd to compare with.
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) server: Option<PathBuf>,
    /// Return when the cluster serves, and leave it running.
    #[arg(long)]
    pub(crate) detach: bool,
    /// Delete what an earlier cluster left behind.
    #[arg(long)]
    pub(crate) fresh: bool,
}

/// What distinguishes one cluster's data from another's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Shape {
    /// Members on loopback.
    Local { members: u16, base_port: u16, doors: Doors },
    /// One member a configuration file.
    Files(Vec<PathBuf>),
}

/// How clients and peers come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Doors {
    Plain,
    Tls,
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Shape::Local { members, base_port, doors } => {
                let doors = match doors {
                    Doors::Plain => "without TLS",
                    Doors::Tls => "with TLS",
                };
                let members = match members {
                    1 => "1 member".to_owned(),
                    count => format!("{count} members"),
                };
                write!(f, "{members} from port {base_port} on, {doors}")
            }
            Shape::Files(files) => {
                let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
                write!(f, "members configured by {}", files.join(", "))
            }
        }
    }
}

impl Up {
    /// The cluster that these options describe, in `folder`; nothing is started or written.
    pub(crate) fn plan(&self, folder: &Path) -> Result<Cluster> {
        if !self.config.is_empty() {
            return super::files::plan(folder, &self.config);
        }
        let doors = if self.tls { Doors::Tls } else { Doors::Plain };
        local(folder, self.members, self.base_port, doors)
    }
}

/// Where the certificates of a cluster with TLS are.
pub(crate) fn certificates_folder(folder: &Path) -> PathBuf {
    folder.join("tls")
}

/// The client's certificate is made out to this name.
pub(crate) const CLIENT: &str = "client";

/// Members on loopback.
pub(crate) fn local(folder: &Path, members: u16, base_port: u16, doors: Doors) -> Result<Cluster> {
    let layout: Vec<_> = (0..members)
        .map(|position| Place::new(base_port, position, doors))
        .collect::<Option<_>>()
        .with_context(|| {
            format!(
                "{members} members from port {base_port} on need higher ports \
                                  than there are"
            )
        })?;
    let initial_cluster: Vec<_> =
        layout.iter().map(|place| format!("{}={}", place.name, place.peer_url())).collect();
    let initial_cluster = initial_cluster.join(",");
    Ok(Cluster {
        shape: Shape::Local { members, base_port, doors },
        program: PathBuf::new(),
        members: layout.iter().map(|place| place.member(folder, &initial_cluster)).collect(),
    })
}

struct Place {
    name: String,
    client_port: u16,
    peer_port: u16,
    doors: Doors,
}

impl Place {
    fn new(base_port: u16, position: u16, doors: Doors) -> Option<Place> {
        let client_port = base_port.checked_add(position.checked_mul(PORT_STEP)?)?;
        let peer_port = client_port.checked_add(1)?;
        Some(Place { name: format!("m{}", position + 1), client_port, peer_port, doors })
    }

    fn url(&self, port: u16) -> String {
        match self.doors {
            Doors::Plain => format!("http://127.0.0.1:{port}"),
            Doors::Tls => format!("https://127.0.0.1:{port}"),
        }
    }

    fn client_url(&self) -> String {
        self.url(self.client_port)
    }

    fn peer_url(&self) -> String {
        self.url(self.peer_port)
    }

    fn member(&self, folder: &Path, initial_cluster: &str) -> Member {
        let home = folder.join(&self.name);
        let client_url = self.client_url();
        let peer_url = self.peer_url();
        let data = home.join("data").display().to_string();
        let mut arguments: Vec<String> = [
            ("name", self.name.as_str()),
            ("data-dir", &data),
            ("listen-client-urls", &client_url),
            ("advertise-client-urls", &client_url),
            ("listen-peer-urls", &peer_url),
            ("initial-advertise-peer-urls", &peer_url),
            ("initial-cluster", initial_cluster),
            ("initial-cluster-token", TOKEN),
            ("initial-cluster-state", "new"),
        ]
        .map(|(flag, value)| format!("--{flag}={value}"))
        .into();
        let tls = certificates_folder(folder);
        let identity = match self.doors {
            Doors::Plain => None,
            Doors::Tls => {
                arguments.extend(self.tls_arguments(&tls));
                Some(certificates::identity(&tls, CLIENT))
            }
        };
        let listens = [self.client_port, self.peer_port];
        Member {
            name: self.name.clone(),
            arguments,
            directory: folder.to_path_buf(),
            client_url,
            identity,
            listens: listens.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))).into(),
            log: home.join("log"),
            process: None,
        }
    }

    fn tls_arguments(&self, tls: &Path) -> Vec<String> {
        let files = certificates::identity(tls, &self.name);
        ["", "peer-"]
            .iter()
            .flat_map(|side| {
                [
                    format!("--{side}cert-file={}", files.certificate.display()),
                    format!("--{side}key-file={}", files.key.display()),
                    format!("--{side}trusted-ca-file={}", files.authority.display()),
                    format!("--{side}client-cert-auth=true"),
                ]
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use expect_test::{Expect, expect};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        up: Up,
    }

    fn parse(words: &[&str]) -> Result<Up, clap::Error> {
        Line::try_parse_from([&["cluster-up"], words].concat()).map(|line| line.up)
    }

    fn check(words: &[&str], expected: Expect) {
        let cluster = parse(words).unwrap().plan(Path::new("/c")).unwrap();
        let mut text = format!("{}\n", cluster.shape);
        for member in &cluster.members {
            text += &format!("{} at {}\n", member.name, member.client_url);
        }
        let last = cluster.members.last().unwrap();
        text += &format!("{}\n", last.arguments.join("\n"));
        expected.assert_eq(&text);
    }

    #[test]
    fn without_options_three_members_start_at_the_port_everybody_knows() {
        check(
            &[],
            expect![[r#"
            3 members from port 2379 on, without TLS
            m1 at http://127.0.0.1:2379
            m2 at http://127.0.0.1:2389
            m3 at http://127.0.0.1:2399
            --name=m3
            --data-dir=/c/m3/data
            --listen-client-urls=http://127.0.0.1:2399
            --advertise-client-urls=http://127.0.0.1:2399
            --listen-peer-urls=http://127.0.0.1:2400
            --initial-advertise-peer-urls=http://127.0.0.1:2400
            --initial-cluster=m1=http://127.0.0.1:2380,m2=http://127.0.0.1:2390,m3=http://127.0.0.1:2400
            --initial-cluster-token=etcd-cluster
            --initial-cluster-state=new
        "#]],
        );
    }

    #[test]
    fn with_tls_every_door_asks_for_a_certificate() {
        check(
            &["--tls", "--members", "1", "--base-port", "12379"],
            expect![[r#"
                1 member from port 12379 on, with TLS
                m1 at https://127.0.0.1:12379
                --name=m1
                --data-dir=/c/m1/data
                --listen-client-urls=https://127.0.0.1:12379
                --advertise-client-urls=https://127.0.0.1:12379
                --listen-peer-urls=https://127.0.0.1:12380
                --initial-advertise-peer-urls=https://127.0.0.1:12380
                --initial-cluster=m1=https://127.0.0.1:12380
                --initial-cluster-token=etcd-cluster
                --initial-cluster-state=new
                --cert-file=/c/tls/m1.pem
                --key-file=/c/tls/m1-key.pem
                --trusted-ca-file=/c/tls/ca.pem
                --client-cert-auth=true
                --peer-cert-file=/c/tls/m1.pem
                --peer-key-file=/c/tls/m1-key.pem
                --peer-trusted-ca-file=/c/tls/ca.pem
                --peer-client-cert-auth=true
            "#]],
        );
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        for words in [
            &["--members", "0"][..],
            &["--members", "10"],
            &["--config", "a.conf", "--tls"],
            &["--config", "a.conf", "--members", "2"],
        ] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn ports_above_the_highest_are_refused() {
        assert!(local(Path::new("/c"), 3, 65514, Doors::Plain).is_ok());
        assert!(local(Path::new("/c"), 3, 65515, Doors::Plain).is_err());
    }
}
