//! What can be wrong at a start or under a running member ends with one clear message and the
//! right exit code, and harms nothing.

use etcd_proto::etcdserverpb::CompactionRequest;
use etcd_tests::client::Consistency;
use etcd_tests::process::server_is_ours;
use etcd_tests::{Certificates, Client, Member, Process, Scene, Signal};
use rand::RngExt;
use rand::distr::Alphanumeric;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A member that cannot run says so within this time.
const REFUSAL: Duration = Duration::from_secs(15);

/// Starts a member that must refuse to run: with this exit code, and a last line that says this.
#[track_caller]
fn check_refused(member: &mut Member, code: i32, part: &str) {
    member.start();
    let mut process = member.take_process();
    let status = process.wait_for_exit(REFUSAL);
    process.wait_for_line(part, Duration::ZERO);
    assert_eq!(status.code(), Some(code), "the exit code");
    let lines = process.lines();
    // It is a message for a person, not the inside of a program.
    for inside in ["panicked at", "stack backtrace", "goroutine "] {
        let shown = lines.iter().find(|line| line.contains(inside));
        assert_eq!(shown, None, "a fault of the program itself");
    }
    if code == 1 {
        let last = lines.last().expect("a message");
        let said = last.to_lowercase().contains(&part.to_lowercase());
        assert!(said, "the last line is not the message: {last}");
        check_one_message(&process);
    }
}

/// A person is called once: our server writes one line of level error or above as it ends.
#[track_caller]
fn check_one_message(process: &Process) {
    if server_is_ours() {
        let calls = |line: &String| {
            ["error", "fatal"].iter().any(|at| line.contains(&format!("\"level\":\"{at}\"")))
        };
        let lines: Vec<String> = process.lines().into_iter().filter(calls).collect();
        assert_eq!(lines.len(), 1, "one message: {lines:#?}");
    }
}

fn start(member: &mut Member) -> Client {
    member.start();
    member.wait_until_ready();
    member.client()
}

#[track_caller]
fn check_value(client: &Client, key: &str, value: &str) {
    let kv = client.get(key, Consistency::Linearizable).expect("the member serves");
    assert_eq!(kv.expect("the key is there").value, value);
}

#[test]
fn an_unknown_flag_ends_with_its_name_and_the_usage() {
    let scene = Scene::new();
    let mut member = scene.member(&[]);
    member.arguments.push("--no-such-flag=1".to_owned());
    check_refused(&mut member, 2, "flag provided but not defined: -no-such-flag");
    assert!(!member.data_dir.exists(), "nothing was written");
}

#[test]
fn an_unparsable_value_ends_with_the_flag_and_the_value() {
    let scene = Scene::new();
    let mut member = scene.member(&[]);
    member.arguments.push("--election-timeout=soon".to_owned());
    check_refused(&mut member, 2, "invalid value \"soon\" for flag -election-timeout");
}

#[test]
fn a_setting_that_no_member_can_run_with_ends_with_etcds_words() {
    let scene = Scene::new();
    let mut member = scene.member(&[]);
    member.arguments.push("--election-timeout=100".to_owned());
    check_refused(
        &mut member,
        1,
        "--election-timeout[100ms] should be at least as 5 times as --heartbeat-interval[100ms]",
    );
}

#[test]
fn a_member_that_is_not_in_its_initial_cluster_ends_with_etcds_words() {
    let scene = Scene::new();
    let mut member = scene.member(&[]);
    member.set_flag("--name", "someone-else");
    check_refused(&mut member, 1, "couldn't find local name");
}

#[test]
fn a_malformed_line_of_a_configuration_file_ends_with_the_file_or_the_line() {
    let scene = Scene::new();
    let file = scene.home().join("etcd.yml");
    fs::write(&file, "name: alone\ndata-dir: [unclosed\nlog-level: info\n").expect("a file");
    let mut member = scene.member(&[]);
    member.arguments = vec![format!("--config-file={}", file.display())];
    check_refused(&mut member, 1, "line");

    if server_is_ours() {
        let file = scene.home().join("etcd.conf");
        fs::write(&file, "#[Member]\nETCD_NAME=\"alone\"\nwhat is this\n").expect("a file");
        let mut member = scene.member(&[]);
        member.arguments = vec![format!("--config-file={}", file.display())];
        check_refused(&mut member, 1, "etcd.conf:3");
    }
}

#[test]
fn a_port_in_use_ends_with_its_address() {
    let scene = Scene::new();
    for which in ["--listen-client-urls", "--listen-peer-urls"] {
        let mut member = scene.member(&[]);
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = taken.local_addr().expect("its address");
        member.set_flag(which, &format!("http://{address}"));
        check_refused(&mut member, 1, "bind: address already in use");
    }
}

