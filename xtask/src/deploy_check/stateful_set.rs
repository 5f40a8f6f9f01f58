//! The StatefulSet: its pods run as they are rendered, with the names that its service gives them.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::Setting;
use super::certificates::Authority;
use super::client::{Client, Identity};
use super::contained::{Contained, Launch, Role};
use super::documents::{Documents, name};
use super::metrics;
use super::network::Network;
use super::pod::Pod;
use super::root::Root;

/// Where the pods' addresses begin; the one before is a client's.
const FIRST_ADDRESS: [u8; 4] = [10, 96, 0, 11];
/// The secret that a client gets.
const CLIENT_SECRET: &str = "etcd-client-tls";
/// What a member says that has lost its data.
const REFUSAL: &str = "has already been bootstrapped";

/// Fails unless the members of both are the same.
pub(crate) fn check_same(one: &Documents, other: &Documents) -> Result<()> {
    let same = one.only("StatefulSet")? == other.only("StatefulSet")?;
    ensure!(same, "the members with given secrets are not those with cert-manager's");
    Ok(())
}

/// Runs all pods, uses them, stops and starts them, and returns the metrics that they expose.
pub(crate) fn run(setting: &Setting, documents: &Documents) -> Result<BTreeSet<String>> {
    let cluster = Cluster::prepare(setting, documents)?;
    let client = cluster.client();
    let mut members = Vec::new();
    for number in 0..cluster.pods.len() {
        members.push(cluster.start(number)?);
    }
    for (number, member) in members.iter_mut().enumerate() {
        cluster.wait(number, member)?;
    }
    let endpoints = cluster.endpoints()?;
    client.put_and_get(&endpoints, "founded")?;
    let mut exposed = BTreeSet::new();
    for number in 0..members.len() {
        let port = cluster.pods[number].port("metrics")?;
        let url = format!("http://{}:{port}/metrics", cluster.addresses[number]);
        exposed.extend(metrics::exposed(&client.fetch(&url)?));
    }
    // As a rolling update does it: one after the other, and each comes back with its data.
    for number in 0..members.len() {
        members.remove(number).stop(cluster.pods[number].patience())?;
        members.insert(number, cluster.start(number)?);
        cluster.wait(number, &mut members[number])?;
    }
    client.put_and_get(&endpoints, "updated")?;
    let last = members.len() - 1;
    members.remove(last).stop(cluster.pods[last].patience())?;
    cluster.lose_volume(last)?;
    let log = cluster.start(last)?.fail(cluster.pods[last].patience())?;
    ensure!(log.contains(REFUSAL), "a member without its data did not refuse to start:\n{log}");
    client.put_and_get(&endpoints[..last], "degraded")?;
    for (number, member) in members.into_iter().enumerate() {
        member.stop(cluster.pods[number].patience())?;
    }
    say!("{} pods served, were updated one by one, and refused to forget", cluster.pods.len());
    Ok(exposed)
}

/// The pods' surroundings.
struct Cluster<'a> {
    setting: &'a Setting,
    pods: Vec<Pod<'a>>,
    addresses: Vec<Ipv4Addr>,
    roots: Vec<Root>,
    network: Network,
    names: PathBuf,
    identity: Option<Identity>,
    folder: PathBuf,
}

