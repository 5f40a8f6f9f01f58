//! Snapshots and hashes: etcd's own tools and servers take them for those of an etcd.

use etcd_bolt::{BoltReader, Content};
use etcd_proto::etcdserverpb::alarm_request::AlarmAction;
use etcd_proto::etcdserverpb::{AlarmRequest, AlarmType};
use etcd_tests::cluster::eventually;
use etcd_tests::etcdutl::newest_server;
use etcd_tests::{Client, Cluster, Etcdctl, Etcdutl, Member, Plan, Signal, Turn};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Long enough for an agreement on versions, which a young cluster makes after its first second.
const AGREED: Duration = Duration::from_secs(15);

/// What two servers with the same history may have different.
const RAFTS_OWN: [&str; 2] = ["meta/consistent_index", "meta/term"];

fn etcdctl(member: &Member) -> Etcdctl {
    Etcdctl::newest().with_endpoints(&[&member.client_url])
}

/// Until then the storage does not say which version it is of.
fn wait_for_version(client: &Client) {
    eventually(AGREED, "the storage's version", || {
        (client.status().ok()?.storage_version == "3.7.0").then_some(())
    });
}

/// Puts, replaces and deletes keys, of which as many are left; some values are large.
fn fill(client: &Client, keys: usize) {
    for n in 0..keys {
        client.put(&format!("key{n:04}"), &format!("value{n}").repeat(n % 300)).expect("a put");
    }
    client.put("large", &"0123456789abcdef".repeat(60_000)).expect("a put");
    client.put("key0000", "again").expect("a put");
    client.delete_prefix("key0001").expect("a deletion");
}

/// Every pair of a file as `bucket/key` and value; empty buckets as `bucket/`.
fn contents(file: &Path) -> Vec<(String, String)> {
    let reader = BoltReader::open(file).expect("a whole file");
    let mut pairs = Vec::new();
    for bucket in reader.entries(&reader.root()) {
        let bucket = bucket.expect("a whole file");
        let name = bucket.key.escape_ascii();
        let Content::Bucket(content) = bucket.content else { panic!("{name} is no bucket") };
        pairs.push((format!("{name}/"), String::new()));
        for pair in reader.entries(&content) {
            let pair = pair.expect("a whole file");
            let Content::Value(value) = pair.content else { panic!("{name} holds a bucket") };
            let key = format!("{name}/{}", pair.key.escape_ascii());
            pairs.push((key, value.escape_ascii().to_string()));
        }
    }
    pairs
}

fn save(etcdctl: &Etcdctl, home: &Path) -> PathBuf {
    let file = home.join("snapshot.db");
    etcdctl.succeed(&["snapshot", "save", &file.to_string_lossy()]);
    file
}

#[test]
fn etcdctl_saves_a_snapshot_that_etcdutl_finds_whole() {
    let cluster = Cluster::start(&Plan::loopback(1));
    let member = &cluster.members[0];
    wait_for_version(&member.client());
    fill(&member.client(), 1000);
    let revision = member.client().status().expect("it runs").header.unwrap_or_default().revision;
    for etcdctl in Etcdctl::both() {
        let etcdctl = etcdctl.with_endpoints(&[&member.client_url]);
        let version = etcdctl.version;
        let home = cluster.home.path().join(version);
        std::fs::create_dir_all(&home).expect("a folder");
        let file = save(&etcdctl, &home);
        let status = Etcdutl::newest().snapshot_status(&file);
        assert_eq!(status.revision, revision, "saved by {version}");
        assert_eq!(status.version, "3.7.0", "saved by {version}");
        let bytes = file.metadata().expect("it was saved").len();
        assert_eq!(bytes % 512, 32, "the digest is at its end, saved by {version}");
        assert!(u64::try_from(status.total_size).is_ok_and(|size| size <= bytes), "{status:?}");
        assert_eq!(status.total_keys, 1000, "saved by {version}");
    }
}

