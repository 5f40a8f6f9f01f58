//! Metrics of the consensus and of the traffic between members.

use std::sync::Arc;

use etcd_figures::{Count, Distribution};
use etcd_membership::MemberId;
use etcd_raft::{PeerFigures, Transfers};

use crate::Api;
use crate::metrics::families::{Labels, Page};

/// All of them.
pub(super) fn write(api: &Api, page: &mut Page) {
    write_leader(api, page);
    write_proposals(api, page);
    write_reads(api, page);
    write_queues(api, page);
    let figures = api.raft.figures();
    let peers: Vec<Peer> = figures.peers().into_iter().map(Peer::new).collect();
    write_members(api, &peers, page);
    write_traffic(&peers, page);
    write_round_trips(&peers, page);
    write_snapshots(&peers, page);
}

fn write_leader(api: &Api, page: &mut Page) {
    let status = api.raft.status();
    let flag = |is: bool| u64::from(is);
    let gauges = [
        ("has_leader", "Whether a leader is known.", flag(status.leader.is_some())),
        ("is_leader", "Whether this member leads.", flag(status.is_leader())),
        ("is_learner", "Whether this member has no vote.", flag(status.is_learner)),
    ];
    for (name, help, value) in gauges {
        page.level(&format!("etcd_server_{name}"), help, value);
    }
    page.counters(
        "etcd_server_leader_changes_seen_total",
        "How often a leader became known.",
        [(Labels::new(), api.raft.leader_changes())],
    );
    page.level("etcd_raft_term", "The current term.", status.term);
    let late = "Heartbeats that this member sent late while it led.";
    let late_heartbeats = &api.raft.figures().late_heartbeats;
    page.counter("etcd_server_heartbeat_send_failures_total", late, late_heartbeats);
    page.level(
        "etcd_server_snapshot_apply_in_progress_total",
        "Whether a received snapshot is being installed.",
        api.raft.figures().installing.get(),
    );
}

fn write_proposals(api: &Api, page: &mut Page) {
    let status = api.raft.status();
    let gauges = [
        ("applied_total", "The last applied entry.", status.applied.index),
        ("committed_total", "The last entry known as committed.", status.committed),
        (
            "pending",
            "Commands of callers here that are not applied yet.",
            api.raft.proposals_pending() as u64,
        ),
    ];
    for (name, help, value) in gauges {
        page.level(&format!("etcd_server_proposals_{name}"), help, value);
    }
    page.counter(
        "etcd_server_proposals_failed_total",
        "Commands of callers here that came to nothing, or are not known to have.",
        &api.raft.figures().proposals_failed,
    );
}

fn write_reads(api: &Api, page: &mut Page) {
    let figures = api.raft.figures();
    page.counter(
        "etcd_server_read_indexes_failed_total",
        "Confirmations for reads that another leader cut off.",
        &figures.barriers_failed,
    );
    page.counter(
        "etcd_server_slow_read_indexes_total",
        "Confirmations for reads that did not come in time.",
        &figures.barriers_slow,
    );
}

fn write_queues(api: &Api, page: &mut Page) {
    let (proposals, reads) = api.raft.queues();
    let mut gauges = vec![
        ("queue_proposals", "Commands that wait to be put into the log.", proposals as u64),
        ("queue_reads", "Reads that wait for a confirmation.", reads as u64),
        ("backlog_entries", "Entries that are committed and not applied.", api.raft.backlog()),
    ];
    if let Some(log) = api.raft.log_facts() {
        gauges.extend([
            ("log_queue", "Operations that wait to be written to the log.", log.queue),
            ("log_first_index", "The first entry of the log.", log.first),
            ("log_last_index", "The last entry of the log.", log.last),
            ("log_entries_in_memory", "Entries kept in memory.", log.entries_in_memory),
            ("log_bytes_in_memory", "Bytes of them.", log.bytes_in_memory),
        ]);
    }
    for (name, help, value) in gauges {
        page.level(&format!("etcd_raft_{name}"), help, value);
    }
}

/// Another member that was met.
struct Peer {
    id: String,
    figures: Arc<PeerFigures>,
}

impl Peer {
    fn new((id, figures): (MemberId, Arc<PeerFigures>)) -> Peer {
        Peer { id: id.to_string(), figures }
    }
}

