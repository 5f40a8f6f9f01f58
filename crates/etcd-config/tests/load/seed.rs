//! The first member's configuration file, taken as it is.

use expect_test::expect;

use crate::{load, outcome, warnings, with_file};

const SEED: &str = include_str!("data/etcd.conf");

#[test]
fn the_file_starts_a_member() {
    expect![[r#"
        advertise-client-urls: ["https://10.0.52.13:2379"]
        client-transport-security.cert-file: "/opt/etcd/ssl/server.pem"
        client-transport-security.client-cert-auth: true
        client-transport-security.key-file: "/opt/etcd/ssl/server-key.pem"
        client-transport-security.trusted-ca-file: "/opt/etcd/ssl/ca.pem"
        data-dir: "/var/lib/etcd/default.etcd"
        initial-advertise-peer-urls: ["https://10.0.52.13:2380"]
        initial-cluster: "etcd01=https://10.0.52.13:2380,etcd02=https://10.0.52.14:2380,etcd03=https://10.0.52.6:2380"
        listen-client-urls: ["http://127.0.0.1:2379","https://10.0.52.13:2379"]
        listen-peer-urls: ["https://10.0.52.13:2380"]
        name: "etcd01"
        peer-transport-security.cert-file: "/opt/etcd/ssl/server.pem"
        peer-transport-security.client-cert-auth: true
        peer-transport-security.key-file: "/opt/etcd/ssl/server-key.pem"
        peer-transport-security.trusted-ca-file: "/opt/etcd/ssl/ca.pem"
    "#]].assert_eq(&with_file(SEED, outcome, &[], &[]));
}

#[test]
fn its_warnings_are_few() {
    expect![[r#"
        Info: loaded the configuration file; other flags and variables are ignored path=FILE
        Warn: gRPC and HTTP share the client listeners
        Warn: the scheme is http, so that the certificate is not used on this listener side=client url=http://127.0.0.1:2379
        Warn: the scheme is http, so that no certificate is asked for on this listener side=client url=http://127.0.0.1:2379
    "#]].assert_eq(&with_file(SEED, warnings, &[], &[]));
}

#[test]
fn systemd_hands_the_same_values_over_as_variables() {
    let variables: Vec<(&str, &str)> = SEED
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name, value.trim_matches('"')))
        .collect();
    assert_eq!(variables.len(), 17);
    assert_eq!(outcome(load(&[], &variables)), with_file(SEED, outcome, &[], &[]));
}
