//! etcd's own command line, old and new, gets from this server what it gets from a real one.

use etcd_tests::cluster::eventually;
use etcd_tests::{Cluster, Etcdctl, Plan, script};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Cells of `endpoint status` that no two clusters share.
const VARYING_COLUMNS: &[&str] = &[
    "DB SIZE",
    "DB SIZE IN USE",
    "IN USE",
    "PERCENTAGE NOT IN USE",
    "IS LEADER",
    "RAFT TERM",
    "RAFT INDEX",
    "RAFT APPLIED INDEX",
    "TOOK",
];

/// What is in an answer that tells how long a lease still lives.
const TIMES_TO_LIVE: &[&str] = &["remaining(", "\"granted-ttl\":", "\"GrantedTTL\" : "];

/// Runs all scripts of a folder against a cluster of their own, in the order of their names.
fn check(plan: &Plan, etcdctl: &Etcdctl, folder: &str) {
    let cluster = Cluster::start(plan);
    wait_for_versions(&cluster);
    run(&cluster, etcdctl, folder, normalise);
}

fn run(cluster: &Cluster, etcdctl: &Etcdctl, folder: &str, normalise: fn(&str) -> String) {
    // Whoever answers puts its id into the header: it is always the same one.
    let etcdctl = speaking_to(cluster, etcdctl, &cluster.advertised_urls()[..1]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(folder);
    let entries = fs::read_dir(&folder).expect("the scripts are there");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no script in {}", folder.display());
    for file in files {
        let run = |call: script::Call<'_>| match call.lines {
            None => etcdctl.run(&call.arguments, call.input),
            Some(lines) => etcdctl.run_until(lines, &call.arguments, call.input),
        };
        script::check(&file, run, normalise);
    }
}

fn speaking_to(cluster: &Cluster, etcdctl: &Etcdctl, urls: &[String]) -> Etcdctl {
    let etcdctl = etcdctl.clone().with_endpoints(urls);
    match &cluster.certificates {
        Some(certificates) => etcdctl.with_certificate(certificates),
        None => etcdctl,
    }
}

/// A young cluster agrees on its version first and raises that of its storage after.
fn wait_for_versions(cluster: &Cluster) {
    let etcdctl = speaking_to(cluster, &Etcdctl::newest(), &cluster.advertised_urls());
    eventually(Duration::from_secs(15), "the storage's version", || {
        let status = etcdctl.succeed(&["endpoint", "status", "-w", "fields"]);
        let ready = status.matches("\"StorageVersion\" : \"3.7.0\"").count();
        (ready == cluster.members.len()).then_some(())
    });
}

#[test]
fn etcdctl_3_4_prints_the_same_without_tls() {
    check(&Plan::namespaces(), &Etcdctl::debian(), "etcdctl-3.4");
}

#[test]
fn etcdctl_3_4_prints_the_same_with_tls() {
    check(&Plan::namespaces().client_tls(), &Etcdctl::debian(), "etcdctl-3.4");
}

#[test]
fn etcdctl_3_7_prints_the_same_without_tls() {
    check(&Plan::namespaces(), &Etcdctl::newest(), "etcdctl-3.7");
}

#[test]
fn etcdctl_3_7_prints_the_same_with_tls() {
    check(&Plan::namespaces().client_tls(), &Etcdctl::newest(), "etcdctl-3.7");
}

/// The old client sends the whole URL of the endpoint, scheme and all, as HTTP/2's `:authority`.
#[test]
fn etcdctl_3_4_prints_the_same_status_without_tls() {
    check(&Plan::namespaces(), &Etcdctl::debian(), "etcdctl-3.4-status");
}

#[test]
fn etcdctl_3_4_prints_the_same_status_with_tls() {
    check(&Plan::namespaces().client_tls(), &Etcdctl::debian(), "etcdctl-3.4-status");
}

#[test]
fn etcdctl_3_7_reads_a_range_in_parts() {
    check(&Plan::namespaces(), &Etcdctl::newest(), "etcdctl-3.7-stream");
}

