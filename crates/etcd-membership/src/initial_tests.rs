//! Parsing and checking the initial cluster.

use super::*;
use crate::cluster_id;
use expect_test::{Expect, expect};
use proptest::prelude::*;

const SEED: &str = "etcd01=https://10.0.52.13:2380,etcd02=https://10.0.52.14:2380,\
                    etcd03=https://10.0.52.6:2380";

fn parse(text: &str) -> InitialCluster {
    InitialCluster::parse(text).expect("well-formed")
}

fn nobody(address: &str) -> Result<String, String> {
    Err(format!("lookup {address}: no such host"))
}

/// Shows what comes of founding `cluster` as member `a` that advertises `advertised`.
fn check(cluster: &str, advertised: &[&str], expect: &Expect) {
    let advertised = PeerUrls::parse(advertised).expect("well-formed");
    let shown = match InitialCluster::parse(cluster)
        .and_then(|cluster| cluster.check_new("a", &advertised, &mut nobody))
    {
        Ok(()) => "founds".to_owned(),
        Err(error) => error.to_string(),
    };
    expect.assert_eq(&shown);
}

#[test]
fn the_seeds_members_have_the_ids_of_a_running_etcd() {
    let members = parse(SEED).members("etcd-cluster").expect("ids differ");
    let mut ids: Vec<String> =
        members.iter().map(|member| format!("{} {}", member.name, member.id)).collect();
    ids.sort();
    assert_eq!(
        ids,
        ["etcd01 11babd38de9e1f0f", "etcd02 22436a037c5adb3b", "etcd03 a5e80429e983b681"]
    );
    let cluster = cluster_id(members.iter().map(|member| member.id));
    assert_eq!(cluster.to_string(), "4fb7ed98f0f6d1a7");
}

#[test]
fn a_name_may_stand_several_times_with_one_url_each() {
    let cluster = parse(",b=http://c:1,a=http://b:1,,a=http://a:1,");
    assert_eq!(cluster.to_string(), "a=http://a:1,a=http://b:1,b=http://c:1");
    assert_eq!(cluster.get("a").map(ToString::to_string).as_deref(), Some("http://a:1,http://b:1"));
    assert_eq!(cluster.get("c"), None);
}

#[test]
fn a_member_that_fits_its_cluster_founds_it() {
    check("a=http://a:1,b=http://b:1", &["http://a:1"], &expect!["founds"]);
    check("a=http://b:1,a=http://a:1", &["http://a:1", "http://b:1"], &expect!["founds"]);
}

#[test]
fn malformed_entries_are_refused() {
    check("a", &["http://a:1"], &expect!["URL scheme must be http, https, unix, or unixs: "]);
    check(
        "a=http://a",
        &["http://a:1"],
        &expect![[r#"URL address does not have the form "host:port": http://a"#]],
    );
}

#[test]
fn a_cluster_without_the_member_itself_is_refused() {
    let missing = expect![[r#"couldn't find local name "a" in the initial cluster configuration"#]];
    check("b=http://b:1", &["http://b:1"], &missing);
    check(",,", &["http://b:1"], &missing);
    let unnamed = PeerUrls::parse(["http://a:1"]).expect("well-formed");
    let empty = parse("").check_new("", &unnamed, &mut nobody);
    assert_eq!(empty, Err(Error::EmptyCluster));
}

#[test]
fn a_url_that_two_members_have_is_refused() {
    check(
        "b=http://a:1,a=http://a:1",
        &["http://a:1"],
        &expect!["initial cluster a=http://a:1,b=http://a:1 has duplicate url"],
    );
    let error = parse("a=http://a:1,a=http://a:1").check_existing("a");
    assert!(matches!(error, Err(Error::DuplicateUrl(_))));
}

#[test]
fn a_member_that_advertises_otherwise_is_refused() {
    check(
        "a=http://127.0.0.2:1",
        &["http://127.0.0.1:1"],
        &expect![[
            r#"--initial-cluster has a=http://127.0.0.2:1 but missing from --initial-advertise-peer-urls=http://127.0.0.1:1 (resolved urls: "http://127.0.0.1:1" != "http://127.0.0.2:1")"#
        ]],
    );
    check(
        "a=http://127.0.0.1:1",
        &["http://127.0.0.1:1", "http://127.0.0.1:2"],
        &expect![
            "--initial-advertise-peer-urls has http://127.0.0.1:2 but missing from --initial-cluster=a=http://127.0.0.1:1"
        ],
    );
    check(
        "a=http://nowhere:1",
        &["http://127.0.0.1:1"],
        &expect![
            "--initial-cluster has a=http://nowhere:1 but missing from --initial-advertise-peer-urls=http://127.0.0.1:1 (lookup nowhere:1: no such host)"
        ],
    );
    check(
        "a=http://b:1",
        &["http://b:1", "http://b:1"],
        &expect![[
            r#"failed to resolve http://b:1,http://b:1 to match --initial-cluster=a=http://b:1 (len(["http://b:1" "http://b:1"]) != len(["http://b:1"]))"#
        ]],
    );
}

#[test]
fn a_name_that_resolves_to_the_advertised_address_fits() {
    let advertised = PeerUrls::parse(["http://10.0.0.1:1"]).expect("well-formed");
    let mut resolve = |address: &str| Ok(address.replace("host", "10.0.0.1"));
    assert_eq!(parse("a=http://host:1").check_new("a", &advertised, &mut resolve), Ok(()));
}

#[test]
fn two_members_that_hash_to_one_id_are_refused() {
    let error = parse("a=http://x:1,b=http://x:1").members("t").expect_err("one id");
    assert!(matches!(error, Error::IdenticalId(_)));
    assert!(error.to_string().starts_with("member exists with identical ID "), "{error}");
}

proptest! {
    #[test]
    fn the_order_of_entries_changes_nothing(
        entries in proptest::collection::btree_set("[a-c]=http://[a-z]{1,3}:[1-9]", 1..8)
            .prop_map(Vec::from_iter)
            .prop_flat_map(|entries| (Just(entries.clone()), Just(entries).prop_shuffle())),
        token in "[a-z]{0,4}",
    ) {
        let (sorted, shuffled) = entries;
        let (sorted, shuffled) = (parse(&sorted.join(",")), parse(&shuffled.join(",")));
        prop_assert_eq!(&sorted, &shuffled);
        prop_assert_eq!(sorted.to_string(), shuffled.to_string());
        prop_assert_eq!(sorted.members(&token), shuffled.members(&token));
        prop_assert_eq!(parse(&sorted.to_string()), sorted);
    }
}
