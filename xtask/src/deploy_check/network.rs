//! Network namespaces on one bridge, each with an address of its own.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use super::run::succeed;

/// Namespaces of this command are called so, with the process id and a number behind.
const PREFIX: &str = "etcd-deploy-";
/// The bridge's.
const BRIDGE: &str = "bridge";

/// The namespaces; they go when this is dropped.
pub(crate) struct Network {
    names: Vec<String>,
}

impl Network {
    /// One namespace for each address, all within one /24.
    pub(crate) fn new(addresses: &[Ipv4Addr]) -> Result<Network> {
        remove_leftovers();
        let [first, ..] = addresses else { return Ok(Network { names: Vec::new() }) };
        let together = addresses.iter().all(|one| one.octets()[..3] == first.octets()[..3]);
        ensure!(together, "{addresses:?} are not within one /24");
        let name = |of: &str| format!("{PREFIX}{}-{of}", std::process::id());
        let bridge = name(BRIDGE);
        let mut network = Network { names: vec![bridge.clone()] };
        ip(&["netns", "add", &bridge])?;
        ip(&["-n", &bridge, "link", "add", BRIDGE, "type", "bridge"])?;
        ip(&["-n", &bridge, "link", "set", BRIDGE, "up"])?;
        for (number, address) in addresses.iter().enumerate() {
            let own = name(&number.to_string());
            ip(&["netns", "add", &own])?;
            network.names.push(own.clone());
            let (port, address) = (format!("port{number}"), format!("{address}/24"));
            let cable =
                ["link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &own];
            ip(&[&["-n", &bridge], &cable[..]].concat())?;
            ip(&["-n", &bridge, "link", "set", &port, "master", BRIDGE, "up"])?;
            ip(&["-n", &own, "link", "set", "lo", "up"])?;
            ip(&["-n", &own, "address", "add", &address, "dev", "eth0"])?;
            ip(&["-n", &own, "link", "set", "eth0", "up"])?;
        }
        Ok(network)
    }

    /// The name of the namespace with this address, counted from 0, for `ip netns exec`.
    pub(crate) fn name(&self, number: usize) -> &str {
        &self.names[number + 1]
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.names.iter().for_each(|name| delete(name));
    }
}

/// Deletes the namespaces of processes that are no more.
fn remove_leftovers() {
    for entry in fs::read_dir("/run/netns").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let process = rest.split('-').next().unwrap_or_default();
        if !Path::new("/proc").join(process).exists() {
            delete(&name);
        }
    }
}

fn delete(name: &str) {
    // One that is gone already is no failure.
    let _ = Command::new("ip").args(["netns", "delete", name]).output();
}

fn ip(arguments: &[&str]) -> Result<()> {
    succeed(Command::new("ip").args(arguments))
}
