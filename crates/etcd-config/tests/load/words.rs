//! The command line's own grammar.

use expect_test::{Expect, expect};

use crate::{load, outcome};

fn check(args: &[&str], expect: Expect) {
    expect.assert_eq(&outcome(load(args, &[])));
}

#[test]
fn one_dash_two_dashes_an_equals_sign_and_a_next_word_are_the_same() {
    let expected =
        ["data-dir: \"a.etcd\"", "initial-cluster: \"a=http://localhost:2380\"", "name: \"a\""];
    let expected = expected.join("\n") + "\n";
    for args in [&["-name", "a"][..], &["--name", "a"], &["-name=a"], &["--name=a"]] {
        assert_eq!(outcome(load(args, &[])), expected, "{args:?}");
    }
}

#[test]
fn a_bare_boolean_is_true_and_takes_no_next_word() {
    check(
        &["--unsafe-no-fsync", "--pre-vote=false"],
        expect![[r#"
            pre-vote: false
            unsafe-no-fsync: true
        "#]],
    );
    check(
        &["--unsafe-no-fsync", "false"],
        expect![[r#"
            exit 1
            "false" is not a valid flag; flags begin with -- and a boolean flag takes its value behind =
        "#]],
    );
    check(
        &["--pre-vote=yes"],
        expect![[r#"
            exit 2
            invalid boolean value "yes" for -pre-vote: parse error; write true or false
        "#]],
    );
}

#[test]
fn the_last_of_a_repeated_flag_counts() {
    check(
        &["--snapshot-count=1", "--snapshot-count=0x10"],
        expect![[r#"
            snapshot-count: 16
        "#]],
    );
}

#[test]
fn unreadable_words_are_reported_together() {
    check(
        &[
            "--snapshot-count=-1",
            "--max-concurrent-streams",
            "4294967296",
            "--corrupt-check-time=5",
            "--quota-backend-bytes=big",
            "--listen-peer-urls=10.0.0.1:2380",
            "--initial-cluster-state=old",
            "--v2-deprecation=never",
            "--feature-gates=Nope=true",
            "--dta-dir",
            "x",
            "--experimental-compact-hash-check-time=1m",
            "--discovery=x",
            "---x",
            "--name",
        ],
        expect![[r#"
            exit 2
            invalid value "-1" for flag -snapshot-count: parse error; write a whole number from 0
            invalid value "4294967296" for flag -max-concurrent-streams: strconv.ParseUint: parsing "4294967296": value out of range; write a whole number from 0 to 4294967295
            invalid value "5" for flag -corrupt-check-time: parse error; write a number with a unit, such as 500ms, 5s or 1h30m
            invalid value "big" for flag -quota-backend-bytes: parse error; write a whole number
            invalid value "10.0.0.1:2380" for flag -listen-peer-urls: parse "10.0.0.1:2380": first path segment in URL cannot contain colon; write URLs such as http://127.0.0.1:2379, separated by commas
            invalid value "old" for flag -initial-cluster-state: invalid value; write new or existing
            invalid value "never" for flag -v2-deprecation: invalid value "never"; write not-yet or write-only or write-only-drop-data or gone
            invalid value "Nope=true" for flag -feature-gates: unrecognized feature gate: Nope; write gates such as LeaseCheckpoint=true
            flag provided but not defined: -dta-dir; perhaps --data-dir is meant
            flag provided but not defined: -experimental-compact-hash-check-time; perhaps --compact-hash-check-time is meant
            flag provided but not defined: -discovery; etcd --help lists every flag
            bad flag syntax: ---x; write --name=value
            flag needs an argument: -name
        "#]],
    );
}

#[test]
fn what_is_no_flag_is_refused() {
    check(
        &["gateway", "start"],
        expect![[r#"
            exit 1
            "gateway" is not a valid flag; flags begin with -- and a boolean flag takes its value behind =
        "#]],
    );
    check(
        &["--", "x"],
        expect![[r#"
            exit 1
            "x" is not a valid flag; flags begin with -- and a boolean flag takes its value behind =
        "#]],
    );
    check(
        &["-"],
        expect![[r#"
            exit 1
            "-" is not a valid flag; flags begin with -- and a boolean flag takes its value behind =
        "#]],
    );
}

#[test]
fn help_and_version_are_only_signalled() {
    check(
        &["--help"],
        expect![[r#"
            help
        "#]],
    );
    check(
        &["--name", "a", "-h"],
        expect![[r#"
            help
        "#]],
    );
    check(
        &["--version"],
        expect![[r#"
            version
        "#]],
    );
    check(&["--version=false", "--name=default"], expect![[""]]);
    check(
        &["--nonsense", "--help"],
        expect![[r#"
            exit 2
            flag provided but not defined: -nonsense; etcd --help lists every flag
        "#]],
    );
}

#[test]
fn flags_that_etcd_dropped_are_accepted_in_any_form() {
    check(&["--force", "-snapshot=true", "--retry-interval=5s", "-vv"], expect![[""]]);
}

#[test]
fn a_usage_error_ends_with_the_usage() {
    let error = load(&["--nope"], &[]).expect_err("there is no such flag").to_string();
    assert!(error.starts_with("flag provided but not defined: -nope"), "{error}");
    assert!(error.contains("\nUsage:\n"), "{error}");
}

#[cfg(unix)]
#[test]
fn an_argument_that_is_no_text_is_named() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    let args = ["--name".into(), OsString::from_vec(vec![b'a', 0xff])];
    let loaded = etcd_config::Config::load(args, [], || None);
    expect![[r#"
        exit 2
        argument 2 is not UTF-8: "a\xFF"; write every argument as UTF-8 text
    "#]]
    .assert_eq(&outcome(loaded));
}