#[test]
fn a_certificate_with_another_ones_key_ends_with_what_does_not_match() {
    let scene = Scene::new();
    let folder = scene.home().join("ssl");
    let certificates = Certificates::new(&folder, &[IpAddr::from(Ipv4Addr::LOCALHOST)]);
    let mut member = scene.member(&[]);
    let url = member.client_url.replace("http:", "https:");
    for (flag, value) in [
        ("--listen-client-urls", url.as_str()),
        ("--advertise-client-urls", url.as_str()),
        ("--cert-file", &certificates.server.to_string_lossy()),
        ("--key-file", &certificates.client_key.to_string_lossy()),
    ] {
        member.set_flag(flag, value);
    }
    check_refused(&mut member, 1, "does not match");

    member.set_flag("--key-file", &folder.join("missing.pem").to_string_lossy());
    check_refused(&mut member, 1, "no such file or directory");
}

#[test]
fn a_data_directory_that_cannot_be_one_ends_with_its_path() {
    let scene = Scene::new();
    let file = scene.home().join("file");
    fs::write(&file, "not a directory").expect("a file");
    let mut member = scene.member(&[]);
    member.set_flag("--data-dir", &file.join("below").to_string_lossy());
    check_refused(&mut member, 1, "not a directory");
    assert_eq!(fs::read(&file).expect("the file"), b"not a directory");
}

#[test]
fn a_data_directory_of_someone_else_is_left_alone() {
    let scene = Scene::new();
    let mut member = scene.member(&[]);
    let log = member.data_dir.join("member/wal/0000000000000000-0000000000000000.wal");
    let database = member.data_dir.join("member/snap/db");
    for file in [&log, &database] {
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, [0xa5; 8192]).expect("a file");
    }
    member.start();
    let mut process = member.take_process();
    let status = process.wait_for_exit(REFUSAL);
    assert!(!status.success(), "it must not run on data that it cannot read");
    assert!(process.find_line("ready to serve", Duration::ZERO).is_none());
    for file in [&log, &database] {
        assert_eq!(fs::read(file).expect("still there"), [0xa5; 8192], "{}", file.display());
    }
    if server_is_ours() {
        assert_eq!(status.code(), Some(1), "the exit code");
        check_one_message(&process);
        let last = process.lines().pop().expect("a message");
        assert!(last.contains(&*member.data_dir.to_string_lossy()), "it names the path: {last}");
    }
}

#[test]
fn a_member_whose_log_is_elsewhere_does_not_begin_another_one() {
    if !server_is_ours() {
        // A real etcd begins another one.
        return;
    }
    let scene = Scene::new();
    let mut member = scene.member(&[]);
    member.set_flag("--wal-dir", &scene.home().join("elsewhere").to_string_lossy());
    let client = start(&mut member);
    client.put("key", "value").expect("the member serves");
    member.end(Signal::TERM);
    let with_log = member.arguments.clone();
    member.arguments.retain(|argument| !argument.starts_with("--wal-dir"));
    check_refused(&mut member, 1, "if --wal-dir was given before, give the same again");
    member.arguments = with_log;
    check_value(&start(&mut member), "key", "value");
}

/// The value that the damage is done to; nothing else holds these bytes.
const NEEDLE: &str = "needle-0d1f5a";

#[test]
fn a_damaged_log_is_noticed_and_the_rest_of_the_data_is_left_alone() {
    let scene = Scene::new();
    let mut member = scene.member(&[]);
    let client = start(&mut member);
    client.put("before", "value").expect("the member serves");
    client.put("needle", NEEDLE).expect("the member serves");
    client.put("after", "value").expect("the member serves");
    member.end(Signal::KILL);

    // Wherever the value was stored: the log among it, which is read on the way up.
    let places = find(&member.data_dir, NEEDLE.as_bytes());
    assert!(!places.is_empty(), "the value is nowhere in {}", member.data_dir.display());
    for (path, offset) in &places {
        flip(path, *offset);
    }
    member.start();
    let mut process = member.take_process();
    let status = process.wait_for_exit(REFUSAL);
    assert!(process.find_line("ready to serve", Duration::ZERO).is_none(), "it serves damage");
    assert_eq!(status.code(), Some(1), "the exit code");
    let told = ["crc mismatch", "checksum", "corrupt"];
    let lines = process.lines().join("\n").to_lowercase();
    assert!(told.iter().any(|word| lines.contains(word)), "it does not say what is wrong");

    for (path, offset) in &places {
        flip(path, *offset);
    }
    let client = start(&mut member);
    check_value(&client, "before", "value");
    check_value(&client, "needle", NEEDLE);
    check_value(&client, "after", "value");
}

