//! What the operator is told about a valid configuration.

use expect_test::{Expect, expect};

use crate::{load, warnings};

/// A member that nothing need be said about.
const PLAIN: &[&str] =
    &["--name=a", "--data-dir=d", "--listen-client-http-urls=http://127.0.0.1:1"];

fn check(args: &[&str], environment: &[(&str, &str)], expect: Expect) {
    let args: Vec<&str> = PLAIN.iter().chain(args).copied().collect();
    expect.assert_eq(&warnings(load(&args, environment)));
}

#[test]
fn a_plain_start_is_told_about_its_name_directory_and_shared_listeners() {
    expect![[r#"
        Warn: no data directory was given; using one named by the member data-dir=default.etcd
        Warn: the member is named "default"; give each member a name of its own
        Warn: gRPC and HTTP share the client listeners
    "#]]
    .assert_eq(&warnings(load(&[], &[])));
}

#[test]
fn flags_without_effect_share_one_warning() {
    check(
        &["--max-wals=7", "--raft-read-timeout=7s", "--pre-vote=false", "--name=b"],
        &[],
        expect![[r#"
            Warn: flags were set that have no effect here max-wals=the log is one database: --snapshot-count and --snapshot-catchup-entries say what it keeps raft-read-timeout=connections to peers are pinged, and a silent one is given up after 10s
        "#]],
    );
}

#[test]
fn deprecated_and_dropped_flags_are_told() {
    check(
        &["--max-snapshots=5", "--v2-deprecation=gone", "--force"],
        &[("ETCD_VV", "1")],
        expect![[r#"
            Warn: --max-snapshots is deprecated in 3.6 and will be decommissioned in 3.8
            Warn: --v2-deprecation is deprecated in 3.6 and will be decommissioned in 3.8
            Warn: flag is no longer supported and has no effect flag=force
            Warn: flag is no longer supported and has no effect flag=vv
        "#]],
    );
}

#[test]
fn unknown_and_misplaced_variables_are_told() {
    check(
        &[],
        &[
            ("ETCD_NMAE", "x"),
            ("ETCD_VERSION", "1"),
            ("ETCD_UNSUPPORTED_ARCH", "x"),
            ("ETCD_QQ", ""),
        ],
        expect![[r#"
            Warn: unrecognized environment variable environment-variable=ETCD_NMAE perhaps=ETCD_NAME
            Warn: environment variable has no meaning here and is ignored environment-variable=ETCD_VERSION
            Warn: unrecognized environment variable environment-variable=ETCD_QQ
        "#]],
    );
}

#[test]
fn tls_settings_without_tls_are_told() {
    check(
        &["--cert-file=c", "--key-file=k", "--client-cert-auth", "--auto-tls", "--peer-auto-tls"],
        &[],
        expect![[r#"
            Warn: the scheme is http, so that the certificate is not used on this listener side=client url=http://localhost:2379
            Warn: the scheme is http, so that no certificate is asked for on this listener side=client url=http://localhost:2379
            Warn: the scheme is http, so that the certificate is not used on this listener side=client url=http://127.0.0.1:1
            Warn: the scheme is http, so that no certificate is asked for on this listener side=client url=http://127.0.0.1:1
            Warn: a certificate is given, so that none is generated flag=auto-tls
        "#]],
    );
}

#[test]
fn large_limits_and_odd_values_are_told() {
    check(
        &[
            "--max-request-bytes=10485761",
            "--quota-backend-bytes=8589934593",
            "--bcrypt-cost=32",
            "--metrics=all",
            "--feature-gates=LeaseCheckpoint=true,FastLeaseKeepAlive=false,AllBeta=false",
        ],
        &[],
        expect![[r#"
            Warn: --bcrypt-cost is out of range; using the default given=32 default=10
            Warn: --max-request-bytes is larger than recommended max-request-bytes=10485761 recommended-bytes=10485760
            Warn: --quota-backend-bytes is larger than recommended quota-backend-bytes=8589934593 recommended-bytes=8589934592
            Warn: feature gates were set that have no effect here TxnModeWriteWithSharedBuffer=a txn reads what is committed, and never a buffer
            Warn: feature gate LeaseCheckpoint without LeaseCheckpointPersist: remaining times are stored all the same
            Warn: --metrics is neither basic nor extensive and acts as basic metrics=all
        "#]],
    );
}

#[test]
fn the_detected_host_is_told() {
    check(
        &["--listen-peer-urls=http://0.0.0.0:2380"],
        &[],
        expect![[r#"
            Info: advertising the address of the default route host=10.0.52.13
        "#]],
    );
    let args = ["--listen-peer-urls=http://0.0.0.0:2380".into()];
    expect![[r#"
        Warn: no default route found; the default advertise URLs name localhost, where no other machine reaches this member
        Warn: no data directory was given; using one named by the member data-dir=default.etcd
        Warn: the member is named "default"; give each member a name of its own
        Warn: gRPC and HTTP share the client listeners
    "#]].assert_eq(&warnings(etcd_config::Config::load(args, [], || None)));
}
