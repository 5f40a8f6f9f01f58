//! The systemd unit: its command line with its configuration file, on the three machines that the
//! file names.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::Setting;
use super::certificates::Authority;
use super::client::{Client, Identity};
use super::contained::{Contained, Launch, Role};
use super::network::Network;
use super::notify::Notify;
use super::root::Root;
use super::unit::{Unit, environment};

/// Within this time the service must say that it is ready.
const READY: Duration = Duration::from_secs(60);
/// Where it does.
const RUN: &str = "/run";
const SOCKET: &str = "notify";
/// Stands for the unit's user, who has no number here.
const USER: (u32, u32) = (60_000, 60_000);
/// The smallest limit of open files that an etcd starts with.
const LEAST_FILES: u64 = 151;

/// A variable with an address or a name of its own on each machine.
const CLUSTER: &str = "ETCD_INITIAL_CLUSTER";

/// Starts the three services, uses them and stops them.
pub(crate) fn run(setting: &Setting) -> Result<()> {
    let folder = setting.deploy.join("systemd");
    let read = |name: &str| {
        fs::read_to_string(folder.join(name)).with_context(|| format!("reading {name}"))
    };
    let unit = read("etcd.service")?;
    verify(setting, &unit)?;
    let unit = Unit::parse(&unit)?;
    check(&unit)?;
    let variables = environment(&read("etcd.conf")?)?;
    let machines = machines(&variables)?;
    let addresses: Vec<_> = machines.iter().map(|(_, address)| *address).collect();
    let network = Network::new(&addresses)?;
    let place = setting.scratch.join("service");
    super::clear(&place)?;
    let names = place.join("hosts");
    fs::write(&names, "127.0.0.1 localhost\n")?;
    let authority = Authority::new()?;
    let texts: Vec<_> = addresses.iter().map(Ipv4Addr::to_string).collect();
    let mut of: Vec<&str> = texts.iter().map(String::as_str).collect();
    of.push("127.0.0.1");
    let identity = authority.issue_for("client", &[])?.save(&place)?;
    let mut members = Vec::new();
    for (number, (name, _)) in machines.iter().enumerate() {
        let variables = translated(&variables, &machines, number);
        let root = setting.image.root(&place.join(name))?;
        prepare(&root, &unit, &variables, &authority, &of)?;
        let notify = Notify::listen(&root.path(RUN), SOCKET)?;
        let member = start(&unit, &root, &variables, network.name(number), &place.join(name))?;
        members.push((member, notify));
    }
    for (member, notify) in &mut members {
        member.check_running()?;
        notify.wait(READY).with_context(|| member.last_words())?;
    }
    use_it(setting, &variables, &network, &names, &identity)?;
    let seconds = unit.only("TimeoutStopSec")?.trim_end_matches('s').parse()?;
    for (member, _) in members {
        member.stop(Duration::from_secs(seconds))?;
    }
    say!("{} services were ready, served, and stopped", machines.len());
    Ok(())
}

/// Writes and reads through both listeners of the file as it is, from its own machine.
fn use_it(
    setting: &Setting,
    variables: &BTreeMap<String, String>,
    network: &Network,
    names: &Path,
    identity: &Identity,
) -> Result<()> {
    let urls = variables.get("ETCD_LISTEN_CLIENT_URLS").context("there are no client URLs")?;
    let urls: Vec<_> = urls.split(',').map(str::to_owned).collect();
    let client = Client {
        etcdctl: &setting.tools.etcdctl,
        namespace: network.name(0),
        names,
        identity: Some(identity),
    };
    client.put_and_get(&urls, "served")
}

/// Lets systemd read the unit, where it is installed.
fn verify(setting: &Setting, unit: &str) -> Result<()> {
    let present = Command::new("systemd-analyze").arg("--version").stdout(Stdio::null()).status();
    if present.is_err() {
        say!("systemd is not installed: it has not read the unit");
        return Ok(());
    }
    let file = setting.scratch.join("etcd.service");
    let parsed = Unit::parse(unit)?;
    // The program is not installed on this machine.
    let program = parsed.command()?.swap_remove(0);
    fs::write(&file, unit.replace(&program, "/bin/true"))?;
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no", "--recursive-errors=no"]).arg(&file);
    let output = verify.output().context("running systemd-analyze")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && errors.trim().is_empty(), "systemd says: {errors}");
    Ok(())
}