#[test]
fn damage_that_a_compaction_finds_ends_the_member_in_words() {
    if !server_is_ours() {
        // A real etcd's database has no check sums.
        return;
    }
    let scene = Scene::new();
    let mut member = scene.member(&[]);
    let client = start(&mut member);
    // Large enough to be in a file of revisions at once.
    let value = NEEDLE.repeat(1000);
    client.put("needle", &value).expect("the member serves");
    let places = find(&member.data_dir.join("member/state"), NEEDLE.as_bytes());
    let (path, offset) = places.first().expect("it was written");
    flip(path, *offset);
    let revision = client.put("needle", "another").expect("the member serves");
    client.compact(CompactionRequest { revision, physical: false }).expect("it is scheduled");
    let mut process = member.take_process();
    let status = process.wait_for_exit(Duration::from_secs(20));
    assert_eq!(status.code(), Some(1), "the exit code");
    check_one_message(&process);
    let told = process.wait_for_line("a compaction failed", Duration::ZERO);
    assert!(told.contains(&*path.to_string_lossy()), "it names the path: {told}");
}

/// Every place in the files below a folder where these bytes stand.
fn find(folder: &Path, needle: &[u8]) -> Vec<(PathBuf, u64)> {
    let mut places = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            places.extend(find(&path, needle));
            continue;
        }
        let bytes = fs::read(&path).expect("a file");
        for (offset, window) in bytes.windows(needle.len()).enumerate() {
            if window == needle {
                places.push((path.clone(), offset as u64));
            }
        }
    }
    places
}

/// Turns one byte into another, or back.
fn flip(path: &Path, offset: u64) {
    let file = File::options().read(true).write(true).open(path).expect("a file");
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).expect("it was just read there");
    file.write_all_at(&[byte[0] ^ 0x20], offset).expect("it can be written");
}

/// A small file system, gone when dropped.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts one; only root may.
    fn mount(path: PathBuf, megabytes: usize) -> SmallDisk {
        fs::create_dir_all(&path).expect("a folder");
        let size = format!("size={megabytes}m");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&path);
        let status = mount.status().expect("mount is installed");
        assert!(status.success(), "this test mounts a file system, which only root may: use sudo");
        SmallDisk { path }
    }

    /// Takes all but so many bytes of the free space.
    fn fill(&self, spare_bytes: usize) -> PathBuf {
        let ballast = self.path.join("ballast");
        let file = File::create(&ballast).expect("a file");
        let block = vec![1; 64 << 10];
        let mut length = 0;
        while file.write_all_at(&block, length).is_ok() {
            length += block.len() as u64;
        }
        file.set_len(length.saturating_sub(spare_bytes as u64)).expect("a shorter file");
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, since a killed process may still be letting go of it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}

#[test]
fn a_full_disk_stops_the_member_in_words_and_what_was_acknowledged_is_there_afterwards() {
    let scene = Scene::new();
    // Room for what a real etcd lays out in advance: two files of 64 MB.
    let disk = SmallDisk::mount(scene.home().join("disk"), 160);
    let mut member = scene.member(&[]);
    member.data_dir = disk.path.join("data");
    member.set_flag("--data-dir", &member.data_dir.display().to_string());
    let client = start(&mut member);
    // Random text, so that no compression makes room.
    let letters = rand::rng().sample_iter(Alphanumeric).take(512 << 10);
    let value: String = letters.map(char::from).collect();
    client.put("0000", &value).expect("there is room");
    let ballast = disk.fill(4 << 20);

    let mut acknowledged = BTreeMap::from([("0000".to_owned(), value.clone())]);
    for number in 1..400 {
        let key = format!("{number:04}");
        match client.put(&key, &value) {
            Ok(_) => acknowledged.insert(key, value.clone()),
            Err(_) => break,
        };
    }
    assert!(acknowledged.len() < 400, "the disk never was full");
    let mut process = member.take_process();
    let status = process.wait_for_exit(Duration::from_secs(20));
    process.wait_for_line("no space left on", Duration::ZERO);
    if server_is_ours() {
        // A real etcd panics when it is its database that finds no room.
        assert_eq!(status.code(), Some(1), "the exit code");
        check_one_message(&process);
    }

    fs::remove_file(ballast).expect("the ballast");
    let client = start(&mut member);
    for (key, value) in &acknowledged {
        check_value(&client, key, value);
    }
    client.put("after", "value").expect("there is room again");
}
