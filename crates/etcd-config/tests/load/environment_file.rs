//! Configuration files with lines `ETCD_NAME=value`.

use expect_test::{Expect, expect};

use crate::{outcome, warnings, with_file};

fn check(text: &str, expect: Expect) {
    expect.assert_eq(&with_file(text, outcome, &[], &[]));
}

#[test]
fn quoting_follows_systemd() {
    check(
        "ETCD_NAME='a b'\nETCD_DATA_DIR=\"/x/$HOME\"\nETCD_INITIAL_CLUSTER_TOKEN=to\\\nken # x\n",
        expect![[r#"
            data-dir: "/x/$HOME"
            initial-cluster: "a b=http://localhost:2380"
            initial-cluster-token: "token # x"
            name: "a b"
        "#]],
    );
}

#[test]
fn the_rules_for_variables_apply() {
    check(
        "ETCD_LISTEN_CLIENT_URLS=http://127.0.0.1:1\n",
        expect![[r#"
            exit 1
            FILE:1:1: --advertise-client-urls is required when --listen-client-urls is set explicitly; set it to the URLs at which clients reach this member
        "#]],
    );
    check(
        "ETCD_CORRUPT_CHECK_TIME=5s\nETCD_MAX_SNAPSHOTS=\n",
        expect![[r#"
            corrupt-check-time: "5s"
        "#]],
    );
}

#[test]
fn faults_name_line_and_column() {
    check(
        "# Member\n[Member]\nETCD_NAME=\"a\"\n  ETCD_SNAPSHOT_COUNT=\"many\"\nETCD_X='open\n",
        expect![[r#"
            exit 1
            FILE:2:1: expected NAME=value, found "[Member]"; put a # before a heading or a comment
            FILE:4:3: invalid value "many" for ETCD_SNAPSHOT_COUNT: parse error; write a whole number from 0
            FILE:5:8: the quote that opens here is not closed; close it with the same quote
        "#]],
    );
    check(
        "ETCD_NAME=a\n\nETCD_ELECTION_TIMEOUT=\"100\"\n",
        expect![[r#"
            exit 1
            FILE:3:1: --election-timeout[100ms] should be at least as 5 times as --heartbeat-interval[100ms]; raise --election-timeout to 500 or lower the interval
        "#]],
    );
}

#[test]
fn what_is_not_etcds_is_told_and_left() {
    let text = "ETCD_NAME=a\nETCD_DATA_DIR=d\nETCD_DATA_DRI=e\nGOGC=1\nETCD_VERSION=true\n";
    expect![[r#"
        Info: loaded the configuration file; other flags and variables are ignored path=FILE
        Warn: variable in the configuration file is not etcd's place=FILE:4:1 variable=GOGC
        Warn: unrecognized environment variable environment-variable=ETCD_DATA_DRI place=FILE:3:1 perhaps=ETCD_DATA_DIR
        Warn: environment variable has no meaning here and is ignored environment-variable=ETCD_VERSION place=FILE:5:1
        Warn: gRPC and HTTP share the client listeners
    "#]].assert_eq(&with_file(text, warnings, &[], &[]));
}
