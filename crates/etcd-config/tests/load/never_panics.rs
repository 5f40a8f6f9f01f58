//! No input of any kind makes loading panic.

use std::ffi::OsString;
use std::io::Write;

use etcd_config::Config;
use proptest::prelude::*;

/// Words that lead deep into the reader, mixed with anything.
fn word() -> impl Strategy<Value = OsString> {
    let flag = prop::sample::select(vec![
        "name",
        "listen-peer-urls",
        "listen-client-urls",
        "election-timeout",
        "pre-vote",
        "cors",
        "corrupt-check-time",
        "feature-gates",
        "cipher-suites",
        "log-outputs",
        "auth-token",
        "quota-backend-bytes",
        "auto-compaction-retention",
        "force",
        "version",
        "initial-cluster",
        "log-rotation-config-json",
        "enable-log-rotation",
        "advertise-client-urls",
    ]);
    let value = prop_oneof![any::<String>(), "[-+0-9a-z.,=:/\\[\\]]{0,24}", text_of_urls()];
    prop_oneof![
        (flag, value).prop_map(|(flag, value)| OsString::from(format!("--{flag}={value}"))),
        any::<OsString>(),
    ]
}

fn text_of_urls() -> impl Strategy<Value = String> {
    "(https?|unixs?)://?(0.0.0.0|\\[::1\\]|a)?(:[0-9]{0,6})?(/|,)?".boxed()
}

fn variable() -> impl Strategy<Value = (OsString, OsString)> {
    prop_oneof![
        ("ETCD_[A-Z_]{0,24}", any::<String>()).prop_map(|(n, v)| (n.into(), v.into())),
        (any::<OsString>(), any::<OsString>()),
    ]
}

fn yaml() -> impl Strategy<Value = Vec<u8>> {
    let key = prop::sample::select(vec![
        "name",
        "Name",
        "listen-peer-urls",
        "election-timeout",
        "pre-vote",
        "log-outputs",
        "client-transport-security",
        "  cert-file",
        "discovery-config",
        "  client",
        "    auth",
        "corrupt-check-time",
        "ETCD_NAME",
        "<<",
        "? a",
        "&x a",
        "- ",
    ]);
    let value = prop_oneof![
        any::<String>(),
        "[-0-9a-z{}\\[\\],:'\"!&*|> ]{0,16}",
        Just("1e400".to_owned()),
        Just("[[[[".repeat(64)),
    ];
    let separator = prop::sample::select(vec![": ", "=", ":", ""]);
    let line = (key, separator, value).prop_map(|(key, by, value)| format!("{key}{by}{value}\n"));
    prop_oneof![
        prop::collection::vec(line, 0..8).prop_map(|lines| lines.concat().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..256),
    ]
}

proptest! {
    #[test]
    fn words_and_variables(
        args in prop::collection::vec(word(), 0..6),
        environment in prop::collection::vec(variable(), 0..6),
    ) {
        // A word may name a configuration file; none of this name is there.
        let shown = match Config::load(args, environment, || None) {
            Ok(loaded) => format!("{loaded:?}"),
            Err(error) => error.to_string(),
        };
        prop_assert!(!shown.is_empty());
    }

    #[test]
    fn files(bytes in yaml()) {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(&bytes).expect("the file takes the bytes");
        let args = [OsString::from("--config-file"), file.path().into()];
        let shown = match Config::load(args, [], || None) {
            Ok(loaded) => format!("{loaded:?}"),
            Err(error) => error.to_string(),
        };
        prop_assert!(!shown.is_empty());
    }
}