/// What the command line's run does not show.
fn check(unit: &Unit) -> Result<()> {
    ensure!(unit.only("Type")? == "notify", "the unit must wait until the member serves");
    ensure!(unit.only("User")? != "root", "the unit must not run as root");
    let files: u64 = unit.only("LimitNOFILE")?.parse().context("LimitNOFILE")?;
    ensure!(files >= LEAST_FILES, "LimitNOFILE={files} is too low");
    let file = unit.only("EnvironmentFile")?;
    ensure!(file == "/etc/etcd/etcd.conf", "{file} is not where deploy/README.md puts the file");
    Ok(())
}

/// The members' names and addresses, the file's own first.
fn machines(variables: &BTreeMap<String, String>) -> Result<Vec<(String, Ipv4Addr)>> {
    let cluster = variables.get(CLUSTER).with_context(|| format!("there is no {CLUSTER}"))?;
    let own = variables.get("ETCD_NAME").context("there is no ETCD_NAME")?;
    let mut machines = Vec::new();
    for member in cluster.split(',') {
        let parts = member.split_once("=https://").and_then(|(name, url)| {
            let (host, _) = url.rsplit_once(':')?;
            Some((name.to_owned(), host.parse().ok()?))
        });
        machines.push(parts.with_context(|| format!("{member} has no address"))?);
    }
    match machines.first() {
        Some((name, _)) if name == own => Ok(machines),
        _ => bail!("{own} is not the first member of the cluster"),
    }
}

/// The file as it is on another machine: with that one's name and address.
fn translated(
    variables: &BTreeMap<String, String>,
    machines: &[(String, Ipv4Addr)],
    number: usize,
) -> BTreeMap<String, String> {
    let ((own_name, own), (name, address)) = (&machines[0], &machines[number]);
    let translate = |(variable, value): (&String, &String)| {
        let value = match variable.as_str() {
            CLUSTER => value.clone(),
            "ETCD_NAME" => value.replace(own_name, name),
            _ => value.replace(&own.to_string(), &address.to_string()),
        };
        (variable.clone(), value)
    };
    variables.iter().map(translate).collect()
}

/// What an administrator and systemd prepare: certificates, and the state directory.
fn prepare(
    root: &Root,
    unit: &Unit,
    variables: &BTreeMap<String, String>,
    authority: &Authority,
    of: &[&str],
) -> Result<()> {
    let issued = authority.issue_for("etcd", of)?;
    for (variable, text) in [
        ("ETCD_CERT_FILE", &issued.certificate),
        ("ETCD_KEY_FILE", &issued.key),
        ("ETCD_TRUSTED_CA_FILE", &issued.authority),
    ] {
        let path = variables.get(variable).with_context(|| format!("there is no {variable}"))?;
        root.file(path, text, USER, 0o400)?;
    }
    root.folder(&format!("/var/lib/{}", unit.only("StateDirectory")?), USER, 0o700)?;
    root.folder(RUN, (0, 0), 0o755)
}

fn start(
    unit: &Unit,
    root: &Root,
    variables: &BTreeMap<String, String>,
    namespace: &str,
    folder: &Path,
) -> Result<Contained> {
    let mut environment = variables.clone();
    environment.insert("NOTIFY_SOCKET".to_owned(), format!("{RUN}/{SOCKET}"));
    let launch = Launch {
        role: Role::Service,
        namespace,
        root: &root.place,
        // systemd's own choice where a unit says nothing.
        folder: "/",
        user: USER,
        command: &unit.command()?,
        environment: &environment,
    };
    Contained::start(&launch, &folder.with_extension("log"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_translated_for_the_other_machines() {
        let variables = environment(
            "ETCD_NAME=\"a\"\nETCD_LISTEN_PEER_URLS=\"https://10.0.0.1:2380\"\n\
             ETCD_INITIAL_CLUSTER=\"a=https://10.0.0.1:2380,b=https://10.0.0.2:2380\"\n",
        )
        .unwrap();
        let machines = machines(&variables).unwrap();
        assert_eq!(machines[1], ("b".to_owned(), Ipv4Addr::new(10, 0, 0, 2)));
        let other = translated(&variables, &machines, 1);
        assert_eq!(other["ETCD_NAME"], "b");
        assert_eq!(other["ETCD_LISTEN_PEER_URLS"], "https://10.0.0.2:2380");
        assert_eq!(other[CLUSTER], variables[CLUSTER]);
        assert_eq!(translated(&variables, &machines, 0), variables);
    }
}