impl<'a> Cluster<'a> {
    fn prepare(setting: &'a Setting, documents: &'a Documents) -> Result<Cluster<'a>> {
        let set = documents.only("StatefulSet")?;
        let count = set["spec"]["replicas"].as_u64().context("replicas are not a number")?;
        let namespace = set["metadata"]["namespace"].as_str().context("it has no namespace")?;
        let domain = domain(documents, set, namespace)?;
        let mut pods = Vec::new();
        for number in 0..count {
            pods.push(Pod {
                name: format!("{}-{number}", name(set)),
                namespace: namespace.to_owned(),
                spec: &set["spec"]["template"]["spec"],
            });
        }
        let [a, b, c, first] = FIRST_ADDRESS;
        let addresses: Vec<_> =
            (first..).zip(&pods).map(|(d, _)| Ipv4Addr::new(a, b, c, d)).collect();
        let own = Ipv4Addr::new(a, b, c, first - 1);
        let network = Network::new(&[&[own], &addresses[..]].concat())?;
        let folder = setting.scratch.join("stateful-set");
        super::clear(&folder)?;
        let mut text = "127.0.0.1 localhost\n".to_owned();
        for (pod, address) in pods.iter().zip(&addresses) {
            let full = format!("{}.{domain}", pod.name);
            text.push_str(&format!("{address} {full}.cluster.local {full}\n"));
        }
        let names = folder.join("hosts");
        fs::write(&names, &text)?;
        let authority = Authority::new()?;
        let identity = match secret(documents, CLIENT_SECRET) {
            Some(certificate) => Some(authority.issue(&certificate["spec"])?.save(&folder)?),
            None => None,
        };
        let mut roots = Vec::new();
        for pod in &pods {
            let root = setting.image.root(&folder.join(&pod.name))?;
            root.file("/etc/hosts", &text, (0, 0), 0o644)?;
            mount(&root, documents, pod, &authority)?;
            roots.push(root);
        }
        Ok(Cluster { setting, pods, addresses, roots, network, names, identity, folder })
    }

    fn client(&self) -> Client<'_> {
        Client {
            etcdctl: &self.setting.tools.etcdctl,
            namespace: self.network.name(0),
            names: &self.names,
            identity: self.identity.as_ref(),
        }
    }

    fn start(&self, number: usize) -> Result<Contained> {
        let (pod, image) = (&self.pods[number], &self.setting.image);
        let launch = Launch {
            role: Role::Container,
            namespace: self.network.name(number + 1),
            root: &self.roots[number].place,
            folder: &image.folder,
            user: pod.user(image)?,
            command: &pod.command(image)?,
            environment: &pod.environment()?,
        };
        Contained::start(&launch, &self.folder.join(format!("{}.log", pod.name)))
    }

    /// Probes come from the pod's own machine, here from its own network.
    fn wait(&self, number: usize, member: &mut Contained) -> Result<()> {
        let kubelet = Client { namespace: self.network.name(number + 1), ..self.client() };
        self.pods[number].wait(member, &self.addresses[number].to_string(), &kubelet)
    }

    /// Where the members say that clients reach them.
    fn endpoints(&self) -> Result<Vec<String>> {
        let urls = self.pods.iter().map(|pod| {
            let urls = pod.environment()?.remove("ETCD_ADVERTISE_CLIENT_URLS");
            urls.with_context(|| format!("{} does not say where clients reach it", pod.name))
        });
        urls.collect()
    }

    fn lose_volume(&self, number: usize) -> Result<()> {
        let pod = &self.pods[number];
        for (mount, _) in mounts(pod)?.iter().filter(|(_, volume)| volume.is_none()) {
            volume(&self.roots[number], pod, mount)?;
        }
        Ok(())
    }
}

/// The domain in which the set's pods have names, also before they are ready.
fn domain(documents: &Documents, set: &Value, namespace: &str) -> Result<String> {
    let wanted = set["spec"]["serviceName"].as_str().context("the set names no service")?;
    let service = documents.of_kind("Service").find(|service| name(service) == wanted);
    let spec = &service.with_context(|| format!("there is no service {wanted}"))?["spec"];
    if spec["clusterIP"] != "None" || spec["publishNotReadyAddresses"] != true {
        bail!("the service {wanted} must be headless and name pods that are not ready yet");
    }
    let labels = &set["spec"]["template"]["metadata"]["labels"];
    for (label, value) in spec["selector"].as_object().into_iter().flatten() {
        ensure!(labels[label] == *value, "the service {wanted} does not select the set's pods");
    }
    Ok(format!("{wanted}.{namespace}.svc"))
}

/// The paths at which something is mounted, each with the secret that it shows, or without one.
fn mounts(pod: &Pod<'_>) -> Result<Vec<(String, Option<String>)>> {
    let volumes = pod.spec["volumes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut mounts = Vec::new();
    for mount in pod.container()?["volumeMounts"].as_array().into_iter().flatten() {
        let path = mount["mountPath"].as_str().context("a mount has no path")?;
        let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]);
        let secret = volume.and_then(|volume| volume["secret"]["secretName"].as_str());
        mounts.push((path.to_owned(), secret.map(str::to_owned)));
    }
    Ok(mounts)
}

fn mount(root: &Root, documents: &Documents, pod: &Pod<'_>, authority: &Authority) -> Result<()> {
    for (path, of) in mounts(pod)? {
        let Some(of) = of else {
            volume(root, pod, &path)?;
            continue;
        };
        let certificate = secret(documents, &of).with_context(|| format!("nobody makes {of}"))?;
        let issued = authority.issue(&certificate["spec"])?;
        let owner = (0, group(pod)?);
        for (file, text) in [
            ("ca.crt", &issued.authority),
            ("tls.crt", &issued.certificate),
            ("tls.key", &issued.key),
        ] {
            root.file(&format!("{path}/{file}"), text, owner, 0o440)?;
        }
    }
    Ok(())
}

/// A new volume belongs to root, and to the group that the pod says.
fn volume(root: &Root, pod: &Pod<'_>, path: &str) -> Result<()> {
    root.folder(path, (0, group(pod)?), 0o2775)
}

fn group(pod: &Pod<'_>) -> Result<u32> {
    let group = pod.spec["securityContext"]["fsGroup"].as_u64().context("there is no fsGroup")?;
    Ok(u32::try_from(group)?)
}

/// The Certificate that makes a secret.
fn secret<'d>(documents: &'d Documents, wanted: &str) -> Option<&'d Value> {
    documents.of_kind("Certificate").find(|one| one["spec"]["secretName"] == wanted)
}
