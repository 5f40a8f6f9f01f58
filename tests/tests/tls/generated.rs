//! Certificates that a member makes for itself.

use crate::caller::Caller;
use crate::server::Server;
use etcd_tests::process::Signal;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

const DAY: i64 = 24 * 60 * 60;
const P521: &str = "1.3.132.0.35";

fn generating() -> Server {
    let mut server = Server::without_certificates();
    server.member.set_flag("--auto-tls", "true");
    server.member.set_flag("--peer-auto-tls", "true");
    server
}

fn files(server: &Server, side: &str) -> [PathBuf; 2] {
    let folder = server.member.data_dir.join("fixtures").join(side);
    ["cert.pem", "key.pem"].map(|name| folder.join(name))
}

/// Everything that etcd puts into such a certificate.
fn check(server: &Server, side: &str, years: i64) {
    let [certificate, key] = files(server, side);
    let mode = fs::metadata(&key).expect("a key").permissions().mode();
    assert_eq!(mode & 0o077, 0, "the key is for nobody else");
    let der = CertificateDer::from_pem_file(&certificate).expect("a certificate");
    let (_, certificate) = X509Certificate::from_der(&der).expect("a certificate");
    let validity = certificate.validity();
    let seconds = validity.not_after.timestamp() - validity.not_before.timestamp();
    assert_eq!(seconds, years * 365 * DAY);
    assert_eq!(certificate.subject().to_string(), "O=etcd");
    assert!(certificate.is_ca());
    let curve = certificate.public_key().algorithm.parameters.as_ref().expect("a curve");
    assert_eq!(curve.as_oid().expect("an id").to_id_string(), P521);
    let names = certificate.subject_alternative_name().expect("readable").expect("names");
    assert_eq!(names.value.general_names, [GeneralName::IPAddress(&[127, 0, 0, 1])]);
    let usage = certificate.key_usage().expect("readable").expect("a usage").value;
    assert!(usage.digital_signature() && usage.key_encipherment() && usage.crl_sign());
    assert!(!usage.key_cert_sign(), "{usage}");
    let extended = certificate.extended_key_usage().expect("readable").expect("a usage").value;
    assert!(extended.server_auth && !extended.client_auth);
}

#[test]
fn a_member_makes_its_certificates_and_keeps_them() {
    let mut server = generating();
    server.member.set_flag("--self-signed-cert-validity", "7");
    server.serve();
    check(&server, "client", 7);
    check(&server, "peer", 7);
    let caller = Caller::credulous();
    assert!(server.lets_in(&caller, ""));
    assert!(server.lets_peer_in(&caller, ""));
    server.caller().get(server.port, "/version").expect_err("no authority has signed it");

    let [before, key_before] = files(&server, "client").map(|file| fs::read(file).expect("read"));
    server.member.end(Signal::KILL);
    server.serve();
    let [after, key_after] = files(&server, "client").map(|file| fs::read(file).expect("read"));
    assert!(before == after && key_before == key_after, "files that are there are used");
    assert!(server.lets_in(&caller, ""));
}

#[test]
fn certificates_are_made_for_a_year_when_nothing_is_said() {
    let mut server = generating();
    server.serve();
    check(&server, "client", 1);
    check(&server, "peer", 1);
}

#[test]
fn a_validity_of_no_years_is_refused_at_the_start() {
    let mut server = generating();
    server.member.set_flag("--self-signed-cert-validity", "0");
    server.fails_with("selfSignedCertValidity is invalid,it should be greater than 0");
}

#[test]
fn files_that_are_given_win() {
    let mut server = Server::prepare();
    server.member.set_flag("--auto-tls", "true");
    server.member.set_flag("--peer-auto-tls", "true");
    server.serve();
    assert!(server.lets_in(&server.caller(), ""), "the given certificate is shown");
    assert!(!server.member.data_dir.join("fixtures").exists(), "none was made");
}

#[test]
fn a_generated_certificate_comes_with_no_other_setting() {
    let mut server = generating();
    server.demand_certificates();
    server.member.set_flag("--client-cert-auth", "true");
    server.serve();
    assert!(server.lets_in(&Caller::credulous(), ""), "nobody is asked for a certificate");
    assert!(server.lets_peer_in(&Caller::credulous(), ""));
}

#[test]
fn a_cluster_of_generated_certificates_is_made_of_members_that_believe_each_other() {
    let plan = etcd_tests::Plan::loopback(3).flag("--peer-auto-tls");
    let mut cluster = etcd_tests::Cluster::prepare(&plan);
    for member in &mut cluster.members {
        member.peer_url = member.peer_url.replace("http://", "https://");
    }
    let initial = cluster.initial_cluster();
    for member in &mut cluster.members {
        let url = member.peer_url.clone();
        member.set_flag("--initial-cluster", &initial);
        member.set_flag("--listen-peer-urls", &url);
        member.set_flag("--initial-advertise-peer-urls", &url);
    }
    cluster.start_all();
    cluster.members[0].client().put("key", "value").expect("a quorum");
    cluster.wait_until_level();
}
