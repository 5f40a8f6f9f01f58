//! Every check, by etcd's message.

use expect_test::{Expect, expect};

use crate::{load, outcome, with_file};

fn check(args: &[&str], expect: Expect) {
    expect.assert_eq(&outcome(load(args, &[])));
}

#[test]
fn discovery_cannot_fall_back_to_a_proxy() {
    check(
        &["--discovery-fallback=proxy"],
        expect![[r#"
            exit 1
            v2 proxy is deprecated, and --discovery-fallback can't be configured as "proxy"; leave it out
        "#]],
    );
}

#[test]
fn a_file_may_only_say_new_or_existing() {
    let shown = with_file("initial-cluster-state: old\n", outcome, &[], &[]);
    expect![[r#"
        exit 1
        FILE:1:24: unexpected clusterState "old"; write new or existing
    "#]]
    .assert_eq(&shown);
}

#[test]
fn one_logger_is_left() {
    check(
        &["--logger=capnslog"],
        expect![[r#"
            exit 1
            --logger=capnslog is removed in v3.5; write zap or leave it out
        "#]],
    );
    check(
        &["--logger=log"],
        expect![[r#"
            exit 1
            --logger: unknown logger option "log"; write zap or leave it out
        "#]],
    );
}

#[test]
fn log_outputs_go_together() {
    check(
        &["--log-outputs=default,stderr"],
        expect![[r#"
            exit 1
            --log-outputs: multi logoutput for "default" is not supported yet; write stderr for default
        "#]],
    );
    check(
        &["--log-outputs=systemd/journal,stderr"],
        expect![[r#"
            exit 1
            running with systemd/journal but other '--log-outputs' values (["stderr" "systemd/journal"]) are configured with 'default'; override 'default' value with something else; write systemd/journal alone
        "#]],
    );
}

#[test]
fn a_rotated_log_is_one_file() {
    check(
        &["--enable-log-rotation"],
        expect![[r#"
            exit 1
            --log-outputs requires a single file path when --log-rotate-config-json is defined; name one file in --log-outputs or leave --enable-log-rotation out
        "#]],
    );
    check(
        &["--enable-log-rotation", "--log-outputs=a.log,b.log"],
        expect![[r#"
            exit 1
            --log-outputs requires a single file path when --log-rotate-config-json is defined; name one file in --log-outputs or leave --enable-log-rotation out
        "#]],
    );
    check(
        &["--enable-log-rotation", "--log-outputs=a.log"],
        expect![[r#"
            enable-log-rotation: true
            log-outputs: [{"file":"a.log"}]
        "#]],
    );
    for json in ["{", "{\"maxsize\": \"x\"}"] {
        let args =
            ["--enable-log-rotation", "--log-outputs=a.log", "--log-rotation-config-json", json];
        let shown = outcome(load(&args, &[]));
        assert!(shown.contains("log rotation config: "), "{shown}");
    }
    check(
        &["--log-rotation-config-json={"],
        expect![[r#"
            log-rotation-config-json: "{"
        "#]],
    );
}

#[test]
fn log_format_and_level_are_words_of_a_list() {
    check(
        &["--log-format=xml", "--log-level=loud"],
        expect![[r#"
            exit 1
            --log-format: unknown log format: xml, supported values json, console
            --log-level: unrecognized level: "loud"; write debug, info, warn, error, panic or fatal
        "#]],
    );
    check(
        &["--log-format=console", "--log-level=DEBUG"],
        expect![[r#"
            log-format: "console"
            log-level: "debug"
        "#]],
    );
}

#[test]
fn listeners_need_an_address() {
    check(
        &[
            "--listen-peer-urls=http://example.com:1",
            "--listen-client-urls=http://:2379,unix://localhost:1,http://[::]:1",
            "--advertise-client-urls=http://a:1",
            "--listen-client-http-urls=http://h:1",
            "--listen-metrics-urls=http://m:1",
        ],
        expect![[r#"
            exit 1
            --listen-peer-urls: expected IP in URL for binding (http://example.com:1); write an IP address, 0.0.0.0 for all of them, or localhost
            --listen-client-urls: expected IP in URL for binding (http://:2379); write an IP address, 0.0.0.0 for all of them, or localhost
            --listen-client-http-urls: expected IP in URL for binding (http://h:1); write an IP address, 0.0.0.0 for all of them, or localhost
            --listen-metrics-urls: expected IP in URL for binding (http://m:1); write an IP address, 0.0.0.0 for all of them, or localhost
        "#]],
    );
}

#[test]
fn advertised_urls_need_a_host() {
    check(
        &["--initial-advertise-peer-urls=http://:1", "--advertise-client-urls=http://:2,unix:/s"],
        expect![[r#"
            exit 1
            --initial-advertise-peer-urls "http://:1" must be "host:port" (unexpected empty host (http://:1)); name the host at which others reach this member
            --advertise-client-urls "http://:2,unix:/s" must be in the format "host:port", "unix:/path/to/socket" or "unixs:/path/to/socket" (unexpected empty host (http://:2)); name the host at which others reach this member
        "#]],
    );
}

#[test]
fn there_is_one_way_to_find_the_first_members() {
    check(
        &["--initial-cluster=a=http://a:1", "--discovery-srv=example.com"],
        expect![[r#"
            exit 1
            --discovery-srv: multiple discovery or bootstrap flags are set. Choose one of "initial-cluster", "discovery-endpoints" or "discovery-srv"; here initial-cluster and discovery-srv are set
        "#]],
    );
}

#[test]
fn discovery_needs_a_token_and_endpoints() {
    check(
        &["--discovery-token=t"],
        expect![[r#"
            exit 1
            both --discovery-token and --discovery-endpoints must be set; give --discovery-endpoints too
        "#]],
    );
    check(
        &["--discovery-endpoints=http://a:1"],
        expect![[r#"
            exit 1
            both --discovery-token and --discovery-endpoints must be set; give --discovery-token too
        "#]],
    );
    check(
        &["--discovery-token=t", "--discovery-endpoints=http://a:1,,"],
        expect![[r#"
            exit 1
            --discovery-endpoints must not contain empty endpoints; remove the comma that is too many
        "#]],
    );
}

#[test]
fn a_leader_beats_several_times_within_an_election() {
    check(
        &["--heartbeat-interval=0", "--election-timeout=0"],
        expect![[r#"
            exit 1
            --heartbeat-interval must be >0 (set to 0ms); write a number of milliseconds
            --election-timeout must be >0 (set to 0ms); write a number of milliseconds
        "#]],
    );
    check(
        &["--heartbeat-interval=300"],
        expect![[r#"
            exit 1
            --election-timeout[1000ms] should be at least as 5 times as --heartbeat-interval[300ms]; raise --election-timeout to 1500 or lower the interval
        "#]],
    );
    check(
        &["--election-timeout=499"],
        expect![[r#"
            exit 1
            --election-timeout[499ms] should be at least as 5 times as --heartbeat-interval[100ms]; raise --election-timeout to 500 or lower the interval
        "#]],
    );
    check(
        &["--election-timeout=50001"],
        expect![[r#"
            exit 1
            --election-timeout[50001ms] is too long, and should be set less than 50000ms; lower it
        "#]],
    );
    check(
        &["--election-timeout=500"],
        expect![[r#"
            election-timeout: "500ms"
        "#]],
    );
}

#[test]
fn own_client_listeners_must_be_advertised() {
    check(
        &["--listen-client-urls=http://127.0.0.1:1"],
        expect![[r#"
            exit 1
            --advertise-client-urls is required when --listen-client-urls is set explicitly; set it to the URLs at which clients reach this member
        "#]],
    );
}

#[test]
fn automatic_compaction_counts_time_or_revisions() {
    check(
        &["--auto-compaction-mode="],
        expect![[r#"
            exit 1
            --auto-compaction-mode: undefined auto-compaction-mode; write periodic or revision
        "#]],
    );
    check(
        &["--auto-compaction-mode=daily"],
        expect![[r#"
            exit 1
            --auto-compaction-mode: unknown auto-compaction-mode "daily"; write periodic or revision
        "#]],
    );
    check(
        &["--auto-compaction-retention=-1"],
        expect![[r#"
            exit 1
            --auto-compaction-retention: error parsing CompactionRetention: time: missing unit in duration "-1"; write a whole number or a duration such as 90m
        "#]],
    );
}

#[test]
fn a_sampling_rate_is_a_part_of_a_million() {
    let rate = "--distributed-tracing-sampling-rate";
    check(
        &["--enable-distributed-tracing", rate, "-1"],
        expect![[r#"
            exit 1
            --distributed-tracing-sampling-rate: distributed tracing configurition is not valid: (tracing sampling rate must be positive); write how many of a million are traced
        "#]],
    );
    check(
        &["--enable-distributed-tracing", rate, "1000001"],
        expect![[r#"
            exit 1
            --distributed-tracing-sampling-rate: distributed tracing configurition is not valid: (tracing sampling rate must be less than 1000000); write how many of a million are traced
        "#]],
    );
    check(
        &[rate, "-1"],
        expect![[r#"
            distributed-tracing-sampling-rate: -1
        "#]],
    );
}

#[test]
fn stored_lease_checkpoints_need_replicated_ones() {
    check(
        &["--feature-gates=LeaseCheckpointPersist=true"],
        expect![[r#"
            exit 1
            --feature-gates: enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint; add LeaseCheckpoint=true
        "#]],
    );
}

#[test]
fn the_hash_check_has_a_period() {
    check(
        &["--compact-hash-check-time=0"],
        expect![[r#"
            exit 1
            --compact-hash-check-time must be >0 (set to 0s); write a duration such as 1m
        "#]],
    );
    check(
        &["--compact-hash-check-time=-1m"],
        expect![[r#"
            exit 1
            --compact-hash-check-time must be >0 (set to -1m0s); write a duration such as 1m
        "#]],
    );
}

#[test]
fn tls_versions_have_names_and_an_order() {
    check(
        &["--tls-min-version=TLS1.1", "--tls-max-version=x"],
        expect![[r#"
            exit 1
            --tls-min-version: unexpected TLS version "TLS1.1" (must be one of: TLS1.2, TLS1.3); write one of them or leave it out
            --tls-max-version: unexpected TLS version "x" (must be one of: TLS1.2, TLS1.3); write one of them or leave it out
        "#]],
    );
    check(
        &["--tls-min-version=TLS1.3", "--tls-max-version=TLS1.2"],
        expect![[r#"
            exit 1
            --tls-max-version: min version (TLS1.3) is greater than max version (TLS1.2); raise it or leave it out
        "#]],
    );
    check(
        &["--tls-min-version=TLS1.3", "--cipher-suites=TLS_RSA_WITH_AES_128_CBC_SHA"],
        expect![[r#"
            exit 1
            --cipher-suites: cipher suites cannot be configured when only TLS1.3 is enabled; leave them out
        "#]],
    );
    check(
        &["--cipher-suites=TLS_RSA_WITH_AES_128_CBC_SHA,TLS_NOPE"],
        expect![[r#"
            exit 1
            --cipher-suites: unexpected TLS cipher suite "TLS_NOPE"; write names such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        "#]],
    );
    check(
        &["--tls-min-version=", "--tls-max-version=TLS1.3"],
        expect![[r#"
            tls-max-version: "TLS1.3"
            tls-min-version: ""
        "#]],
    );
}

#[test]
fn a_certificate_needs_its_key() {
    check(
        &["--peer-cert-file=c"],
        expect![[r#"
            exit 1
            --peer-cert-file: KeyFile and CertFile must both be present[key: , cert: c]; give --peer-key-file too
        "#]],
    );
    check(
        &["--peer-client-key-file=k", "--peer-auto-tls"],
        expect![[r#"
            exit 1
            --peer-client-key-file: ClientKeyFile and ClientCertFile must both be present or both absent: key: k, cert: ]; give --peer-client-cert-file too
        "#]],
    );
    check(
        &["--cert-file=c"],
        expect![[r#"
            client-transport-security.cert-file: "c"
        "#]],
    );
    check(
        &[
            "--key-file=k",
            "--listen-client-urls=https://127.0.0.1:1",
            "--advertise-client-urls=https://a:1",
        ],
        expect![[r#"
            exit 1
            --key-file: KeyFile and CertFile must both be present[key: k, cert: ]; give --cert-file too
        "#]],
    );
}

#[test]
fn certificates_are_told_by_one_kind_of_name() {
    check(
        &["--peer-cert-allowed-cn=a", "--peer-cert-allowed-hostname=b,c", "--peer-auto-tls"],
        expect![[r#"
            exit 1
            --peer-cert-allowed-hostname: AllowedCNs and AllowedHostnames are mutually exclusive (cns=["a"], hostnames=["b" "c"]); leave one of the two out
        "#]],
    );
}

#[test]
fn listeners_that_speak_tls_need_a_certificate() {
    check(
        &[
            "--listen-peer-urls=https://127.0.0.1:1",
            "--listen-client-urls=https://127.0.0.1:2",
            "--advertise-client-urls=https://a:2",
            "--listen-client-http-urls=unixs:/s",
            "--listen-metrics-urls=https://127.0.0.1:3",
        ],
        expect![[r#"
            exit 1
            --listen-peer-urls: cannot listen on TLS for 127.0.0.1:1: KeyFile and CertFile are not presented; give --peer-cert-file and --peer-key-file or --peer-auto-tls
            --listen-client-urls: TLS key/cert (--cert-file, --key-file) must be provided for client url https://127.0.0.1:2 with HTTPS scheme; give --cert-file and --key-file or --auto-tls
            --listen-client-http-urls: TLS key/cert (--cert-file, --key-file) must be provided for client url unixs:/s with HTTPS scheme; give --cert-file and --key-file or --auto-tls
            --listen-metrics-urls: client TLS key/cert (--cert-file, --key-file) must be provided for metrics secure url; give --cert-file and --key-file or --auto-tls
        "#]],
    );
    check(
        &["--listen-peer-urls=https://127.0.0.1:1", "--peer-auto-tls"],
        expect![[r#"
            listen-peer-urls: ["https://127.0.0.1:1"]
            peer-transport-security.auto-tls: true
        "#]],
    );
}

#[test]
fn an_address_speaks_grpc_or_http_alone() {
    check(
        &[
            "--listen-client-http-urls=http://127.0.0.1:1",
            "--listen-client-urls=http://127.0.0.1:1",
            "--advertise-client-urls=http://a:1",
        ],
        expect![[r#"
            exit 1
            cannot bind both --listen-client-urls and --listen-client-http-urls on the same url http://127.0.0.1:1; give each its own port
        "#]],
    );
}

#[test]
fn a_generated_certificate_is_valid_for_some_time() {
    check(
        &["--auto-tls", "--self-signed-cert-validity=0"],
        expect![[r#"
            exit 1
            --self-signed-cert-validity: selfSignedCertValidity is invalid,it should be greater than 0; write a number of years
        "#]],
    );
    check(
        &["--auto-tls", "--self-signed-cert-validity=0", "--cert-file=c", "--key-file=k"],
        expect![[r#"
            client-transport-security.auto-tls: true
            client-transport-security.cert-file: "c"
            client-transport-security.key-file: "k"
            self-signed-cert-validity: 0
        "#]],
    );
}

#[test]
fn a_token_has_valid_options() {
    check(
        &["--auth-token=paper"],
        expect![[r#"
            exit 1
            --auth-token: auth: invalid auth options; write simple, or jwt,sign-method=RS256,pub-key=FILE,priv-key=FILE,ttl=5m
        "#]],
    );
    check(
        &["--auth-token=jwt,sign-method=none"],
        expect![[r#"
            exit 1
            --auth-token: auth: invalid auth options; write simple, or jwt,sign-method=RS256,pub-key=FILE,priv-key=FILE,ttl=5m
        "#]],
    );
}

#[test]
fn all_faults_are_reported_at_once_in_etcds_order() {
    check(
        &["--auth-token=paper", "--tls-max-version=x", "--log-format=xml", "--logger=log"],
        expect![[r#"
            exit 1
            --logger: unknown logger option "log"; write zap or leave it out
            --log-format: unknown log format: xml, supported values json, console
            --tls-max-version: unexpected TLS version "x" (must be one of: TLS1.2, TLS1.3); write one of them or leave it out
            --auth-token: auth: invalid auth options; write simple, or jwt,sign-method=RS256,pub-key=FILE,priv-key=FILE,ttl=5m
        "#]],
    );
}