/// Passwords that are hashed quickly: each command logs in anew.
fn with_users() -> Plan {
    Plan::namespaces().flag("--bcrypt-cost=4")
}

#[test]
fn etcdctl_3_4_manages_users_and_roles_without_tls() {
    check(&with_users(), &Etcdctl::debian(), "etcdctl-3.4-auth");
}

#[test]
fn etcdctl_3_7_manages_users_and_roles_without_tls() {
    check(&with_users(), &Etcdctl::newest(), "etcdctl-3.7-auth");
}

#[test]
fn etcdctl_3_7_asks_whether_the_cluster_can_be_downgraded() {
    check(&Plan::namespaces(), &Etcdctl::newest(), "etcdctl-3.7-downgrade");
}

#[test]
fn etcdctl_3_7_grants_asks_for_and_revokes_leases() {
    check(&Plan::namespaces(), &Etcdctl::newest(), "etcdctl-3.7-leases");
}

#[test]
fn etcdctl_3_7_locks_and_elects() {
    check(&Plan::namespaces(), &Etcdctl::newest(), "etcdctl-3.7-locks");
}

#[test]
fn etcdctl_3_7_adds_asks_for_and_deletes_users() {
    check(&with_users(), &Etcdctl::newest(), "etcdctl-3.7-users");
}

#[test]
fn etcdctl_3_7_grants_and_revokes_permissions() {
    check(&with_users(), &Etcdctl::newest(), "etcdctl-3.7-roles");
}

#[test]
fn etcdctl_3_7_is_told_what_nobody_a_user_and_root_may() {
    check(&with_users(), &Etcdctl::newest(), "etcdctl-3.7-access");
}

#[test]
fn etcdctl_3_7_lists_and_disarms_alarms() {
    // The storage is never smaller.
    let plan = Plan::namespaces().flag("--quota-backend-bytes=1");
    check(&plan, &Etcdctl::newest(), "etcdctl-3.7-alarms");
}

#[test]
fn a_certificate_names_the_user_of_etcdctl_3_7() {
    check(&with_users().client_tls(), &Etcdctl::newest(), "etcdctl-3.7-certificate");
}

#[test]
fn etcdctl_3_7_adds_moves_promotes_and_removes_members() {
    let cluster = Cluster::start(&Plan::namespaces());
    wait_for_versions(&cluster);
    // Only members that have been connected for long let others in.
    let etcdctl = speaking_to(&cluster, &Etcdctl::newest(), &cluster.advertised_urls()[..1]);
    eventually(Duration::from_secs(20), "a cluster that lets members in", || {
        let words = ["member", "add", "probe", "--peer-urls=http://10.0.52.90:2380", "-w", "json"];
        let output = etcdctl.run(&words, "");
        let answer: Value = serde_json::from_slice(&output.stdout).ok()?;
        let id = answer["member"]["ID"].as_u64().expect("the id of the new member");
        etcdctl.succeed(&["member", "remove", &format!("{id:x}")]);
        Some(())
    });
    run(&cluster, &Etcdctl::newest(), "etcdctl-3.7-members", normalise_members);
}