fn write_members(api: &Api, peers: &[Peer], page: &mut Page) {
    let local = api.member_id.to_string();
    let pair = |remote| vec![("Local", &*local), ("Remote", remote)];
    let cluster = api.views.cluster();
    let others = cluster.members.iter().filter(|member| member.id != api.member_id);
    let known: Vec<String> = others.map(|member| member.id.to_string()).collect();
    page.gauges(
        "etcd_network_known_peers",
        "Other members of the cluster.",
        known.iter().map(|id| (pair(id), 1.0)),
    );
    let active = peers.iter().map(|peer| {
        let is_active = peer.figures.connections.get() > 0;
        (pair(&peer.id), f64::from(u8::from(is_active)))
    });
    page.gauges("etcd_network_active_peers", "Members with a connection either way.", active);
    let lost = peers.iter().map(|peer| (pair(&peer.id), peer.figures.losses.get()));
    page.counters(
        "etcd_network_disconnected_peers_total",
        "How often the last connection with a member was lost.",
        lost.filter(|(_, times)| *times > 0),
    );
}

fn write_traffic(peers: &[Peer], page: &mut Page) {
    type Counted = fn(&PeerFigures) -> &Count;
    let counters: [(&str, &str, &'static str, Counted); 4] = [
        ("sent_bytes", "Bytes of messages to a member.", "To", |peer| &peer.sent_bytes),
        ("sent_failures", "Connections to a member that failed.", "To", |p| &p.send_failures),
        ("received_bytes", "Bytes of messages from a member.", "From", |p| &p.received_bytes),
        ("received_failures", "Connections from a member that broke.", "From", |peer| {
            &peer.receive_failures
        }),
    ];
    for (name, help, label, counted) in counters {
        let metrics =
            peers.iter().map(|peer| (vec![(label, &*peer.id)], counted(&peer.figures).get()));
        let metrics = metrics.filter(|(_, count)| *count > 0);
        page.counters(&format!("etcd_network_peer_{name}_total"), help, metrics);
    }
}

fn write_round_trips(peers: &[Peer], page: &mut Page) {
    let trips =
        peers.iter().map(|peer| (vec![("To", &*peer.id)], peer.figures.round_trips.distribution()));
    page.histograms(
        "etcd_network_peer_round_trip_time_seconds",
        "How long members take to answer heartbeats.",
        trips.filter(|(_, times)| times.count > 0),
    );
}

fn write_snapshots(peers: &[Peer], page: &mut Page) {
    type Transferred = fn(&PeerFigures) -> &Transfers;
    let ways: [(&str, &'static str, Transferred); 2] = [
        ("send", "To", |peer| &peer.snapshots_sent),
        ("receive", "From", |peer| &peer.snapshots_received),
    ];
    for (way, label, transferred) in ways {
        let peers = peers.iter().map(|peer| (&*peer.id, transferred(&peer.figures)));
        let met: Vec<(&str, &Transfers, Distribution)> = peers
            .map(|(id, transfers)| (id, transfers, transfers.times.distribution()))
            .filter(|(_, transfers, times)| {
                times.count + transfers.failed.get() + transfers.under_way.get() > 0
            })
            .collect();
        let labels = |id| vec![(label, id)];
        let name = |what: &str| format!("etcd_network_snapshot_{way}_{what}");
        let under_way = met.iter().map(|(id, t, _)| (labels(*id), t.under_way.get() as f64));
        page.gauges(&name("inflights_total"), "Snapshots that are under way.", under_way);
        let succeeded = met.iter().map(|(id, t, _)| (labels(*id), t.succeeded.get()));
        let succeeded = succeeded.filter(|(_, count)| *count > 0);
        page.counters(&name("success"), "Snapshots that arrived.", succeeded);
        let failed = met.iter().map(|(id, t, _)| (labels(*id), t.failed.get()));
        let failed = failed.filter(|(_, count)| *count > 0);
        page.counters(&name("failures"), "Snapshots that did not arrive.", failed);
        let times = met.iter().filter(|(_, _, times)| times.count > 0);
        let times = times.map(|(id, _, times)| (labels(*id), times.clone()));
        page.histograms(&name("total_duration_seconds"), "How long snapshots take.", times);
    }
}
