//! A cluster of members that have configuration files of their own.

use std::ffi::OsString;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use etcd_config::{Address, Config, Loaded, Scheme, TlsSettings, Url};

use super::member::{Identity, Member};
use super::plan::Shape;
use super::record::Cluster;

/// One member for each file; the files say where each listens and keeps its data.
pub(crate) fn plan(folder: &Path, files: &[PathBuf]) -> Result<Cluster> {
    let files: Vec<_> = files.iter().map(std::path::absolute).collect::<Result<_, _>>()?;
    let members = files.iter().map(|file| member(folder, file)).collect::<Result<Vec<_>>>()?;
    for (position, member) in members.iter().enumerate() {
        if members[..position].iter().any(|other| other.name == member.name) {
            bail!("two of the files name their member {}", member.name);
        }
    }
    Ok(Cluster { shape: Shape::Files(files), program: PathBuf::new(), members })
}

fn member(folder: &Path, file: &Path) -> Result<Member> {
    let flag = OsString::from("--config-file");
    let config = match Config::load([flag, file.into()], [], || None) {
        Ok(Loaded::Run { config, .. }) => config,
        Ok(Loaded::Help(_) | Loaded::Version) => bail!("it starts no member"),
        Err(error) => return Err(anyhow!(error)),
    };
    let client = &config.security.client;
    let door = door(&config.member.listen_client_urls, client)
        .with_context(|| format!("{}", file.display()))?;
    let urls = config.member.listen_client_urls.iter().chain(&config.member.listen_peer_urls);
    let mut listens = Vec::new();
    for url in urls {
        listens.extend(addresses(url)?);
    }
    let name = config.member.name;
    Ok(Member {
        // A name is any text, and a folder's name is not.
        log: folder.join(name.replace(['/', '\0'], "_")).join("log"),
        name,
        arguments: vec![format!("--config-file={}", file.display())],
        directory: std::env::current_dir().context("finding the working directory")?,
        client_url: dial(door),
        identity: if door.scheme().is_tls() { identity(client) } else { None },
        listens,
        process: None,
    })
}

/// The client URL through which this tool can ask: a plain one, or one whose certificate it can
/// check and that takes the member's own.
fn door<'u>(urls: &'u [Url], tls: &TlsSettings) -> Result<&'u Url> {
    let by_scheme = |scheme| urls.iter().find(move |url| url.scheme() == scheme);
    let secure = by_scheme(Scheme::Https).filter(|_| identity(tls).is_some());
    by_scheme(Scheme::Http).or(secure).context(
        "no client URL can be asked whether the member serves: one must be http, or https with \
         cert-file, key-file and trusted-ca-file",
    )
}

fn identity(tls: &TlsSettings) -> Option<Identity> {
    Some(Identity {
        authority: tls.trusted_ca_file.clone()?,
        certificate: tls.client_cert_file.clone().or_else(|| tls.cert_file.clone())?,
        key: tls.client_key_file.clone().or_else(|| tls.key_file.clone())?,
    })
}

/// The URL to reach a listener at: one that listens everywhere is asked on loopback.
fn dial(url: &Url) -> String {
    match url.address() {
        Address::Tcp { host, port } => {
            let scheme = if url.scheme().is_tls() { "https" } else { "http" };
            match host.as_str() {
                "" | "0.0.0.0" | "::" => format!("{scheme}://localhost:{port}"),
                _ => url.as_str().to_owned(),
            }
        }
        Address::Unix(_) => url.as_str().to_owned(),
    }
}

fn addresses(url: &Url) -> Result<Vec<SocketAddr>> {
    match url.address() {
        Address::Tcp { host, port } => {
            let host = if host.is_empty() { "0.0.0.0" } else { host };
            let found = (host, *port).to_socket_addrs();
            Ok(found.with_context(|| format!("finding the address of {url}"))?.collect())
        }
        Address::Unix(_) => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The members of a cluster whose files have these texts.
    fn check(texts: &[&str]) -> Result<Cluster> {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        for (number, text) in texts.iter().enumerate() {
            files.push(folder.path().join(format!("{number}.conf")));
            std::fs::write(&files[number], text).unwrap();
        }
        plan(folder.path(), &files)
    }

    const SECURITY: &str = "ETCD_CERT_FILE=\"/tls/server.pem\"\n\
        ETCD_KEY_FILE=\"/tls/server-key.pem\"\nETCD_TRUSTED_CA_FILE=\"/tls/ca.pem\"\n";

    fn file(name: &str, client_urls: &str, rest: &str) -> String {
        format!(
            "ETCD_NAME=\"{name}\"\nETCD_LISTEN_CLIENT_URLS=\"{client_urls}\"\n\
             ETCD_ADVERTISE_CLIENT_URLS=\"{client_urls}\"\n\
             ETCD_LISTEN_PEER_URLS=\"http://127.0.0.1:12380\"\n\
             ETCD_INITIAL_ADVERTISE_PEER_URLS=\"http://127.0.0.1:12380\"\n\
             ETCD_INITIAL_CLUSTER=\"{name}=http://127.0.0.1:12380\"\n{rest}"
        )
    }

    #[test]
    fn the_plain_one_of_two_client_urls_is_asked() {
        let urls = "https://127.0.0.2:12379,http://127.0.0.1:12379";
        let cluster = check(&[&file("etcd01", urls, SECURITY)]).unwrap();
        let member = &cluster.members[0];
        assert_eq!(member.name, "etcd01");
        assert_eq!(member.client_url, "http://127.0.0.1:12379");
        assert_eq!(member.identity, None);
        let listens: Vec<_> = member.listens.iter().map(|a| a.to_string()).collect();
        assert_eq!(listens, ["127.0.0.1:12379", "127.0.0.2:12379", "127.0.0.1:12380"]);
    }

    #[test]
    fn a_member_with_tls_alone_is_asked_with_its_own_certificate() {
        let cluster = check(&[&file("a", "https://127.0.0.1:12379", SECURITY)]).unwrap();
        let identity = cluster.members[0].identity.as_ref().unwrap();
        assert_eq!(identity.authority, Path::new("/tls/ca.pem"));
        assert_eq!(identity.key, Path::new("/tls/server-key.pem"));
    }

    #[test]
    fn a_member_that_nobody_can_ask_is_refused() {
        let error = check(&[&file("a", "unix://a.socket", "")]).unwrap_err();
        assert!(format!("{error:#}").contains("trusted-ca-file"), "{error:#}");
    }

    #[test]
    fn two_members_of_one_name_are_refused() {
        let text = file("a", "http://127.0.0.1:12379", "");
        let error = check(&[&text, &text]).unwrap_err().to_string();
        assert!(error.contains("name their member a"), "{error}");
    }

    #[test]
    fn a_file_with_a_mistake_is_named_with_the_mistake() {
        let error = check(&["ETCD_HEARTBEAT_INTERVAL=\"soon\"\n"]).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("0.conf") && text.contains("ETCD_HEARTBEAT_INTERVAL"), "{text}");
    }

    #[test]
    fn a_listener_on_all_addresses_is_asked_on_this_machine() {
        assert_eq!(dial(&"http://0.0.0.0:1".parse().unwrap()), "http://localhost:1");
        assert_eq!(dial(&"https://10.0.0.1:1".parse().unwrap()), "https://10.0.0.1:1");
    }
}
