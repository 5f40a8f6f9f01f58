//! Flags that change what a member does, each by what is then different.

use etcd_tests::cluster::eventually;
use etcd_tests::process::server_is_ours;
use etcd_tests::{Member, Scene, Signal, ports, web};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Within this time a line is logged or a member ends.
const LIMIT: Duration = Duration::from_secs(20);
/// How long a member is watched that must not do something.
const A_WHILE: Duration = Duration::from_millis(300);

/// A line of the log as its fields.
fn fields(line: &str) -> Value {
    serde_json::from_str(line).expect("a line is JSON")
}

#[test]
fn a_slow_request_is_told_with_what_it_asked_and_without_the_value() {
    let scene = Scene::new();
    let member = scene.start(&["--warning-unary-request-duration=1ns"]);
    member.client().put("somekey", "somevalue").expect("it serves");
    let line = member.process().wait_for_line("/etcdserverpb.KV/Put", LIMIT);
    assert!(!line.contains("somevalue"), "{line}");
    let line = fields(&line);
    assert_eq!(
        (line["level"].as_str(), line["msg"].as_str()),
        (Some("warn"), Some("request stats"))
    );
    assert_eq!(line["request count"], 1);
    assert_eq!(line["request size"], 20);
    assert!(
        line["request content"].as_str().is_some_and(|text| text.contains("somekey")),
        "{line}"
    );
    assert!(line["remote"].as_str().is_some_and(|text| text.starts_with("127.0.0.1:")), "{line}");
    for field in ["start time", "time spent"] {
        assert!(line[field].is_string(), "{field}: {line}");
    }
    member.client().members().expect("it serves");
    let line = member.process().wait_for_line("/etcdserverpb.Cluster/MemberList", LIMIT);
    assert_eq!(fields(&line)["request count"], -1);
}

#[test]
fn a_request_that_is_fast_enough_is_not_told() {
    let scene = Scene::new();
    let member = scene.start(&["--warning-unary-request-duration=1h"]);
    member.client().put("k", "v").expect("it serves");
    assert_eq!(member.process().find_line("request stats", A_WHILE), None);
}

#[test]
fn a_slow_apply_is_told() {
    let scene = Scene::new();
    let member = scene.start(&["--warning-apply-duration=1ns"]);
    member.client().put("somekey", "somevalue").expect("it serves");
    let line = member.process().wait_for_line("somekey", LIMIT);
    assert!(!line.contains("somevalue"), "{line}");
    let line = fields(&line);
    assert_eq!(line["msg"], "apply request took too long");
    assert_eq!((line["level"].as_str(), &line["expected-duration"]), (Some("warn"), &"1ns".into()));
    assert!(line["took"].is_string(), "{line}");
}

/// The files of a folder whose name begins and ends like this.
fn files(folder: &Path, start: &str, end: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let is_wanted = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(start) && name.ends_with(end)
    };
    paths.filter(is_wanted).collect()
}

#[test]
fn a_full_log_file_is_put_aside_and_compressed() {
    let scene = Scene::new();
    let log = scene.home().join("member.log");
    fs::write(&log, vec![b'\n'; 1 << 20]).expect("a full file");
    let mut member = scene.member(&[
        &format!("--log-outputs={}", log.display()),
        "--enable-log-rotation",
        "--log-rotation-config-json={\"maxsize\":1,\"maxbackups\":1,\"compress\":true}",
    ]);
    member.start();
    eventually(LIMIT, "a compressed log file", || {
        (files(scene.home(), "member-", ".log.gz").len() == 1).then_some(())
    });
    eventually(LIMIT, "lines in the new file", || {
        let text = fs::read_to_string(&log).ok()?;
        text.contains("ready to serve client requests").then_some(())
    });
    member.end(Signal::TERM);
}

#[test]
fn memory_is_locked_where_that_is_wanted() {
    let scene = Scene::new();
    let member = scene.start(&["--memory-mlock"]);
    let status = fs::read_to_string(format!("/proc/{}/status", member.process().id()));
    let status = status.expect("the process runs");
    let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:")).expect("a line");
    let kilobytes: u64 = locked.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(kilobytes > 0, "{locked}");
}

#[test]
fn flags_without_effect_are_told_once_with_the_reasons() {
    if !server_is_ours() {
        return;
    }
    let scene = Scene::new();
    let member = scene.start(&["--max-wals=7", "--backend-batch-limit=1"]);
    let line = fields(&member.process().wait_for_line("have no effect here", LIMIT));
    for flag in ["max-wals", "backend-batch-limit"] {
        assert!(line[flag].as_str().is_some_and(|why| !why.is_empty()), "{flag}: {line}");
    }
}

/// A member that finds the others by a token.
fn discovering(scene: &Scene, name: &str, service: &Member) -> Member {
    let mut member = scene.member(&[]);
    name.clone_into(&mut member.name);
    for (url, port) in
        [(&mut member.client_url, ports::free()), (&mut member.peer_url, ports::free())]
    {
        *url = format!("http://127.0.0.1:{port}");
    }
    member.advertised_url.clone_from(&member.client_url);
    member.data_dir = scene.home().join(format!("{name}.etcd"));
    member.arguments = vec![
        format!("--name={name}"),
        format!("--data-dir={}", member.data_dir.display()),
        format!("--listen-client-urls={}", member.client_url),
        format!("--advertise-client-urls={}", member.client_url),
        format!("--listen-peer-urls={}", member.peer_url),
        format!("--initial-advertise-peer-urls={}", member.peer_url),
        "--discovery-token=token".to_owned(),
        format!("--discovery-endpoints={}", service.client_url),
    ];
    member
}

