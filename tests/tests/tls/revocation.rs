//! Certificates that were revoked.

use crate::caller::Caller;
use crate::server::Server;
use std::fs;

const REVOKED: &str = "transport: certificate serial 4d revoked";

/// A member whose lists are in one file, and a client with the serial number 77.
fn with_list(list: Option<u64>) -> (Server, Caller) {
    let mut server = Server::prepare();
    server.demand_certificates();
    let file = server.path("list.crl");
    if let Some(serial) = list {
        fs::write(&file, server.trusted.list(serial)).expect("written");
    }
    server.set_file("--client-crl-file", &file);
    server.set_file("--peer-crl-file", &file);
    let caller = server.caller().showing(&server.trusted.issue_numbered("numbered", 77));
    server.serve();
    (server, caller)
}

#[test]
fn a_list_refuses_from_the_next_connection_on_and_until_it_no_longer_does() {
    let (server, numbered) = with_list(Some(76));
    let file = server.path("list.crl");
    assert!(server.lets_in(&numbered, ""));
    assert!(server.lets_peer_in(&numbered, ""));
    fs::write(&file, server.trusted.list(77)).expect("written");
    assert!(!server.lets_in(&numbered, REVOKED));
    assert!(!server.lets_peer_in(&numbered, REVOKED));
    assert!(server.lets_in(&server.known("another"), ""));
    fs::write(&file, server.trusted.list(78)).expect("written");
    assert!(server.lets_in(&numbered, ""));
    assert!(server.lets_peer_in(&numbered, ""));
}

#[test]
fn a_list_counts_whoever_signed_it() {
    let (server, numbered) = with_list(Some(76));
    fs::write(server.path("list.crl"), server.strange_authority().list(77)).expect("written");
    assert!(!server.lets_in(&numbered, REVOKED));
}

#[test]
fn a_list_that_cannot_be_read_refuses_everybody_until_it_can() {
    let (server, numbered) = with_list(None);
    let file = server.path("list.crl");
    assert!(!server.lets_in(&numbered, "no such file"));
    assert!(!server.lets_peer_in(&numbered, "no such file"));
    fs::write(&file, server.trusted.list(1)).expect("written");
    assert!(server.lets_in(&numbered, ""));
    assert!(server.lets_peer_in(&numbered, ""));
    fs::write(&file, "no list").expect("written");
    assert!(!server.lets_in(&numbered, "not a revocation list"));
}
