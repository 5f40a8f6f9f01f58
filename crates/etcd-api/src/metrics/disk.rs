//! Metrics of what goes to the disk, and of RocksDB.

use etcd_storage::Engine;

use crate::Api;
use crate::metrics::families::{Labels, Page};

/// All of them.
pub(super) fn write(api: &Api, page: &mut Page) {
    write_log(api, page);
    write_state(api, page);
    write_snapshots(api, page);
    write_engine(api, page);
}

fn write_log(api: &Api, page: &mut Page) {
    let Some(log) = api.raft.log_facts() else { return };
    let written = log.written_bytes;
    page.level("etcd_disk_wal_write_bytes_total", "Bytes written to the log.", written);
    page.histograms(
        "etcd_disk_wal_write_duration_seconds",
        "How long it takes to put what waits into one write of the log, and to write it.",
        [(Labels::new(), log.groups)],
    );
    page.histograms(
        "etcd_disk_wal_fsync_duration_seconds",
        "How long it takes to sync a write of the log.",
        [(Labels::new(), log.syncs)],
    );
    page.level("etcd_raft_log_segments", "Files of the log.", log.segments);
}

fn write_state(api: &Api, page: &mut Page) {
    let (figures, applied) = (api.views.storage.figures(), &api.views.figures);
    let commits = "How long it takes to commit what was applied together.";
    page.histogram("etcd_disk_backend_commit_duration_seconds", commits, &figures.commits);
    let name = "etcd_debugging_disk_backend_commit_write_duration_seconds";
    page.histogram(name, "The same: a commit is nothing but the write.", &figures.commits);
    page.histogram(
        "etcd_disk_backend_defrag_duration_seconds",
        "How long it takes to defragment the state.",
        &figures.compactions,
    );
    page.level(
        "etcd_disk_defrag_inflight",
        "Whether the state is being defragmented.",
        figures.compacting.get().min(1),
    );
    page.histogram(
        "etcd_disk_backend_snapshot_duration_seconds",
        "How long it takes to send a snapshot to a client.",
        &applied.copies,
    );
    let files = api.views.storage.revision_files() as u64;
    page.level("etcd_state_revision_files", "Files of the keys' revisions.", files);
}

fn write_snapshots(api: &Api, page: &mut Page) {
    let (flushes, raft) = (&api.views.storage.figures().flushes, api.raft.figures());
    let help = "How long it takes to write what is in memory to synced files.";
    page.histogram("etcd_snap_fsync_duration_seconds", help, flushes);
    page.histogram("etcd_debugging_snap_save_total_duration_seconds", help, flushes);
    page.histogram(
        "etcd_snap_db_fsync_duration_seconds",
        "How long it takes to sync a file of a received snapshot.",
        &raft.snapshot_syncs,
    );
    page.histogram(
        "etcd_snap_db_save_total_duration_seconds",
        "How long it takes to receive and to keep a snapshot.",
        &raft.snapshot_saves,
    );
}

fn write_engine(api: &Api, page: &mut Page) {
    let engine = api.views.storage.engine();
    type Told = fn(&Engine) -> u64;
    let gauges: [(&str, &str, Told); 13] = [
        ("file_bytes", "Bytes of files.", |engine| engine.file_bytes),
        ("memory_table_bytes", "Bytes in no file yet.", |engine| engine.memory_table_bytes),
        ("table_reader_bytes", "Bytes of memory for the files' indexes and filters.", |engine| {
            engine.table_reader_bytes
        }),
        ("pending_compaction_bytes", "Bytes that compactions are behind with.", |engine| {
            engine.pending_compaction_bytes
        }),
        ("running_compactions", "Compactions that run.", |engine| engine.running_compactions),
        ("running_flushes", "Flushes that run.", |engine| engine.running_flushes),
        ("rows", "Rows, about.", |engine| engine.rows),
        ("views", "Views that are held.", |engine| engine.views),
        ("delayed_write_bytes_per_second", "To what writes are slowed down.", |engine| {
            engine.delayed_write_rate
        }),
        ("writes_stopped", "Whether writes stand still.", |engine| engine.writes_stopped),
        ("background_errors_total", "Errors in the background.", |engine| engine.background_errors),
        ("block_cache_bytes", "Bytes of blocks in the cache.", |engine| engine.cache_bytes),
        ("block_cache_limit_bytes", "The most bytes of blocks in the cache.", |engine| {
            engine.cache_limit_bytes
        }),
    ];
    for (name, help, told) in gauges {
        page.level(&format!("etcd_rocksdb_{name}"), help, told(&engine));
    }
    let levels = (0..).map(|level: u32| level.to_string()).zip(&engine.files);
    let levels: Vec<_> = levels.collect();
    let metrics = levels.iter().map(|(level, files)| (vec![("level", &**level)], **files as f64));
    page.gauges("etcd_rocksdb_level_files", "Files at a level.", metrics);
}
