//! Files that are replaced while a member runs, with clients that come and go.

use crate::caller::Caller;
use crate::server::Server;
use etcd_tests::process::server_is_ours;
use etcd_visitors::{Identity, rename_over};
use rcgen::KeyPair;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const TURNS: usize = 24;
/// As many connections are made by each client between two replacements.
const CONNECTIONS: usize = 3;
const CLIENTS: usize = 3;
const LIMIT: Duration = Duration::from_secs(60);

/// Puts over a new connection each time while `rotate` is called again and again, and expects
/// every put to succeed.
fn put_while(server: &Server, caller: &Caller, mut rotate: impl FnMut(usize)) {
    let (stop, made) = (AtomicBool::new(false), AtomicUsize::new(0));
    let port = server.port;
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (stop, made) = (&stop, &made);
                scope.spawn(move || {
                    let keys = [format!("{number}/a"), format!("{number}/b")];
                    while !stop.load(Ordering::Relaxed) {
                        caller.put(port, &keys)?;
                        made.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok::<(), String>(())
                })
            })
            .collect();
        for turn in 0..TURNS {
            rotate(turn);
            let enough = made.load(Ordering::Relaxed) + CONNECTIONS * CLIENTS;
            let begun = Instant::now();
            while made.load(Ordering::Relaxed) < enough
                && clients.iter().all(|client| !client.is_finished())
                && begun.elapsed() < LIMIT
            {
                thread::yield_now();
            }
        }
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().expect("no panic").expect("every put succeeds");
        }
    });
    assert!(made.load(Ordering::Relaxed) >= TURNS * CONNECTIONS * CLIENTS);
}

/// A new pair for the member, of the trusted authority.
fn certified(server: &Server) -> Identity {
    server.trusted.issue("renewed", &["127.0.0.1"])
}

#[test]
fn a_renewed_certificate_fails_no_put() {
    let server = Server::start(&[]);
    // Made for the same key, so that one rename replaces all: etcd, too, can do that under load.
    let key = KeyPair::from_pem(&fs::read_to_string(&server.shown.key).expect("a key"));
    let key = key.expect("a key");
    put_while(&server, &server.caller(), |_| {
        let names = ["127.0.0.1", "localhost"];
        let renewed = server.trusted.issue_for(&key, "renewed", &names);
        rename_over(&renewed.certificate, &server.shown.certificate);
    });
}

#[test]
fn certificates_keys_and_broken_files_fail_no_put() {
    if !server_is_ours() {
        // A real etcd refuses handshakes while certificate and key do not fit.
        return;
    }
    let mut server = Server::prepare();
    server.demand_certificates();
    server.serve();
    put_while(&server, &server.known("somebody"), |turn| {
        let next = certified(&server);
        if turn % 2 == 1 {
            fs::write(&server.shown.certificate, "-----BEGIN CERTIFICATE-----").expect("written");
        }
        rename_over(&next.key, &server.shown.key);
        rename_over(&next.certificate, &server.shown.certificate);
    });
}

#[test]
fn a_certificate_of_another_authority_is_shown_from_the_next_connection_on() {
    let server = Server::start(&[]);
    let strange = server.strange_authority();
    let next = strange.issue("member", &["127.0.0.1"]);
    let (old, new) = (server.caller(), Caller::of(&strange));
    old.get(server.port, "/version").expect("the first certificate");
    new.get(server.port, "/version").expect_err("not the second one yet");
    rename_over(&next.key, &server.shown.key);
    rename_over(&next.certificate, &server.shown.certificate);
    for port in [server.port, server.peer_port] {
        new.get(port, "/version").expect("the second certificate");
        old.get(port, "/version").expect_err("the first one no more");
    }
}

#[test]
fn a_broken_file_is_logged_once_and_changes_nothing() {
    if !server_is_ours() {
        // A real etcd refuses every handshake, and says so each time.
        return;
    }
    let server = Server::start(&[]);
    fs::write(&server.shown.key, "no key").expect("written");
    for _ in 0..10 {
        server.caller().get(server.port, "/version").expect("as before");
    }
    let process = server.member.process();
    let kept = "cannot be used; still using what they held before";
    let line = process.wait_for_line(kept, Duration::from_secs(5));
    assert!(line.contains("holds no private key"), "{line}");
    let count = process.lines().iter().filter(|line| line.contains(kept)).count();
    assert_eq!(count, 1, "for the one door that was used");
}

#[test]
fn another_authority_counts_from_the_next_connection_on() {
    if !server_is_ours() {
        // A real etcd reads the file at its start only.
        return;
    }
    let mut server = Server::prepare();
    server.demand_certificates();
    server.serve();
    let strange = server.strange_authority();
    let (old, new) = (server.known("old"), server.caller().showing(&strange.issue("new", &[])));
    assert!(server.lets_in(&old, ""));
    assert!(!server.lets_in(&new, "UnknownIssuer"));
    rename_over(&strange.file(), &server.trusted.file());
    assert!(server.lets_in(&new, ""));
    assert!(!server.lets_in(&old, "UnknownIssuer"));
    assert!(!server.lets_peer_in(&old, "UnknownIssuer"));
    assert!(server.lets_peer_in(&new, ""));
}
