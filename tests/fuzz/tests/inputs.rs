//! The seeds, and what a fuzzer once found, without a fuzzer.

use std::fs;
use std::path::Path;

#[test]
fn every_seed_is_served() {
    let seeds = etcd_fuzz::seeds::seeds();
    assert!(!seeds.is_empty());
    for (_, input) in seeds {
        etcd_fuzz::run(&input);
    }
}

#[test]
fn every_finding_is_served() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("findings");
    for entry in fs::read_dir(folder).expect("the folder is there") {
        etcd_fuzz::run(&fs::read(entry.expect("an entry").path()).expect("a finding"));
    }
}

#[test]
fn inputs_say_what_was_said() {
    use etcd_fuzz::input::{Kind, Request, input, requests};
    let said = [
        Request { kind: Kind::Put, message: "put".into() },
        Request { kind: Kind::Command, message: "".into() },
    ];
    assert_eq!(requests(&input(&said)), said);
    assert_eq!(requests(&[0, 9, 0, 1]), [Request { kind: Kind::Range, message: "\x01".into() }]);
    assert_eq!(requests(&[0, 9]), []);
}
