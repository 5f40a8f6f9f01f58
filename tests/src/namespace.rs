//! A network of its own on one machine: a bridge in one namespace, a member in each other.

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;

/// Namespaces of this project's tests are called so, with the process id and a name behind.
const PREFIX: &str = "etcd-test-";

/// The host number of the bridge, from where the tests themselves speak to the members.
const BRIDGE_HOST: u8 = 1;

/// A bridge and the members' namespaces. The thread that makes it is moved into the bridge's
/// namespace, with all that it starts, until the network is dropped; then everything is gone.
pub struct Network {
    bridge: String,
    members: Vec<String>,
    /// The namespace that the thread came from.
    outside: File,
}

impl Network {
    /// Makes a network with one namespace for each address, all within one /24.
    ///
    /// # Panics
    ///
    /// Without root's rights, or when the network cannot be made.
    pub fn new(addresses: &[Ipv4Addr]) -> Network {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test makes network namespaces, which only root may: run it with sudo"
        );
        remove_leftovers();
        let outside = File::open("/proc/thread-self/ns/net").expect("the thread's namespace");
        let name = |of: &str| format!("{PREFIX}{}-{of}", std::process::id());
        let mut network = Network { bridge: name("bridge"), members: Vec::new(), outside };
        ip(&["netns", "add", &network.bridge]);
        network.on_bridge(&["link", "set", "lo", "up"]);
        network.on_bridge(&["link", "add", "bridge", "type", "bridge"]);
        let [a, b, c, _] = addresses[0].octets();
        let own = format!("{}/24", Ipv4Addr::new(a, b, c, BRIDGE_HOST));
        network.on_bridge(&["address", "add", &own, "dev", "bridge"]);
        network.on_bridge(&["link", "set", "bridge", "up"]);
        for (number, address) in addresses.iter().enumerate() {
            let member = name(&format!("member{number}"));
            ip(&["netns", "add", &member]);
            network.members.push(member);
            network.plug(number, *address);
        }
        network.enter_bridge();
        network
    }

    /// The name of a member's namespace, for `ip netns exec`.
    pub fn name(&self, member: usize) -> &str {
        &self.members[member]
    }

    /// Cuts a member off from all others; its own loopback stays.
    pub fn cut(&self, member: usize) {
        self.on_bridge(&["link", "set", &port(member), "down"]);
    }

    /// Lets a member that was cut off reach the others again.
    pub fn mend(&self, member: usize) {
        self.on_bridge(&["link", "set", &port(member), "up"]);
    }

    /// Moves the calling thread into a member's namespace for the rest of its life.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    pub fn enter(namespace: &str) {
        let file = File::open(Path::new("/run/netns").join(namespace)).expect("the namespace");
        move_to(&file);
    }

    fn enter_bridge(&self) {
        Network::enter(&self.bridge);
    }

    /// Connects a member's namespace to the bridge.
    fn plug(&self, number: usize, address: Ipv4Addr) {
        let (member, port) = (self.name(number), port(number));
        let veth = ["link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", member];
        self.on_bridge(&veth);
        self.on_bridge(&["link", "set", &port, "master", "bridge", "up"]);
        let address = format!("{address}/24");
        ip(&["-n", member, "link", "set", "lo", "up"]);
        ip(&["-n", member, "address", "add", &address, "dev", "eth0"]);
        ip(&["-n", member, "link", "set", "eth0", "up"]);
    }

    fn on_bridge(&self, arguments: &[&str]) {
        ip(&[&["-n", &self.bridge], arguments].concat());
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        move_to(&self.outside);
        for namespace in self.members.iter().chain([&self.bridge]) {
            delete(namespace);
        }
    }
}

/// The bridge's end of a member's cable.
fn port(member: usize) -> String {
    format!("port{member}")
}

fn move_to(namespace: &File) {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
        .expect("root may change a thread's namespace");
}

/// Deletes the namespaces of test processes that are no more.
fn remove_leftovers() {
    let Ok(entries) = fs::read_dir("/run/netns") else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let process = rest.split('-').next().unwrap_or_default();
        if !Path::new("/proc").join(process).exists() {
            delete(&name);
        }
    }
}

/// Deletes a namespace; one that is gone already is no failure.
fn delete(namespace: &str) {
    let _ = Command::new("ip").args(["netns", "delete", namespace]).output();
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("iproute2 is installed");
    assert!(
        output.status.success(),
        "ip {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
}
