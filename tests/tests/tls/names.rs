//! Who may come in by the names in its certificate.

use crate::caller::Caller;
use crate::server::Server;

const NOT_ALLOWED: &str = "client certificate authentication failed";
const NONE_SHOWN: &str = "didn't provide a certificate";

#[test]
fn a_trusted_ca_file_lets_in_its_own_and_nobody_else() {
    let mut server = Server::prepare();
    server.demand_certificates();
    server.serve();
    let stranger = server.caller().showing(&server.strange_authority().issue("somebody", &[]));
    assert!(server.lets_in(&server.known("somebody"), ""));
    assert!(!server.lets_in(&server.caller(), NONE_SHOWN));
    assert!(!server.lets_in(&stranger, "UnknownIssuer"));
    assert!(server.lets_peer_in(&server.known("somebody"), ""));
    assert!(!server.lets_peer_in(&server.caller(), NONE_SHOWN));
    assert!(!server.lets_peer_in(&stranger, "UnknownIssuer"));
}

#[test]
fn without_an_authority_nobody_is_asked_for_a_certificate() {
    let server = Server::start(&[]);
    assert!(server.lets_in(&server.caller(), ""));
    assert!(server.lets_peer_in(&server.caller(), ""));
}

#[test]
fn client_certificates_must_be_valid_for_an_allowed_hostname() {
    let mut server = Server::prepare();
    server.demand_certificates();
    let allowed = "a.example.com,10.1.2.3,*.example.org";
    server.member.set_flag("--client-cert-allowed-hostname", allowed);
    server.serve();
    for (name, is_allowed) in [
        ("a.example.com", true),
        ("*.example.com", true),
        ("10.1.2.3", true),
        ("*.example.org", true),
        ("b.example.com", false),
        ("a.example.org", false),
        ("10.1.2.4", false),
    ] {
        let caller = server.caller().showing(&server.trusted.issue("somebody", &[name]));
        assert_eq!(server.lets_in(&caller, NOT_ALLOWED), is_allowed, "{name}");
    }
    let by_common_name = server.known("a.example.com");
    assert!(!server.lets_in(&by_common_name, NOT_ALLOWED), "the common name is no host name");
}

#[test]
fn client_certificates_must_have_an_allowed_common_name_of_the_file() {
    let mut server = Server::prepare();
    let file = server.path("etcd.yaml");
    let shown = (server.shown.certificate.display(), server.shown.key.display());
    let text = format!(
        "name: alone\ndata-dir: {}\nlisten-client-urls: {url}\nadvertise-client-urls: {url}\n\
         listen-peer-urls: {peer}\ninitial-advertise-peer-urls: {peer}\n\
         initial-cluster: alone={peer}\nclient-transport-security:\n  cert-file: {}\n  \
         key-file: {}\n  trusted-ca-file: {}\n  client-cert-auth: true\n  \
         allowed-cn: [alice, bob]\npeer-transport-security:\n  cert-file: {}\n  key-file: {}\n",
        server.member.data_dir.display(),
        shown.0,
        shown.1,
        server.trusted.file().display(),
        shown.0,
        shown.1,
        url = server.member.advertised_url,
        peer = server.member.peer_url,
    );
    std::fs::write(&file, text).expect("written");
    server.member.arguments = vec![format!("--config-file={}", file.display())];
    server.serve();
    assert!(server.lets_in(&server.known("alice"), ""));
    assert!(server.lets_in(&server.known("bob"), ""));
    assert!(!server.lets_in(&server.known("mallory"), NOT_ALLOWED));
}

#[test]
fn peer_certificates_must_have_an_allowed_common_name() {
    let mut server = Server::prepare();
    server.demand_certificates();
    server.member.set_flag("--peer-cert-allowed-cn", "m1,m2");
    server.serve();
    assert!(server.lets_peer_in(&server.known("m1"), ""));
    assert!(server.lets_peer_in(&server.known("m2"), ""));
    assert!(!server.lets_peer_in(&server.known("m3"), NOT_ALLOWED));
    assert!(server.lets_in(&server.known("m3"), ""), "clients are another matter");
}

#[test]
fn peer_certificates_must_be_valid_for_an_allowed_hostname() {
    let mut server = Server::prepare();
    server.demand_certificates();
    server.member.set_flag("--peer-cert-allowed-hostname", "m1.example.com,m2.example.com");
    server.member.set_flag("--peer-skip-client-san-verification", "true");
    server.serve();
    let named = |name: &str| server.caller().showing(&server.trusted.issue("peer", &[name]));
    assert!(server.lets_peer_in(&named("m1.example.com"), ""));
    assert!(server.lets_peer_in(&named("*.example.com"), ""));
    assert!(!server.lets_peer_in(&named("m3.example.com"), NOT_ALLOWED));
    assert!(!server.lets_peer_in(&server.known("m1.example.com"), NOT_ALLOWED));
}

/// A peer whose certificate has these alternative names.
fn peer(server: &Server, names: &[&str]) -> Caller {
    server.caller().showing(&server.trusted.issue("peer", names))
}

#[test]
fn a_peer_must_come_from_an_address_that_its_certificate_names() {
    let mut server = Server::prepare();
    server.demand_certificates();
    server.serve();
    for names in [&["127.0.0.1"][..], &["10.9.8.7", "127.0.0.1"], &["localhost"], &[]] {
        assert!(server.lets_peer_in(&peer(&server, names), ""), "{names:?}");
    }
    let elsewhere = peer(&server, &["10.9.8.7"]);
    let reason = "x509: certificate is valid for 10.9.8.7, not 127.0.0.1";
    assert!(!server.lets_peer_in(&elsewhere, reason));
    let reason = "does not match any of DNSNames";
    assert!(!server.lets_peer_in(&peer(&server, &["m1.invalid", "*.example.invalid"]), reason));
    assert!(server.lets_in(&elsewhere, ""), "clients may come from anywhere");
}

#[test]
fn the_check_of_a_peers_address_can_be_left_out() {
    let mut server = Server::prepare();
    server.demand_certificates();
    server.member.set_flag("--peer-skip-client-san-verification", "true");
    server.serve();
    assert!(server.lets_peer_in(&peer(&server, &["10.9.8.7"]), ""));
    assert!(server.lets_peer_in(&peer(&server, &["m1.invalid"]), ""));
}

#[test]
fn names_of_two_kinds_are_refused_at_the_start() {
    let mut server = Server::prepare();
    server.demand_certificates();
    server.member.set_flag("--peer-cert-allowed-cn", "m1");
    server.member.set_flag("--peer-cert-allowed-hostname", "m1.example.com");
    server.fails_with("AllowedCNs and AllowedHostnames are mutually exclusive");
}
