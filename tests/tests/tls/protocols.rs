//! Which versions, cipher suites and protocols are spoken.

use crate::caller::Caller;
use crate::server::Server;
use rustls::CipherSuite;
use rustls::version::{TLS12, TLS13};

const AES_128: &str = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
const UNSUPPORTED: &str = "client offered only unsupported versions";

#[test]
fn the_least_version_keeps_older_ones_out() {
    let server = Server::start(&["--tls-min-version=TLS1.3"]);
    let caller = server.caller();
    assert!(server.lets_in(&caller.speaking(&TLS13), ""));
    assert!(!server.lets_in(&caller.speaking(&TLS12), UNSUPPORTED));
    assert!(server.lets_peer_in(&caller.speaking(&TLS13), ""));
    assert!(!server.lets_peer_in(&caller.speaking(&TLS12), UNSUPPORTED));
}

#[test]
fn the_greatest_version_keeps_newer_ones_out() {
    let server = Server::start(&["--tls-max-version=TLS1.2"]);
    let caller = server.caller();
    assert!(server.lets_in(&caller.speaking(&TLS12), ""));
    assert!(!server.lets_in(&caller.speaking(&TLS13), UNSUPPORTED));
    assert!(server.lets_peer_in(&caller.speaking(&TLS12), ""));
    assert!(!server.lets_peer_in(&caller.speaking(&TLS13), UNSUPPORTED));
}

#[test]
fn both_versions_are_spoken_when_nothing_is_said() {
    let server = Server::start(&[]);
    for version in [&TLS12, &TLS13] {
        assert!(server.lets_in(&server.caller().speaking(version), ""));
        assert!(server.lets_peer_in(&server.caller().speaking(version), ""));
    }
}

#[test]
fn only_the_chosen_suites_of_tls_1_2_are_spoken() {
    let chacha = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305";
    let server = Server::start(&[&format!("--cipher-suites={AES_128},{chacha}")]);
    let with = |suite| server.caller().speaking(&TLS12).with_suite(suite);
    let none = "no cipher suite supported by both client and server";
    for (suite, is_chosen) in [
        (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, true),
        (CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, true),
        (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, false),
    ] {
        assert_eq!(server.lets_in(&with(suite), none), is_chosen, "{suite:?}");
        assert_eq!(server.lets_peer_in(&with(suite), none), is_chosen, "{suite:?}");
    }
    let newer = server.caller().with_suite(CipherSuite::TLS13_AES_256_GCM_SHA384);
    assert!(server.lets_in(&newer.speaking(&TLS13), ""), "those of TLS 1.3 are always on");
}

#[test]
fn an_unknown_suite_is_refused_at_the_start() {
    let mut server = Server::prepare();
    server.member.set_flag("--cipher-suites", &format!("{AES_128},TLS_NOPE"));
    server.fails_with("unexpected TLS cipher suite \\\"TLS_NOPE\\\"");
}

#[test]
fn suites_with_tls_1_3_alone_are_refused_at_the_start() {
    let mut server = Server::prepare();
    server.member.set_flag("--cipher-suites", AES_128);
    server.member.set_flag("--tls-min-version", "TLS1.3");
    server.fails_with("cipher suites cannot be configured when only TLS1.3 is enabled");
}

#[test]
fn suites_without_one_that_http2_demands_are_refused_at_the_start() {
    let mut server = Server::prepare();
    let suites = "TLS_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384";
    server.member.set_flag("--cipher-suites", suites);
    server.fails_with("missing an HTTP/2-required AES_128_GCM_SHA256 cipher");
}

#[test]
fn versions_the_wrong_way_round_are_refused_at_the_start() {
    let mut server = Server::prepare();
    server.member.set_flag("--tls-min-version", "TLS1.3");
    server.member.set_flag("--tls-max-version", "TLS1.2");
    server.fails_with("min version (TLS1.3) is greater than max version (TLS1.2)");
}

#[test]
fn clients_with_and_without_http2_in_their_handshake_are_served() {
    let server = Server::start(&[]);
    let caller = server.caller();
    for offered in [&["http/1.1"][..], &[]] {
        let answer = caller.offering(offered).get(server.port, "/version").expect("served");
        assert!(answer.contains("etcdserver"), "{answer}");
    }
    caller.put(server.port, &["a".to_owned()]).expect("HTTP/2");
}

#[test]
fn socket_files_are_served_with_tls() {
    let mut server = Server::prepare();
    let file = server.path("etcd.sock");
    let urls = format!("{},unixs://{}", server.member.advertised_url, file.display());
    server.member.set_flag("--listen-client-urls", &urls);
    server.serve();
    let answer = server.caller().get_by_file(&file, "/version").expect("served");
    assert!(answer.contains("etcdserver"), "{answer}");
    let strange = Caller::of(&server.strange_authority());
    strange.get_by_file(&file, "/version").expect_err("another authority's server");
}
