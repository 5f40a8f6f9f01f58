//! Which of several sources counts.

use expect_test::{Expect, expect};

use crate::{load, outcome, warnings, with_file};

fn check(args: &[&str], environment: &[(&str, &str)], expect: Expect) {
    expect.assert_eq(&outcome(load(args, environment)));
}

fn check_file(text: &str, args: &[&str], environment: &[(&str, &str)], expect: Expect) {
    expect.assert_eq(&with_file(text, outcome, args, environment));
}

#[test]
fn a_variable_replaces_a_default() {
    check(
        &[],
        &[("ETCD_SNAPSHOT_COUNT", "7"), ("HOME", "/x")],
        expect![[r#"
            snapshot-count: 7
        "#]],
    );
}

#[test]
fn an_empty_variable_leaves_the_default() {
    check(&[], &[("ETCD_SNAPSHOT_COUNT", ""), ("ETCD_CONFIG_FILE", "")], expect![[""]]);
}

#[test]
fn flag_and_variable_together_are_a_conflict_even_when_equal_or_empty() {
    check(
        &["--name=a"],
        &[("ETCD_NAME", "a"), ("ETCD_DATA_DIR", "/d")],
        expect![[r#"
            exit 1
            ETCD_NAME: conflicting environment variable is shadowed by corresponding command-line flag (either unset environment variable or disable flag)); give either ETCD_NAME or --name
        "#]],
    );
    check(
        &["--name=a"],
        &[("ETCD_NAME", "")],
        expect![[r#"
            exit 1
            ETCD_NAME: conflicting environment variable is shadowed by corresponding command-line flag (either unset environment variable or disable flag)); give either ETCD_NAME or --name
        "#]],
    );
}

#[test]
fn flags_and_variables_of_different_names_go_together() {
    check(
        &["--snapshot-count=7"],
        &[("ETCD_MAX_TXN_OPS", "8")],
        expect![[r#"
            max-txn-ops: 8
            snapshot-count: 7
        "#]],
    );
}

#[test]
fn bad_variables_are_all_named() {
    check(
        &[],
        &[("ETCD_PRE_VOTE", "maybe"), ("ETCD_ELECTION_TIMEOUT", "1s"), ("ETCD_CORS", "x")],
        expect![[r#"
            exit 1
            invalid value "maybe" for ETCD_PRE_VOTE: parse error; write true or false
            invalid value "1s" for ETCD_ELECTION_TIMEOUT: parse error; write a whole number from 0
            invalid value "x" for ETCD_CORS: URL scheme must be http, https, unix, or unixs: x; write * or URLs such as https://example.com:443
        "#]],
    );
}

#[test]
fn a_file_named_by_a_flag_counts_alone() {
    check_file(
        "max-txn-ops: 9\n",
        &["--snapshot-count=7"],
        &[("ETCD_MAX_LEARNERS", "8"), ("ETCD_PRE_VOTE", "maybe")],
        expect![[r#"
            max-txn-ops: 9
        "#]],
    );
}

#[test]
fn what_a_file_makes_idle_is_told() {
    let shown = with_file(
        "name: a\ndata-dir: d\n",
        warnings,
        &["--snapshot-count=7"],
        &[("ETCD_MAX_LEARNERS", "8")],
    );
    expect![[r#"
        Info: loaded the configuration file; other flags and variables are ignored path=FILE ignored=--snapshot-count,ETCD_MAX_LEARNERS
        Warn: gRPC and HTTP share the client listeners
    "#]].assert_eq(&shown);
}

#[test]
fn the_flag_that_names_a_file_goes_before_the_variable() {
    check_file(
        "max-txn-ops: 9\n",
        &[],
        &[("ETCD_CONFIG_FILE", "/nowhere")],
        expect![[r#"
            max-txn-ops: 9
        "#]],
    );
}

#[test]
fn a_variable_can_name_the_file() {
    check(
        &[],
        &[("ETCD_CONFIG_FILE", "/nowhere/etcd.yaml")],
        expect![[r#"
            exit 1
            /nowhere/etcd.yaml: cannot read the configuration file: No such file or directory (os error 2); name a readable file with --config-file or ETCD_CONFIG_FILE
        "#]],
    );
}

#[test]
fn words_are_read_before_the_file() {
    check_file(
        "max-txn-ops: 9\n",
        &["--snapshot-count=x"],
        &[],
        expect![[r#"
            exit 2
            invalid value "x" for flag -snapshot-count: parse error; write a whole number from 0
        "#]],
    );
}

#[test]
fn a_name_alone_names_the_initial_cluster() {
    check(
        &["--name=a", "--initial-advertise-peer-urls=http://b:1,http://a:1"],
        &[],
        expect![[r#"
            data-dir: "a.etcd"
            initial-advertise-peer-urls: ["http://a:1","http://b:1"]
            initial-cluster: "a=http://a:1,a=http://b:1"
            name: "a"
        "#]],
    );
    check(
        &["--name=a", "--initial-cluster=x=http://a:1"],
        &[],
        expect![[r#"
            data-dir: "a.etcd"
            initial-cluster: "x=http://a:1"
            name: "a"
        "#]],
    );
    check_file(
        "name: a\n",
        &[],
        &[],
        expect![[r#"
            data-dir: "a.etcd"
            initial-cluster: "a=http://localhost:2380"
            name: "a"
        "#]],
    );
}

#[test]
fn discovery_takes_the_default_initial_cluster_away() {
    check(
        &["--discovery-srv=example.com"],
        &[],
        expect![[r#"
            discovery-srv: "example.com"
            initial-cluster: ""
        "#]],
    );
    check_file(
        "discovery-srv: example.com\n",
        &[],
        &[],
        expect![[r#"
            discovery-srv: "example.com"
            initial-cluster: ""
        "#]],
    );
    check(
        &["--discovery-srv=example.com", "--initial-cluster=a=http://a:1"],
        &[],
        expect![[r#"
            exit 1
            --discovery-srv: multiple discovery or bootstrap flags are set. Choose one of "initial-cluster", "discovery-endpoints" or "discovery-srv"; here initial-cluster and discovery-srv are set
        "#]],
    );
}

#[test]
fn listeners_on_all_addresses_are_advertised_at_the_default_route() {
    check(
        &[
            "--name=a",
            "--listen-peer-urls=http://0.0.0.0:4380",
            "--listen-client-urls=http://0.0.0.0:4379",
            "--advertise-client-urls=http://localhost:2379",
        ],
        &[],
        expect![[r#"
            advertise-client-urls: ["http://10.0.52.13:4379"]
            data-dir: "a.etcd"
            initial-advertise-peer-urls: ["http://10.0.52.13:4380"]
            initial-cluster: "a=http://10.0.52.13:4380"
            listen-client-urls: ["http://0.0.0.0:4379"]
            listen-peer-urls: ["http://0.0.0.0:4380"]
            name: "a"
        "#]],
    );
    check_file(
        "listen-client-urls: http://0.0.0.0:4379\n",
        &[],
        &[],
        expect![[r#"
            advertise-client-urls: ["http://10.0.52.13:4379"]
            listen-client-urls: ["http://0.0.0.0:4379"]
        "#]],
    );
}

#[test]
fn the_default_route_is_asked_for_only_when_it_is_needed() {
    let args = ["--listen-peer-urls=http://127.0.0.1:4380".into()];
    let loaded = etcd_config::Config::load(args, [], || panic!("nothing needs the route"));
    assert!(loaded.is_ok());
}

#[test]
fn zero_means_etcds_built_in_value() {
    check(
        &[
            "--quota-backend-bytes=0",
            "--backend-batch-limit=0",
            "--backend-batch-interval=0",
            "--compaction-batch-limit=0",
            "--compaction-sleep-interval=0",
            "--watch-progress-notify-interval=0",
            "--warning-unary-request-duration=0",
        ],
        &[],
        expect![[""]],
    );
}

#[test]
fn values_below_a_least_one_are_raised() {
    check(
        &["--raft-read-timeout=1s", "--watch-progress-notify-interval=1ms", "--bcrypt-cost=3"],
        &[],
        expect![[r#"
            watch-progress-notify-interval: "100ms"
        "#]],
    );
}

#[test]
fn a_user_with_a_password_is_split_and_never_shown() {
    check(
        &[
            "--discovery-token=t",
            "--discovery-endpoints=http://b:1,http://a:1",
            "--discovery-user=me:secret",
        ],
        &[],
        expect![[r#"
            discovery-endpoints: ["http://a:1","http://b:1"]
            discovery-password: "***"
            discovery-token: "t"
            discovery-user: "me"
            initial-cluster: ""
        "#]],
    );
}

#[test]
fn the_second_version_is_always_write_only() {
    check(&["--v2-deprecation=gone"], &[], expect![[""]]);
}
