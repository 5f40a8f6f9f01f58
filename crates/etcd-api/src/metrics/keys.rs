//! Metrics of keys, of watchers, of leases, and of what commands take.

use etcd_apply::{Outcome, Views};
use etcd_proto::etcdserverpb::AlarmType;

use crate::metrics::families::Page;

/// All of them.
pub(super) fn write(views: &Views, page: &mut Page) {
    write_operations(views, page);
    write_revisions(views, page);
    write_compactions(views, page);
    write_watches(views, page);
    write_leases(views, page);
    write_commands(views, page);
    write_cluster(views, page);
    write_index(views, page);
}

fn write_operations(views: &Views, page: &mut Page) {
    let figures = views.mvcc.figures();
    page.counter("etcd_mvcc_put_total", "Puts that were executed.", &figures.puts);
    page.counter("etcd_mvcc_delete_total", "Deletes that were executed.", &figures.deletes);
    page.counter("etcd_mvcc_range_total", "Ranges that were read.", &figures.ranges);
    let txns = "Transactions of more than one operation.";
    page.counter("etcd_mvcc_txn_total", txns, &figures.txns);
    page.level(
        "etcd_debugging_mvcc_total_put_size_in_bytes",
        "Bytes of the keys and values that were put.",
        figures.put_bytes.get(),
    );
    let hashes = "How long it takes to hash everything.";
    page.histogram("etcd_mvcc_hash_duration_seconds", hashes, &views.figures.hashes);
    let hashes = "How long it takes to hash the keys up to a revision.";
    page.histogram("etcd_mvcc_hash_rev_duration_seconds", hashes, &figures.hashes);
}

fn write_revisions(views: &Views, page: &mut Page) {
    let gauges = [
        ("current_revision", "The current revision.", views.mvcc.revision() as f64),
        ("compact_revision", "The last compacted revision.", views.mvcc.compact_revision() as f64),
        ("keys_total", "Keys that there are.", views.mvcc.live_keys() as f64),
    ];
    for (name, help, value) in gauges {
        page.gauge(&format!("etcd_debugging_mvcc_{name}"), help, value);
    }
    let sizes = views.storage.sizes();
    let total = "Bytes of all that is stored.";
    page.level("etcd_mvcc_db_total_size_in_bytes", total, sizes.total);
    let in_use = "Bytes of it that are of use.";
    page.level("etcd_mvcc_db_total_size_in_use_in_bytes", in_use, sizes.in_use);
    let help = "Views of the state that readers hold.";
    let held = views.storage.engine().views;
    page.level("etcd_mvcc_db_open_read_transactions", help, held);
    page.gauge(
        "etcd_server_quota_backend_bytes",
        "The room that the state has, in bytes.",
        views.quota.limit_bytes() as f64,
    );
    let revision = views.auth.store().revision() as f64;
    let help = "The revision of users and roles.";
    page.gauge("etcd_debugging_auth_revision", help, revision);
}

fn write_compactions(views: &Views, page: &mut Page) {
    let figures = views.mvcc.figures();
    page.counter(
        "etcd_debugging_mvcc_db_compaction_keys_total",
        "Records that compactions removed.",
        &figures.compacted,
    );
    page.level(
        "etcd_debugging_mvcc_db_compaction_last",
        "When a compaction was last carried out, in seconds of Unix time.",
        figures.last_compaction(),
    );
    let histograms = [
        ("db_compaction_pause", "a compaction's step that removes records", &figures.removals),
        ("db_compaction_total", "a compaction", &figures.compactions),
        ("index_compaction_pause", "a compaction's look at the index", &figures.index_steps),
    ];
    for (name, what, histogram) in histograms {
        let name = format!("etcd_debugging_mvcc_{name}_duration_milliseconds");
        page.histogram(&name, &format!("How long {what} takes."), histogram);
    }
}

