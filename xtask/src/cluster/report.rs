//! What a person is shown: the members as a table, and commands to copy.

use anyhow::Result;
use comfy_table::{ContentArrangement, Table, presets};
use etcd_proto::etcdserverpb as pb;

use super::client;
use super::member::Member;
use super::process;
use super::record::Cluster;

/// One line of the table.
struct Row {
    name: String,
    id: String,
    peer_urls: String,
    client_url: String,
    role: &'static str,
    process: String,
}

/// The table of all members, with what those that run say themselves.
pub(crate) async fn table(cluster: &Cluster) -> String {
    let mut rows = Vec::new();
    let known = known_members(cluster).await;
    for member in &cluster.members {
        let status = match process::is_running(member) {
            true => client::status(member).await,
            false => Err(anyhow::anyhow!("does not run")),
        };
        rows.push(row(member, &status, &known));
    }
    render(&rows)
}

/// The members as the first one that answers knows them.
async fn known_members(cluster: &Cluster) -> Vec<pb::Member> {
    for member in cluster.members.iter().filter(|member| process::is_running(member)) {
        if let Ok(members) = client::members(member).await {
            return members;
        }
    }
    Vec::new()
}

fn row(member: &Member, status: &Result<pb::StatusResponse>, known: &[pb::Member]) -> Row {
    let known = known.iter().find(|known| known.name == member.name);
    let role = match status {
        Err(_) if !process::is_running(member) => "stopped",
        Err(_) => "does not answer",
        Ok(status) if status.leader == 0 => "sees no leader",
        Ok(status) => match &status.header {
            Some(header) if header.member_id == status.leader => "leader",
            _ if status.is_learner => "learner",
            _ => "follower",
        },
    };
    Row {
        name: member.name.clone(),
        id: known.map(|known| format!("{:x}", known.id)).unwrap_or_default(),
        peer_urls: known.map(|known| known.peer_urls.join(" ")).unwrap_or_default(),
        client_url: member.client_url.clone(),
        role,
        process: member.process.map(|process| process.to_string()).unwrap_or_default(),
    }
}

fn render(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["member", "id", "peer URL", "client URL", "role", "process"]);
    for row in rows {
        table.add_row([
            &row.name,
            &row.id,
            &row.peer_urls,
            &row.client_url,
            row.role,
            &row.process,
        ]);
    }
    table.to_string()
}

/// Commands that work on this cluster as they are, one a line.
pub(crate) fn commands(cluster: &Cluster) -> Vec<String> {
    let endpoints: Vec<_> = cluster.members.iter().map(|m| m.client_url.as_str()).collect();
    let mut lines = vec![format!("export ETCDCTL_ENDPOINTS={}", endpoints.join(","))];
    if let Some(identity) = cluster.members.iter().find_map(|m| m.identity.as_ref()) {
        lines.push(format!("export ETCDCTL_CACERT={}", identity.authority.display()));
        lines.push(format!("export ETCDCTL_CERT={}", identity.certificate.display()));
        lines.push(format!("export ETCDCTL_KEY={}", identity.key.display()));
    }
    let rest = [
        "etcdctl put greeting hello",
        "etcdctl get greeting",
        "etcdctl member list --write-out=table",
        "cargo xtask cluster-kill 1",
        "cargo xtask cluster-restart 1",
        "cargo xtask cluster-status",
        "cargo xtask cluster-down",
    ];
    lines.extend(rest.map(str::to_owned));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::plan::{self, Doors};
    use expect_test::expect;
    use std::path::Path;

    fn status(member_id: u64, leader: u64) -> Result<pb::StatusResponse> {
        let header = Some(pb::ResponseHeader { member_id, ..Default::default() });
        Ok(pb::StatusResponse { header, leader, ..Default::default() })
    }

    #[test]
    fn the_table_says_who_leads_and_who_is_not_there() {
        let cluster = plan::local(Path::new("/c"), 3, 2379, Doors::Plain).unwrap();
        let known: Vec<_> = (1..=2)
            .map(|number| pb::Member {
                id: 0xa0 + number,
                name: format!("m{number}"),
                peer_urls: vec![format!("http://127.0.0.1:{}", 2370 + 10 * number)],
                ..Default::default()
            })
            .collect();
        let mut members = cluster.members;
        members[0].process = Some(7);
        let rows = [
            row(&members[0], &status(0xa1, 0xa1), &known),
            row(&members[1], &status(0xa2, 0xa1), &known),
            row(&members[2], &Err(anyhow::anyhow!("no")), &known),
        ];
        expect![[r#"
            ┌────────┬────┬───────────────────────┬───────────────────────┬──────────┬─────────┐
            │ member ┆ id ┆ peer URL              ┆ client URL            ┆ role     ┆ process │
            ╞════════╪════╪═══════════════════════╪═══════════════════════╪══════════╪═════════╡
            │ m1     ┆ a1 ┆ http://127.0.0.1:2380 ┆ http://127.0.0.1:2379 ┆ leader   ┆ 7       │
            │ m2     ┆ a2 ┆ http://127.0.0.1:2390 ┆ http://127.0.0.1:2389 ┆ follower ┆         │
            │ m3     ┆    ┆                       ┆ http://127.0.0.1:2399 ┆ stopped  ┆         │
            └────────┴────┴───────────────────────┴───────────────────────┴──────────┴─────────┘"#]]
        .assert_eq(&render(&rows));
    }

    #[test]
    fn commands_for_a_cluster_with_tls_name_the_certificates() {
        let cluster = plan::local(Path::new("/c"), 2, 2379, Doors::Tls).unwrap();
        expect![[r#"
            export ETCDCTL_ENDPOINTS=https://127.0.0.1:2379,https://127.0.0.1:2389
            export ETCDCTL_CACERT=/c/tls/ca.pem
            export ETCDCTL_CERT=/c/tls/client.pem
            export ETCDCTL_KEY=/c/tls/client-key.pem
            etcdctl put greeting hello
            etcdctl get greeting
            etcdctl member list --write-out=table
            cargo xtask cluster-kill 1
            cargo xtask cluster-restart 1
            cargo xtask cluster-status
            cargo xtask cluster-down"#]]
        .assert_eq(&commands(&cluster).join("\n"));
    }
}
