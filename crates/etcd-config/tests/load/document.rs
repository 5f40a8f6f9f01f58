//! YAML and JSON configuration files.

use expect_test::{Expect, expect};

use crate::{outcome, warnings, with_file};

fn check(text: &str, expect: Expect) {
    expect.assert_eq(&with_file(text, outcome, &[], &[]));
}

#[test]
fn an_empty_file_gives_the_defaults() {
    check("", expect![[""]]);
    check("# nothing\n---\n", expect![[""]]);
}

#[test]
fn nested_sections_are_read() {
    check(
        "\
client-transport-security:
  cert-file: server.pem
  key-file: server-key.pem
  client-cert-auth: true
  trusted-ca-file: ca.pem
  allowed-hostname: [a, b]
  allowed-cn: [client]
peer-transport-security:
  cert-file: peer.pem
  key-file: peer-key.pem
  allowed-cn: [peer]
  skip-client-san-verification: yes
socket-options:
  reuse-port: true
discovery-config:
  token: t
  client:
    endpoints: ['http://b:1', 'http://a:1']
    dial-timeout: 3000000000
    secure: {insecure-transport: false, cacert: ca.pem}
    auth: {username: me, password: secret}
",
        expect![[r#"
            client-transport-security.allowed-cn: ["client"]
            client-transport-security.allowed-hostname: ["a","b"]
            client-transport-security.cert-file: "server.pem"
            client-transport-security.client-cert-auth: true
            client-transport-security.key-file: "server-key.pem"
            client-transport-security.trusted-ca-file: "ca.pem"
            discovery-cacert: "ca.pem"
            discovery-dial-timeout: "3s"
            discovery-endpoints: ["http://a:1","http://b:1"]
            discovery-insecure-transport: false
            discovery-password: "***"
            discovery-token: "t"
            discovery-user: "me"
            initial-cluster: ""
            peer-transport-security.allowed-cn: ["peer"]
            peer-transport-security.cert-file: "peer.pem"
            peer-transport-security.key-file: "peer-key.pem"
            peer-transport-security.skip-client-san-verification: true
            socket-reuse-port: true
        "#]],
    );
}

#[test]
fn every_kind_of_value_is_read() {
    check(
        "\
name: 5
snapshot-count: 7
max-concurrent-streams: 100
quota-backend-bytes: -1
pre-vote: off
corrupt-check-time: 5000000000
listen-peer-urls: http://127.0.0.1:2, http://127.0.0.1:1
cipher-suites: [TLS_RSA_WITH_AES_128_CBC_SHA]
log-outputs: [b, a]
host-whitelist: a,b
cors: 'https://example.com:443'
feature-gates: LeaseCheckpoint=true
auto-compaction-retention: 1
initial-cluster-state: ''
self-signed-cert-validity: 0
wal-dir: null
",
        expect![[r#"
            auto-compaction-retention: "1"
            cipher-suites: ["TLS_RSA_WITH_AES_128_CBC_SHA"]
            corrupt-check-time: "5s"
            cors: ["https://example.com:443"]
            data-dir: "5.etcd"
            feature-gates.LeaseCheckpoint: true
            host-whitelist: ["a","b"]
            initial-cluster: "5=http://localhost:2380"
            listen-peer-urls: ["http://127.0.0.1:1","http://127.0.0.1:2"]
            log-outputs: [{"file":"a"},{"file":"b"}]
            max-concurrent-streams: 100
            name: "5"
            pre-vote: false
            quota-backend-bytes: -1
            snapshot-count: 7
        "#]],
    );
}

#[test]
fn json_and_other_letter_case_are_read() {
    check(
        "{\n\t\"Name\": \"a\",\n\t\"client-transport-security\": {\"Auto-TLS\": true}\n}",
        expect![[r#"
            client-transport-security.auto-tls: true
            data-dir: "a.etcd"
            initial-cluster: "a=http://localhost:2380"
            name: "a"
        "#]],
    );
    check(
        "name: exact\nNAME: other\n",
        expect![[r#"
            data-dir: "exact.etcd"
            initial-cluster: "exact=http://localhost:2380"
            name: "exact"
        "#]],
    );
}

#[test]
fn the_rules_for_files_apply() {
    check(
        "listen-client-urls: http://127.0.0.1:1\n",
        expect![[r#"
            listen-client-urls: ["http://127.0.0.1:1"]
        "#]],
    );
}

#[test]
fn faults_name_line_and_column() {
    check(
        "\
name: [a]
snapshot-count: \"7\"
heartbeat-interval: -1
max-concurrent-streams: 5000000000
pre-vote: maybe
corrupt-check-time: 10m
listen-peer-urls:
  - http://127.0.0.1:1
listen-client-urls: 127.0.0.1:1
cipher-suites: a,b
peer-transport-security: yes
client-transport-security:
  auto-tls: 5
feature-gates: Nope=true
",
        expect![[r#"
            exit 1
            FILE:1:7: name: expected a text, found a list
            FILE:2:17: snapshot-count: expected a whole number from 0 without quotes, found the text "7"
            FILE:3:21: heartbeat-interval: expected a whole number from 0 without quotes, found -1
            FILE:4:25: max-concurrent-streams: expected a whole number up to 4294967295, found 5000000000
            FILE:5:11: pre-vote: expected true or false, found the text "maybe"
            FILE:6:21: corrupt-check-time: expected a number of nanoseconds, here 600000000000, found the text "10m"
            FILE:8:3: unexpected error setting up listen-peer-urls: expected one text with commas in it, found a list; write URLs such as http://127.0.0.1:2379, separated by commas
            FILE:9:21: unexpected error setting up listen-client-urls: parse "127.0.0.1:1": first path segment in URL cannot contain colon; write URLs such as http://127.0.0.1:2379, separated by commas
            FILE:10:16: cipher-suites: expected a list, such as [a, b], found the text "a,b"
            FILE:11:26: invalid peer-transport-security; write its settings as a mapping, one indented line each
            FILE:13:13: auto-tls: expected true or false, found 5
            FILE:14:16: feature-gates: unrecognized feature gate: Nope
        "#]],
    );
}

#[test]
fn faults_of_checks_name_the_value() {
    check(
        "name: a\ninitial-cluster-state: old\ntls-min-version: TLS1.0\n",
        expect![[r#"
            exit 1
            FILE:2:24: unexpected clusterState "old"; write new or existing
            FILE:3:18: unexpected TLS version "TLS1.0" (must be one of: TLS1.2, TLS1.3); write one of them or leave it out
        "#]],
    );
}

#[test]
fn a_text_that_is_no_mapping_is_one_fault() {
    check(
        "name",
        expect![[r#"
            exit 1
            FILE:1:1: invalid type: a text, expected a mapping of keys to values; write YAML, JSON, or lines ETCD_NAME="value"
        "#]],
    );
    check(
        "name: a\n  b: c\n",
        expect![[r#"
            exit 1
            FILE:2:4: mapping values are not allowed in this context; write YAML, JSON, or lines ETCD_NAME="value"
        "#]],
    );
    check(
        "- a\n",
        expect![[r#"
            exit 1
            FILE:1:1: invalid type: sequence, expected a map; write YAML, JSON, or lines ETCD_NAME="value"
        "#]],
    );
}

#[test]
fn unknown_and_repeated_keys_are_told() {
    let text = "name: b\nname: a\ndata-dir: d\ndata-dri: e\ncert-file: c\nsocket-options: {x: 1}\n\
                raft-read-timeout: 1\n";
    expect![[r#"
        Info: loaded the configuration file; other flags and variables are ignored path=FILE
        Warn: unrecognized key in the configuration file place=FILE:5:12 key=cert-file perhaps=client-transport-security.cert-file
        Warn: unrecognized key in the configuration file place=FILE:4:11 key=data-dri perhaps=data-dir
        Warn: unrecognized key in the configuration file place=FILE:7:20 key=raft-read-timeout
        Warn: key is repeated in the configuration file; the last one counts place=FILE:2:7 key=name
        Warn: unrecognized key in the configuration file place=FILE:6:21 key=socket-options.x
        Warn: gRPC and HTTP share the client listeners
    "#]].assert_eq(&with_file(text, warnings, &[], &[]));
}