/// The same for answers that list members: their order is that of ids, which differ.
fn normalise_members(answer: &str) -> String {
    let answer = normalise(answer);
    let mut lines: Vec<String> = answer.lines().map(sort_members).collect();
    let after_id = |line: &String| line.split_once(", ").map(|(_, rest)| rest.to_owned());
    let is_listed = |line: &String| line.contains(", started, ") || line.contains(", unstarted, ");
    if lines.iter().all(is_listed) {
        lines.sort_by_key(after_id);
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// A line of an answer with the members in it in the order of their names.
fn sort_members(line: &str) -> String {
    // An id with a zero in front has a blank instead.
    let line = line.replace("Member  $", "Member $");
    let sorted = |list: &str, between: &str, from: char| {
        let mut members: Vec<&str> = list.split(between).collect();
        members.sort_by_key(|member| member.split_once(from).map(|(_, rest)| rest));
        members.join(between)
    };
    if let Some(list) = line.strip_prefix("ETCD_INITIAL_CLUSTER=\"") {
        let list = list.trim_end_matches('"');
        return format!("ETCD_INITIAL_CLUSTER=\"{}\"", sorted(list, ",", '/'));
    }
    match line.split_once("\"members\":[{") {
        Some((before, list)) => {
            let list = list.trim_end_matches("}]}");
            format!("{before}\"members\":[{{{}}}]}}", sorted(list, "},{", ','))
        }
        None => line,
    }
}

/// An answer without what differs from cluster to cluster: the scheme, times, sizes, terms.
fn normalise(answer: &str) -> String {
    // How many blanks stand before an alarm differs from build to build of an etcd.
    let answer = answer.replace("https://", "http://").replace("  alarm:", " alarm:");
    let mut lines: Vec<String> = answer.lines().map(normalise_line).collect();
    if TIMES_TO_LIVE.iter().any(|told| answer.contains(told)) {
        lines = lines.iter().map(|line| mask_time_to_live(line)).collect();
    }
    mask_columns(&mut lines);
    // Only a leader knows which lease ends first.
    if let Some((first, leases)) = lines.split_first_mut()
        && first.starts_with("found ")
    {
        leases.sort();
    }
    // Members are listed as they answer.
    let tells_health = |line: &&mut String| {
        [" is healthy", " is unhealthy"].iter().any(|told| line.contains(told))
    };
    let listed = lines.iter_mut().take_while(tells_health).count();
    lines[..listed].sort();
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn normalise_line(line: &str) -> String {
    let mut line = mask_status(line);
    for (before, after) in [
        ("took = ", ""),
        (". took ", ""),
        ("\"took\":", "}"),
        ("\"raft_term\":", "}"),
        ("\"RaftTerm\" : ", ""),
    ] {
        line = mask(&line, before, after);
    }
    line
}

/// Stars out what a lease has left. One that is not there has nothing, as -1 tells.
fn mask_time_to_live(line: &str) -> String {
    let whole = line.to_owned();
    [("remaining(", ")"), ("\"ttl\":", "}"), ("\"TTL\" : ", "")].iter().fold(
        whole,
        |line, (before, after)| match line.contains(&format!("{before}-")) {
            true => line,
            false => mask(&line, before, after),
        },
    )
}

/// Stars out sizes, leadership and raft's numbers in a line of `endpoint status`.
fn mask_status(line: &str) -> String {
    let mut cells: Vec<&str> = line.split(", ").collect();
    let varying: &[usize] = match cells.len() {
        10 => &[3, 4, 6, 7, 8],
        16 => &[4, 5, 6, 8, 10, 11, 12],
        _ => &[],
    };
    for &at in varying {
        cells[at] = "*";
    }
    cells.join(", ")
}

/// Puts a star for what stands between `before` and the next comma or `after`.
fn mask(line: &str, before: &str, after: &str) -> String {
    let Some(at) = line.find(before) else { return line.to_owned() };
    let (head, rest) = line.split_at(at + before.len());
    let comma = rest.find(',').unwrap_or(rest.len());
    let end =
        if after.is_empty() { comma } else { rest.find(after).map_or(comma, |e| e.min(comma)) };
    format!("{head}*{}", &rest[end..])
}

/// Stars out the varying cells of a table, and writes every cell without padding.
fn mask_columns(lines: &mut [String]) {
    let mut heads: Vec<String> = Vec::new();
    for line in lines {
        let vertical = if line.starts_with('│') { '│' } else { '|' };
        if line.starts_with(['+', '├', '┌', '└']) {
            "+".clone_into(line);
        } else if let Some(row) = line.strip_prefix(vertical) {
            let cells = row.trim_end_matches(vertical).split(vertical);
            let cells: Vec<String> = cells.map(|cell| cell.trim().to_owned()).collect();
            if heads.is_empty() {
                heads.clone_from(&cells);
            }
            let shown = cells.iter().zip(&heads).map(|(cell, head)| {
                let varies = VARYING_COLUMNS.contains(&head.as_str()) && cell != head;
                if varies { "*" } else { cell }
            });
            *line = format!("| {} |", shown.collect::<Vec<_>>().join(" | "));
        }
    }
}