#[test]
fn an_etcd_restored_from_a_snapshot_holds_the_same() {
    let mut cluster = Cluster::start(&Plan::loopback(1));
    let client = cluster.members[0].client();
    fill(&client, 300);
    etcdctl(&cluster.members[0]).succeed(&["compact", "200", "--physical"]);
    let before = (client.hash_kv(0).expect("a hash"), client.get_prefix("k").expect("the keys"));
    let file = save(&etcdctl(&cluster.members[0]), cluster.home.path());
    cluster.members[0].end(Signal::TERM);

    let member = &mut cluster.members[0];
    member.data_dir = cluster.home.path().join("restored");
    let (data_dir, peer_url) = (member.data_dir.to_string_lossy(), &member.peer_url);
    Etcdutl::newest().succeed(&[
        "snapshot",
        "restore",
        &file.to_string_lossy(),
        &format!("--name={}", member.name),
        &format!("--data-dir={data_dir}"),
        &format!("--initial-cluster={}={peer_url}", member.name),
        &format!("--initial-advertise-peer-urls={peer_url}"),
    ]);
    let data_dir = data_dir.into_owned();
    member.set_flag("--data-dir", &data_dir);
    member.program = Some(newest_server());
    member.start();
    member.wait_until_ready();
    let client = member.client();
    let (hash, keys) = before;
    let restored = client.hash_kv(hash.hash_revision).expect("a hash");
    assert_eq!((restored.hash, restored.hash_revision), (hash.hash, hash.hash_revision));
    assert_eq!(restored.compact_revision, 200);
    assert_eq!(client.get_prefix("k").expect("the keys"), keys);
    client.put("key0000", "after").expect("it goes on");
}

/// What a server lives through.
#[derive(Debug)]
enum Step {
    /// A command of etcdctl's.
    Run(&'static [&'static str]),
    /// A lease with an id that is not left to the server.
    Grant { id: i64 },
    /// An alarm for a member that nobody has.
    Alarm(AlarmAction, AlarmType),
}

use Step::{Alarm, Grant, Run};

impl Step {
    fn take(&self, client: &Client, etcdctl: &Etcdctl) {
        match self {
            Run(arguments) => {
                etcdctl.succeed(arguments);
            }
            Grant { id } => {
                client.grant(*id, 3600).expect("the id is free");
            }
            Alarm(action, alarm) => {
                let (action, alarm) = (*action as i32, *alarm as i32);
                let request = AlarmRequest { action, member_id: 7, alarm };
                client.alarm(request).expect("nothing refuses it");
            }
        }
    }
}

/// What a server with this history answers and saves, one line for each hash.
fn live_through(member: &mut Member, history: &[Step]) -> (Vec<String>, PathBuf) {
    member.start();
    member.wait_until_ready();
    let client = member.client();
    wait_for_version(&client);
    let etcdctl = etcdctl(member);
    let hashes = |after: &str| {
        let (all, keys) = (client.hash().expect("a hash"), client.hash_kv(0).expect("a hash"));
        format!("{} {} {} after {after}", all.hash, keys.hash, keys.compact_revision)
    };
    let mut lines = vec![hashes("the start")];
    for step in history {
        step.take(&client, &etcdctl);
        lines.push(hashes(&format!("{step:?}")));
    }
    let home = member.data_dir.with_extension("saved");
    std::fs::create_dir_all(&home).expect("a folder");
    let file = save(&etcdctl, &home);
    member.end(Signal::TERM);
    (lines, file)
}

/// Lets a real etcd and this server live through the same, one after the other in the same place,
/// so that their ids are the same.
fn check_hashes(history: &[Step]) {
    let _turn = Turn::take();
    let home = tempfile::tempdir().expect("a folder");
    let mut member = Member::alone(home.path());
    let (ours, our_file) = live_through(&mut member, history);
    member.data_dir = home.path().join("reference.etcd");
    let data_dir = member.data_dir.to_string_lossy().into_owned();
    member.set_flag("--data-dir", &data_dir);
    member.program = Some(newest_server());
    let (references, reference_file) = live_through(&mut member, history);
    assert_eq!(ours, references);
    let both = [&our_file, &reference_file].map(|file| {
        let mut pairs = contents(file);
        pairs.retain(|(key, _)| !RAFTS_OWN.contains(&key.as_str()));
        pairs
    });
    assert_eq!(both[0], both[1]);
    // What the server itself works with is such a file too.
    let live = contents(&member.data_dir.join("member/snap/db"));
    assert!(live.iter().any(|(key, _)| key == "meta/consistent_index"));
}