#[test]
fn members_find_each_other_at_a_discovery_service() {
    let scene = Scene::new();
    let service = scene.start(&[]);
    let mut early = discovering(&scene, "early", &service);
    early.start();
    let status = early.take_process().wait_for_exit(LIMIT);
    assert_eq!(status.code(), Some(1), "nobody said how many members there will be");
    let size = "/_etcd/registry/token/_config/size";
    service.client().put(size, "3").expect("it serves");
    let mut members: Vec<Member> =
        ["a", "b", "c"].iter().map(|name| discovering(&scene, name, &service)).collect();
    for member in &mut members[..2] {
        member.start();
    }
    assert!(members[0].stays_unready(A_WHILE), "one is missing");
    members[2].start();
    for member in &members {
        member.wait_until_ready();
    }
    let names = eventually(LIMIT, "all names", || {
        let list = members[0].client().members().ok()?.members;
        let names: Vec<String> = list.into_iter().map(|member| member.name).collect();
        names.iter().all(|name| !name.is_empty()).then_some(names)
    });
    assert_eq!(names.len(), 3, "{names:?}");
    let mut late = discovering(&scene, "late", &service);
    late.start();
    late.process().wait_for_line("discovery: cluster is full", LIMIT);
    assert_eq!(late.take_process().wait_for_exit(LIMIT).code(), Some(1));
    // Whoever has data does not ask again.
    members[1].end(Signal::TERM);
    members[1].start();
    members[1].wait_until_ready();
}

#[test]
fn without_records_in_dns_nobody_is_found() {
    let scene = Scene::new();
    let mut member = scene.member(&["--discovery-srv=example.invalid", "--discovery-srv-name=x"]);
    member.arguments.retain(|argument| !argument.starts_with("--initial-cluster="));
    member.start();
    let text = "error querying DNS SRV records for _etcd-server-ssl-x";
    member.process().wait_for_line(text, LIMIT);
    let text = "error querying DNS SRV records for _etcd-server-x";
    member.process().wait_for_line(text, LIMIT);
    assert_eq!(member.take_process().wait_for_exit(LIMIT).code(), Some(1));
}

/// The body of an answer, whatever it holds.
fn download(url: &str, path: &str) -> Vec<u8> {
    let address = url.strip_prefix("http://").expect("a plain URL");
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    let body = answer.windows(4).position(|end| end == b"\r\n\r\n").expect("a head");
    answer.split_off(body + 4)
}

#[test]
fn a_profile_is_made_where_that_is_wanted() {
    let scene = Scene::new();
    let ask = |member: &Member, path: &str| {
        web::ask("GET", &format!("{}{path}", member.client_url), &[]).expect("an answer")
    };
    let mut member = scene.start(&[]);
    assert_eq!(ask(&member, "/debug/pprof/cmdline").status, 404);
    let vars = ask(&member, "/debug/vars");
    assert_eq!(vars.header("content-type"), "application/json; charset=utf-8");
    let vars: Value = serde_json::from_str(&vars.body).expect("JSON");
    assert!(vars["cmdline"].is_array() && vars["file_descriptor_limit"].is_number(), "{vars}");
    member.end(Signal::TERM);

    member.arguments.push("--enable-pprof".to_owned());
    member.start();
    member.wait_until_ready();
    assert!(ask(&member, "/debug/pprof/cmdline").body.contains("--enable-pprof"));
    let is_made = AtomicBool::new(false);
    let profile = std::thread::scope(|scope| {
        let busy = scope.spawn(|| {
            while !is_made.load(Ordering::Relaxed) {
                member.client().put("k", "v").expect("it serves");
            }
        });
        let profile = download(&member.client_url, "/debug/pprof/profile?seconds=1");
        is_made.store(true, Ordering::Relaxed);
        busy.join().expect("it serves all the time");
        profile
    });
    let mut bytes = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(&profile[..]);
    decoder.read_to_end(&mut bytes).expect("it is compressed");
    for text in ["samples", "cpu", "nanoseconds"] {
        let found = bytes.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(found, "{text}");
    }
    // Functions have names of this project.
    let found = bytes.windows(4).any(|part| part == b"etcd");
    assert!(found, "no function is named");
}

#[test]
fn a_profile_of_memory_tells_who_has_it() {
    let scene = Scene::new();
    let member = scene.start(&["--enable-pprof"]);
    let client = member.client();
    for number in 0..2000 {
        client.put(&format!("k{number}"), &"v".repeat(2000)).expect("a put");
    }
    let heap = web::ask("HEAD", &format!("{}/debug/pprof/heap", member.client_url), &[]);
    if heap.expect("an answer").status == 501 {
        assert!(server_is_ours(), "etcd always has it");
        let reason = download(&member.client_url, "/debug/pprof/heap");
        assert!(reason.starts_with(b"heap: the allocator does not sample"), "it says why");
        refuses_gos_own_profiles(&member);
        return;
    }
    let profile = download(&member.client_url, "/debug/pprof/heap");
    let mut bytes = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(&profile[..]);
    decoder.read_to_end(&mut bytes).expect("it is compressed");
    for text in ["inuse_space", "bytes", "etcd"] {
        let found = bytes.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(found, "{text}");
    }
    if server_is_ours() {
        refuses_gos_own_profiles(&member);
    }
}

/// What only Go has is refused with the reason.
#[track_caller]
fn refuses_gos_own_profiles(member: &Member) {
    for name in ["allocs", "block", "goroutine", "mutex", "symbol", "threadcreate", "trace"] {
        let url = format!("{}/debug/pprof/{name}", member.client_url);
        let answer = web::ask("GET", &url, &[]).expect("an answer");
        assert_eq!(answer.status, 501, "{name}");
        assert!(answer.body.starts_with(&format!("{name}: ")), "{answer:?}");
    }
}
