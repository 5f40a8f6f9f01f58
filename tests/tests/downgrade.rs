//! Downgrades: what members say of their versions while one is under way, and that nothing is lost.

use etcd_bolt::{BoltReader, Content};
use etcd_proto::etcdserverpb::DowngradeInfo;
use etcd_tests::client::Consistency;
use etcd_tests::cluster::eventually;
use etcd_tests::{Cluster, Etcdctl, Member, Plan, Scene, Scrape, Signal, web};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::time::Duration;

/// Longer than a leader takes to look at the versions, which it does every four seconds, and its
/// followers take to store what follows.
const LIMIT: Duration = Duration::from_secs(30);

/// etcdctl appends the sum of a snapshot to its file.
const SUM_BYTES: u64 = 32;

/// The versions of the cluster and of the storage.
fn versions(member: &Member) -> (String, String) {
    let answer = web::ask("GET", &format!("{}/version", member.client_url), &[]);
    let body = answer.expect("an answer").body;
    let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    let text = |name: &str| body[name].as_str().expect("text").to_owned();
    (text("etcdcluster"), text("storage"))
}

#[track_caller]
fn wait_for(member: &Member, version: &str) {
    let wanted = (version.to_owned(), version.to_owned());
    eventually(LIMIT, version, || (versions(member) == wanted).then_some(()));
    let status = member.client().status().expect("a status");
    assert_eq!(status.storage_version, version);
}

fn etcdctl(member: &Member) -> Etcdctl {
    Etcdctl::newest().with_endpoints(std::slice::from_ref(&member.client_url))
}

fn downgrade_of(member: &Member) -> DowngradeInfo {
    let status = member.client().status().expect("a status");
    status.downgrade_info.expect("it is always there")
}

fn towards(version: &str) -> DowngradeInfo {
    DowngradeInfo { enabled: true, target_version: version.to_owned() }
}

/// What the peer listener says to those who want to join.
fn enabled_for_peers(member: &Member) -> String {
    let url = format!("{}/downgrade/enabled", member.peer_url);
    let answer = web::ask("GET", &url, &[]).expect("an answer");
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/plain"));
    assert!(!answer.header("x-etcd-cluster-id").is_empty(), "{answer:?}");
    answer.body
}

/// Two buckets of a snapshot: the cluster's, and the version of the storage.
fn stored(member: &Member, home: &Path) -> (BTreeMap<String, String>, String) {
    let file = home.join("snapshot.db");
    // An old one of the same name would be kept.
    let _ = fs::remove_file(&file);
    etcdctl(member).succeed(&["snapshot", "save", &file.to_string_lossy()]);
    let file = OpenOptions::new().read(true).write(true).open(&file).expect("a snapshot");
    let length = file.metadata().expect("its length").len();
    file.set_len(length - SUM_BYTES).expect("the sum is cut off");
    let reader = BoltReader::of(file).expect("a whole file");
    let bucket = |name: &str| -> BTreeMap<String, String> {
        let mut buckets = reader.entries(&reader.root()).map(|bucket| bucket.expect("whole"));
        let bucket = buckets.find(|bucket| bucket.key == name).expect("a bucket");
        let Content::Bucket(pairs) = bucket.content else { panic!("{bucket:?}") };
        let pairs = reader.entries(&pairs).map(|pair| {
            let pair = pair.expect("whole");
            let Content::Value(value) = pair.content else { panic!("{pair:?}") };
            (text(&pair.key), text(&value))
        });
        pairs.collect()
    };
    (bucket("cluster"), bucket("meta").remove("storageVersion").unwrap_or_default())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_cluster_goes_down_one_version_and_back_and_keeps_everything() {
    let scene = Scene::new();
    let mut member = scene.start(&[]);
    wait_for(&member, "3.7.0");
    member.client().put("key", "value").expect("it serves");
    assert_eq!(enabled_for_peers(&member), "false");
    let post = web::ask("POST", &format!("{}/downgrade/enabled", member.peer_url), &[]);
    assert_eq!(post.expect("an answer").status, 405);

    let said = etcdctl(&member).succeed(&["downgrade", "enable", "3.6"]);
    assert_eq!(said, "Downgrade enable success, cluster version 3.7\n");
    assert_eq!(downgrade_of(&member), towards("3.6.0"));
    assert_eq!(enabled_for_peers(&member), "true");
    wait_for(&member, "3.6.0");
    let metrics = Scrape::of(&member.client_url);
    assert_eq!(metrics.value("etcd_cluster_version{cluster_version=\"3.6\"}"), 1.0);
    assert_eq!(metrics.value("etcd_cluster_version{cluster_version=\"3.7\"}"), 0.0);
    let refused = etcdctl(&member).fail(&["downgrade", "validate", "3.6"]);
    assert!(refused.contains("etcdserver: invalid downgrade target version"), "{refused}");
    let refused = etcdctl(&member).fail(&["downgrade", "enable", "3.5"]);
    assert!(refused.contains("etcdserver: cluster has a downgrade job in progress"), "{refused}");
    let (cluster, storage) = stored(&member, scene.home());
    assert_eq!(cluster["clusterVersion"], "3.6.0");
    assert_eq!(cluster["downgrade"], r#"{"target-version":"3.6.0","enabled":true}"#);
    assert_eq!(storage, "3.6.0");

    member.end(Signal::TERM);
    member.start();
    member.wait_until_ready();
    assert_eq!(
        (downgrade_of(&member), versions(&member).0),
        (towards("3.6.0"), "3.6.0".to_owned())
    );
    let said = etcdctl(&member).succeed(&["downgrade", "cancel"]);
    assert_eq!(said, "Downgrade cancel success, cluster version 3.6\n");
    assert_eq!(downgrade_of(&member), DowngradeInfo::default());
    wait_for(&member, "3.7.0");
    let (cluster, storage) = stored(&member, scene.home());
    assert_eq!(cluster["downgrade"], r#"{"target-version":"","enabled":false}"#);
    assert_eq!(storage, "3.7.0");
    let kept = member.client().get("key", Consistency::Linearizable).expect("it serves");
    assert_eq!(kept.expect("it is there").value, "value");
}

#[test]
fn all_members_go_down_whichever_is_asked() {
    let cluster = Cluster::start(&Plan::loopback(3));
    cluster.members.iter().for_each(|member| wait_for(member, "3.7.0"));
    let follower = &cluster.members[(cluster.leader() + 1) % 3];
    etcdctl(follower).succeed(&["downgrade", "enable", "3.6.0"]);
    for member in &cluster.members {
        wait_for(member, "3.6.0");
        assert_eq!(downgrade_of(member), towards("3.6.0"));
        assert_eq!(enabled_for_peers(member), "true");
    }
    // Whoever is asked next to go on with it has no say: the members run no such version.
    etcdctl(follower).succeed(&["downgrade", "cancel"]);
    for member in &cluster.members {
        wait_for(member, "3.7.0");
        assert_eq!(downgrade_of(member), DowngradeInfo::default());
    }
}
