//! The static pod that takes etcd's place on a control plane, with certificates as kubeadm's.

use std::fs;
use std::net::Ipv4Addr;

use anyhow::{Context, Result};

use super::Setting;
use super::certificates::Authority;
use super::client::Client;
use super::contained::{Contained, Launch, Role};
use super::documents::{Documents, name};
use super::network::Network;
use super::pod::Pod;

/// The manifest.
pub(crate) const FILE: &str = "kubeadm/etcd.yaml";
/// The rights of kubeadm's keys, and of its data directory.
const SECRET: u32 = 0o600;

/// Runs it on a machine that has its address, and uses it as kube-apiserver would.
pub(crate) fn run(setting: &Setting) -> Result<()> {
    let documents = Documents::read(&setting.deploy.join(FILE))?;
    let document = documents.only("Pod")?;
    let pod = Pod {
        name: name(document).to_owned(),
        namespace: document["metadata"]["namespace"].as_str().unwrap_or_default().to_owned(),
        spec: &document["spec"],
    };
    let image = &setting.image;
    let command = pod.command(image)?;
    let flag = |wanted: &str| {
        let wanted = format!("--{wanted}=");
        let value = command.iter().find_map(|word| word.strip_prefix(&wanted));
        value.with_context(|| format!("{FILE} does not say {wanted}"))
    };
    let address = host(flag("initial-advertise-peer-urls")?)?;
    let folder = setting.scratch.join("static-pod");
    super::clear(&folder)?;
    let names = folder.join("hosts");
    fs::write(&names, "127.0.0.1 localhost\n")?;
    let root = image.root(&folder.join("root"))?;
    let authority = Authority::new()?;
    let node = flag("name")?;
    let own = address.to_string();
    let of = [node, "localhost", &own, "127.0.0.1", "::1"];
    let client = authority.issue_for("kube-apiserver-etcd-client", &[])?.save(&folder)?;
    for door in ["", "peer-"] {
        let issued = authority.issue_for(node, &of)?;
        for (file, text) in [
            ("cert-file", &issued.certificate),
            ("key-file", &issued.key),
            ("trusted-ca-file", &issued.authority),
        ] {
            root.file(flag(&format!("{door}{file}"))?, text, (0, 0), SECRET)?;
        }
    }
    root.folder(flag("data-dir")?, (0, 0), 0o700)?;
    let network = Network::new(&[address])?;
    let kubelet = Client {
        etcdctl: &setting.tools.etcdctl,
        namespace: network.name(0),
        names: &names,
        identity: Some(&client),
    };
    let launch = Launch {
        role: Role::Container,
        namespace: network.name(0),
        root: &root.place,
        folder: &image.folder,
        user: pod.user(image)?,
        command: &command,
        environment: &pod.environment()?,
    };
    let log = folder.join("log");
    let endpoints: Vec<_> = flag("listen-client-urls")?.split(',').map(str::to_owned).collect();
    // The second time with data.
    for key in ["first", "again"] {
        let mut member = Contained::start(&launch, &log)?;
        pod.wait(&mut member, &own, &kubelet)?;
        kubelet.put_and_get(&endpoints, key)?;
        member.stop(pod.patience())?;
    }
    say!("The static pod served on {}, twice", endpoints.join(" and "));
    Ok(())
}

/// The address in a URL.
fn host(url: &str) -> Result<Ipv4Addr> {
    let host = url.split("://").nth(1).and_then(|rest| rest.rsplit_once(':'));
    let (host, _) = host.with_context(|| format!("{url} has no address and port"))?;
    host.parse().with_context(|| format!("{url} has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_url_is_found() {
        assert_eq!(host("https://192.0.2.10:2380").unwrap(), Ipv4Addr::new(192, 0, 2, 10));
        assert!(host("https://etcd-0:2380").is_err());
    }
}