#[test]
fn keys_and_compactions_hash_as_in_an_etcd() {
    check_hashes(&[
        Run(&["put", "foo", "bar"]),
        Run(&["put", "foo", "bar2"]),
        Run(&["put", "foo2", "v"]),
        Run(&["del", "foo"]),
        Run(&["compact", "3", "--physical"]),
        Run(&["put", "foo", "once more"]),
        Run(&["del", "", "--prefix"]),
        Run(&["compact", "7", "--physical"]),
        Run(&["put", "a", "1"]),
    ]);
}

#[test]
fn users_and_roles_hash_as_in_an_etcd() {
    check_hashes(&[
        Run(&["role", "add", "reader"]),
        Run(&["role", "grant-permission", "reader", "read", "a", "z"]),
        Run(&["role", "grant-permission", "reader", "readwrite", "k"]),
        Run(&["role", "grant-permission", "reader", "write", "prefix", "--prefix"]),
        Run(&["user", "add", "somebody", "--no-password"]),
        Run(&["user", "grant-role", "somebody", "reader"]),
        Run(&["role", "revoke-permission", "reader", "k"]),
        Run(&["user", "add", "nobody", "--no-password"]),
        Run(&["user", "delete", "nobody"]),
        Run(&["put", "k", "v"]),
    ]);
}

#[test]
fn leases_and_alarms_hash_as_in_an_etcd() {
    check_hashes(&[
        Grant { id: 0x1234 },
        Grant { id: -2 },
        Grant { id: i64::MAX },
        Run(&["put", "a", "1", "--lease=1234"]),
        Run(&["put", "b", "1", "--lease=1234"]),
        Run(&["put", "a", "2"]),
        Alarm(AlarmAction::Activate, AlarmType::Nospace),
        Run(&["lease", "revoke", "1234"]),
        Alarm(AlarmAction::Activate, AlarmType::Corrupt),
        Alarm(AlarmAction::Deactivate, AlarmType::Nospace),
        Alarm(AlarmAction::Deactivate, AlarmType::Corrupt),
        Run(&["compact", "4", "--physical"]),
    ]);
}

#[test]
fn leadership_moves_where_etcdctl_says() {
    let cluster = Cluster::start(&Plan::loopback(3));
    let leader = cluster.leader();
    let follower = (leader + 1) % 3;
    let (target, leads) = cluster.members[follower].role().expect("it runs");
    assert!(!leads);
    let to_target = ["move-leader", &format!("{target:x}")];
    let refused = etcdctl(&cluster.members[follower]).fail(&to_target);
    assert!(refused.contains("no leader endpoint given"), "{refused}");
    etcdctl(&cluster.members[leader]).succeed(&to_target);
    assert_eq!(cluster.leader(), follower);
    let stranger = etcdctl(&cluster.members[follower]).fail(&["move-leader", "1234"]);
    assert!(stranger.contains("etcdserver: bad leader transferee"), "{stranger}");
}

#[test]
fn defragmentation_gives_back_what_a_compaction_freed() {
    const VALUE: usize = 20_000;
    const PUTS: i64 = 100;
    let cluster = Cluster::start(&Plan::loopback(1));
    let client = cluster.members[0].client();
    let sizes = || {
        let status = client.status().expect("it runs");
        assert!(status.db_size_in_use <= status.db_size, "{status:?}");
        (status.db_size, status.db_size_in_use)
    };
    for n in 0..PUTS {
        client.put("k", &n.to_string().repeat(VALUE)[..VALUE]).expect("a put");
    }
    let full = PUTS * i64::try_from(VALUE).expect("it is small");
    // A real etcd writes its file ten times a second.
    eventually(Duration::from_secs(10), "the size of all puts", || {
        (sizes().0 > full).then_some(())
    });
    let revision = (PUTS + 1).to_string();
    let etcdctl = etcdctl(&cluster.members[0]);
    etcdctl.succeed(&["compact", &revision, "--physical"]);
    eventually(Duration::from_secs(10), "the compaction's gain", || {
        (sizes().1 < full / 5).then_some(())
    });
    etcdctl.succeed(&["defrag"]);
    assert!(sizes().0 < full / 5, "{:?}", sizes());
    let kept = client.get("k", etcd_tests::client::Consistency::Linearizable).expect("a range");
    assert_eq!(kept.map(|kv| kv.value.len()), Some(VALUE));
}