fn write_watches(views: &Views, page: &mut Page) {
    let (hub, figures) = (&views.hub, views.hub.figures());
    let events = "Changes that watchers were told of.";
    page.counter("etcd_debugging_mvcc_events_total", events, &figures.events);
    let gauges = [
        ("pending_events_total", "Changes that wait in watchers' queues.", figures.pending.get()),
        ("slow_watcher_total", "Watchers that are told the past.", hub.watchers_behind()),
        ("watch_stream_total", "Open watch streams.", hub.feeds() as u64),
        ("watcher_total", "Watchers.", figures.watchers.get()),
    ];
    for (name, help, value) in gauges {
        page.level(&format!("etcd_debugging_mvcc_{name}"), help, value);
    }
}

fn write_leases(views: &Views, page: &mut Page) {
    let figures = views.lessor.figures();
    let counters = [
        ("granted", "Leases that were granted.", &figures.granted),
        ("renewed", "Renewals while this member led.", &figures.renewed),
        ("revoked", "Leases that were revoked.", &figures.revoked),
    ];
    for (name, help, count) in counters {
        page.counter(&format!("etcd_debugging_lease_{name}_total"), help, count);
    }
    let ttls = "The times to live of the leases that were granted, in seconds.";
    page.histogram("etcd_debugging_lease_ttl_total", ttls, &figures.ttls);
    page.level("etcd_lease_leases", "Leases that there are.", views.lessor.count() as u64);
}

fn write_commands(views: &Views, page: &mut Page) {
    let figures = &views.figures;
    let commands = figures.commands().map(|(kind, outcome, times)| {
        let labels = vec![("op", kind.name()), ("success", success(outcome)), ("version", "v3")];
        (labels, times)
    });
    page.histograms(
        "etcd_server_apply_duration_seconds",
        "How long commands take that are applied.",
        commands,
    );
    let ranges =
        figures.ranges().map(|(outcome, times)| (vec![("success", success(outcome))], times));
    let help = "How long ranges take.";
    page.histograms("etcd_server_range_duration_seconds", help, ranges);
    let slow = "Commands and reads that took long.";
    page.counter("etcd_server_slow_apply_total", slow, &figures.slow);
}

fn success(outcome: Outcome) -> &'static str {
    if outcome == Outcome::Done { "true" } else { "false" }
}

fn write_cluster(views: &Views, page: &mut Page) {
    let cluster = views.cluster();
    let present = cluster.version_number();
    let former = views.figures.versions().into_iter().filter(|former| Some(*former) != present);
    let versions = former.map(|former| (former.short(), 0.0));
    let versions: Vec<_> = versions.chain(present.map(|present| (present.short(), 1.0))).collect();
    page.gauges(
        "etcd_cluster_version",
        "The version that all members speak, and those that they spoke before.",
        versions.iter().map(|(version, value)| (vec![("cluster_version", &**version)], *value)),
    );
    let alarms = cluster.alarms.iter().map(|alarm| {
        let kind = AlarmType::try_from(alarm.alarm).map_or("UNKNOWN", |kind| kind.as_str_name());
        (kind, format!("{:x}", alarm.member_id))
    });
    let alarms: Vec<_> = alarms.collect();
    let alarms = alarms
        .iter()
        .map(|(kind, member)| (vec![("alarm_type", *kind), ("server_id", &**member)], 1.0));
    page.gauges("etcd_debugging_server_alarms", "Alarms that stand.", alarms);
}

fn write_index(views: &Views, page: &mut Page) {
    let keys = "Keys in the index in memory, also deleted ones.";
    page.level("etcd_index_keys", keys, views.mvcc.indexed_keys() as u64);
    page.level(
        "etcd_index_bytes",
        "Bytes of memory that the index takes, without the past of keys that have one.",
        views.mvcc.index_bytes() as u64,
    );
    page.level(
        "etcd_index_compactions_waiting",
        "Compactions that are not carried out yet.",
        views.mvcc.compaction_backlog() as u64,
    );
}
