//! This project's services on one member, without a network.

use std::sync::Arc;
use std::time::Duration;

use etcd_api::{Api, Limits, Stopping, Versions, routes};
use etcd_apply::Applier;
use etcd_membership::{ClusterId, MemberId};
use etcd_mvcc::CompactorOptions;
use etcd_raft::{Membership, Options, Raft, RaftMember};
use etcd_storage::{Log, LogOptions, Storage, StorageOptions};
use tempfile::TempDir;
use tokio::time::Instant;

const MEMBER: MemberId = MemberId(1);
const CLUSTER: ClusterId = ClusterId(2);

pub(crate) struct Subject {
    router: axum::Router,
    _directory: TempDir,
}

impl Subject {
    pub(crate) async fn start() -> Subject {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let storage = Storage::open(&directory.path().join("state"), StorageOptions::default())
            .expect("an empty storage");
        let (applier, views) = Applier::open(storage).expect("an empty state");
        let compactor = views.mvcc.compactor(CompactorOptions::default());
        std::thread::spawn(move || compactor.run());
        let log = LogOptions { sync: false, ..LogOptions::default() };
        let log = Log::open(&directory.path().join("log"), &log).expect("a log");
        let raft = Raft::start(options(log), applier).await.expect("raft starts");
        let deadline = Instant::now() + Duration::from_secs(60);
        raft.read_barrier(deadline).await.expect("the only member leads");
        let api = Api {
            raft,
            views,
            cluster_id: CLUSTER,
            member_id: MEMBER,
            limits: Limits::default(),
            versions: Versions { server: "3.7.1", storage: "3.7.0" },
            stopping: Stopping::default(),
        };
        Subject { router: routes(api), _directory: directory }
    }

    pub(crate) fn router(&self) -> axum::Router {
        self.router.clone()
    }
}

fn options(log: Log) -> Options {
    let member =
        RaftMember { peer_urls: vec!["http://localhost:2380".to_owned()], is_learner: false };
    let bootstrap = Membership { members: [(MEMBER, member)].into(), ..Membership::default() };
    Options {
        member: MEMBER,
        cluster: CLUSTER,
        version: "3.7.1",
        bootstrap: Some(bootstrap),
        log,
        connect: Arc::new(|_| Err("there is nobody else".to_owned())),
        heartbeat_interval: Duration::from_millis(20),
        election_timeout: Duration::from_millis(100),
        snapshot_entries: 10_000,
        catch_up_entries: 5000,
        pre_vote: true,
    }
}
