//! The buckets of small states, and the file made of them.

use std::io::Write as _;

use etcd_bolt::{BoltReader, Content};
use etcd_proto::etcdserverpb::alarm_request::AlarmAction;
use etcd_proto::etcdserverpb::{AlarmRequest, CompactionRequest, InternalRaftRequest};
use etcd_proto::membershippb::ClusterVersionSetRequest;

use super::*;
use crate::Views;
use crate::harness::Harness;

/// The state's file as text, a line for each bucket and pair.
fn file(views: &Views) -> Vec<String> {
    let mut file = tempfile::tempfile().expect("a temporary file");
    let written = views.buckets(|buckets| {
        let layout = buckets.measure()?;
        buckets.write(layout, &mut file)?;
        Ok::<_, Error>(layout.byte_size())
    });
    file.flush().expect("the disk has room");
    assert_eq!(written.expect("the storage works"), file.metadata().expect("it is there").len());
    let reader = BoltReader::of(file).expect("a whole file");
    let mut lines = Vec::new();
    for bucket in reader.entries(&reader.root()) {
        let bucket = bucket.expect("a whole file");
        let Content::Bucket(pairs) = bucket.content else { panic!("{bucket:?}") };
        lines.push(format!("{}:", bucket.key.escape_ascii()));
        for pair in reader.entries(&pairs) {
            let pair = pair.expect("a whole file");
            let Content::Value(value) = pair.content else { panic!("{pair:?}") };
            lines.push(format!("{} = {}", pair.key.escape_ascii(), value.escape_ascii()));
        }
    }
    lines
}

fn hash(views: &Views) -> u32 {
    views.buckets(|buckets| buckets.hash()).expect("the storage works")
}

fn set_version(harness: &mut Harness, version: &str) {
    let cluster_version_set = Some(ClusterVersionSetRequest { ver: version.to_owned() });
    let reply = harness.apply(InternalRaftRequest { cluster_version_set, ..Default::default() });
    reply.expect("nothing refuses it");
}

#[test]
fn the_file_holds_what_an_etcd_holds() {
    let mut harness = Harness::new();
    set_version(&mut harness, "3.7.0");
    harness.put("foo", "bar");
    let compaction = Some(CompactionRequest { revision: 2, physical: false });
    let compacted = harness.apply(InternalRaftRequest { compaction, ..Default::default() });
    compacted.expect("revision 2 is there");
    let alarm = Some(AlarmRequest { action: AlarmAction::Activate as i32, member_id: 1, alarm: 1 });
    harness.apply(InternalRaftRequest { alarm, ..Default::default() }).expect("it is new");
    harness.apply_membership(&[(1, "http://a:1", false), (17, "http://b:1", true)]);

    let zeros = |count: usize| "\\x00".repeat(count);
    let revision = |main: &str| format!("{}{main}_{}", zeros(7), zeros(8));
    let members = [
        r#"1 = {\"id\":1,\"peerURLs\":[\"http://a:1\"]}"#.to_owned(),
        r#"11 = {\"id\":17,\"peerURLs\":[\"http://b:1\"],\"isLearner\":true}"#.to_owned(),
    ];
    let meta = [
        r#"confState = {\"voters\":[1],\"learners\":[17],\"auto_leave\":false}"#.to_owned(),
        format!("consistent_index = {}\\x06", zeros(7)),
        format!("scheduledCompactRev = {}", revision("\\x02")),
        "storageVersion = 3.7.0".to_owned(),
        format!("term = {}\\x02", zeros(7)),
    ];
    let mut expected = vec![
        "alarm:".to_owned(),
        "\\x08\\x01\\x10\\x01 = ".to_owned(),
        "auth:".to_owned(),
        format!("authRevision = {}\\x01", zeros(7)),
        "authRoles:".to_owned(),
        "authUsers:".to_owned(),
        "cluster:".to_owned(),
        "clusterVersion = 3.7.0".to_owned(),
        "key:".to_owned(),
        format!("{} = \\n\\x03foo\\x10\\x02\\x18\\x02 \\x01*\\x03bar", revision("\\x02")),
        "lease:".to_owned(),
        "members:".to_owned(),
    ];
    expected.extend(members);
    expected.extend(["members_removed:".to_owned(), "meta:".to_owned()]);
    expected.extend(meta);
    assert_eq!(file(&harness.views), expected);
}

#[test]
fn a_removed_member_is_remembered_in_the_file() {
    let mut harness = Harness::new();
    harness.apply_membership(&[(1, "http://a:1", false), (17, "http://b:1", false)]);
    harness.apply_membership(&[(1, "http://a:1", false)]);
    let lines = file(&harness.views);
    assert!(lines.contains(&"11 = removed".to_owned()), "{lines:?}");
}

#[test]
fn storages_before_3_6_say_no_version_of_their_own() {
    let of = |version: &str| {
        let version = Version::parse(version).and_then(Version::of_storage);
        version.map(|version| version.to_string())
    };
    assert_eq!(of("3.7.0").as_deref(), Some("3.7.0"));
    assert_eq!(of("3.6.9").as_deref(), Some("3.6.0"));
    assert_eq!(of("4.0.0").as_deref(), Some("4.0.0"));
    for none in ["3.5.0", "3.0.0", "", "x", "3", "3.x.0"] {
        assert_eq!(of(none), None, "{none:?}");
    }
}

#[test]
fn the_hash_passes_over_where_raft_is() {
    let mut harness = Harness::new();
    set_version(&mut harness, "3.7.0");
    harness.put("foo", "bar");
    let before = hash(&harness.views);
    // An entry that changes nothing: raft goes on by one.
    set_version(&mut harness, "3.7.0");
    assert_eq!(hash(&harness.views), before);
    harness.put("foo", "bar2");
    assert_ne!(hash(&harness.views), before);
}

#[test]
fn everything_read_is_of_one_moment() {
    let mut harness = Harness::new();
    harness.put("foo", "bar");
    let views = harness.views.clone();
    let (before, during) = views
        .buckets(|buckets| {
            let before = buckets.hash()?;
            let layout = buckets.measure()?;
            for _ in 0..3 {
                harness.put("foo", "bar2");
            }
            buckets.write(layout, &mut Vec::new())?;
            Ok::<_, Error>((before, buckets.hash()?))
        })
        .expect("the storage works");
    assert_eq!(before, during);
    assert_ne!(hash(&harness.views), before);
}
