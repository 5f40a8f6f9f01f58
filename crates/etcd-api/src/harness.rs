//! One member on a temporary directory, reached through its routes without a network.

use std::sync::Arc;
use std::time::Duration;

use etcd_apply::{Applier, Views};
use etcd_auth::TokenKind;
use etcd_membership::{ClusterId, Member, MemberId};
use etcd_mvcc::CompactorOptions;
use etcd_proto::etcdserverpb::auth_client::AuthClient;
use etcd_proto::etcdserverpb::cluster_client::ClusterClient;
use etcd_proto::etcdserverpb::kv_client::KvClient;
use etcd_proto::etcdserverpb::lease_client::LeaseClient;
use etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use etcd_proto::etcdserverpb::watch_client::WatchClient;
use etcd_proto::etcdserverpb::{PutRequest, RangeRequest};
use etcd_raft::{Membership, Options, Raft, RaftMember, ReadError};
use etcd_storage::{Batch, Log, LogOptions, Storage, StorageOptions, Table};
use etcd_transport::{DialOptions, Dialer};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::{
    Alarming, Api, Authentication, AuthenticationOptions, Defragmenting, Detail, Health,
    LeaseOptions, Leases, Limits, Metrics, Reconfiguration, Services, Stopping, Strictness,
    Versions, routes,
};

pub(crate) const MEMBER: MemberId = MemberId(0x8e9e_05c5_2164_694d);
pub(crate) const CLUSTER: ClusterId = ClusterId(0xcdf8_1819_4e3a_8c32);

/// How the member starts.
pub(crate) enum Start {
    /// As the only member of its cluster: it leads.
    Alone,
    /// As a member of nothing: nobody leads.
    Leaderless,
    /// As one that the cluster knows as a learner; nobody leads.
    Learner,
}

pub(crate) struct Harness {
    pub(crate) raft: Raft<etcd_apply::Reply>,
    pub(crate) views: Views,
    pub(crate) stopping: Stopping,
    pub(crate) router: Services,
    pub(crate) api: Api,
    /// What the metrics show.
    pub(crate) registry: prometheus::Registry,
    /// Last, so that the storage is closed before its files go: else it waits for them, seconds.
    _directory: TempDir,
}

impl Harness {
    pub(crate) async fn start(start: Start, limits: Limits) -> Harness {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let storage = Storage::open(&directory.path().join("state"), StorageOptions::default())
            .expect("an empty storage");
        if let Start::Learner = start {
            let member = Member { is_learner: true, ..Member::unstarted(MEMBER, vec![]) };
            let mut batch = Batch::new();
            batch.put(Table::Members, &member.key(), &member.encode());
            storage.commit(batch).expect("the storage works");
        }
        let (applier, views) = Applier::open(storage).expect("a readable state");
        views.quota.limit_to(0);
        let bootstrap = matches!(start, Start::Alone).then(alone);
        let log = Log::open(&directory.path().join("log"), &LogOptions::default()).expect("a log");
        let raft = Raft::start(options(log, bootstrap), applier).await.expect("raft starts");
        if let Start::Alone = start {
            let deadline = Instant::now() + Duration::from_secs(60);
            while raft.read_barrier(deadline).await == Err(ReadError::LeaderChanged) {}
            assert_eq!(raft.leader(), Some(MEMBER), "the only member leads");
        }
        let stopping = Stopping::default();
        let registry = prometheus::Registry::new();
        let api = Api {
            raft: raft.clone(),
            views: views.clone(),
            cluster_id: CLUSTER,
            member_id: MEMBER,
            limits,
            versions: Versions { server: "3.7.1" },
            authentication: Authentication::new(authentication()),
            leases: Leases::new(MEMBER, leases()),
            reconfiguration: Reconfiguration {
                dialer: Dialer::new(DialOptions::default()),
                strictness: Strictness::Strict,
            },
            alarming: Alarming::default(),
            health: Health::new(Defragmenting::NotServing),
            metrics: Metrics::new(&registry, Detail::Basic),
            spans: None,
            stopping: stopping.clone(),
        };
        if let Start::Alone = start {
            assert!(api.keeps_time(), "the leader's clocks run");
        }
        let router = routes(api.clone());
        Harness { _directory: directory, raft, views, stopping, router, api, registry }
    }

    pub(crate) async fn alone() -> Harness {
        Harness::start(Start::Alone, Limits::default()).await
    }

    pub(crate) fn kv(&self) -> KvClient<Services> {
        KvClient::new(self.router.clone()).max_encoding_message_size(usize::MAX)
    }

    pub(crate) fn cluster(&self) -> ClusterClient<Services> {
        ClusterClient::new(self.router.clone())
    }

    pub(crate) fn maintenance(&self) -> MaintenanceClient<Services> {
        MaintenanceClient::new(self.router.clone())
    }

    pub(crate) fn watch(&self) -> WatchClient<Services> {
        WatchClient::new(self.router.clone()).max_decoding_message_size(usize::MAX)
    }

    pub(crate) fn auth(&self) -> AuthClient<Services> {
        AuthClient::new(self.router.clone())
    }

    pub(crate) fn lease(&self) -> LeaseClient<Services> {
        LeaseClient::new(self.router.clone())
    }

    /// Revokes leases when they expire, on a task of its own.
    pub(crate) fn run_expiry(&self) {
        tokio::spawn(crate::expire_leases(self.api.clone()));
    }

    /// Tells the cluster of a storage that has outgrown its quota, on a task of its own.
    pub(crate) fn run_alarms(&self) {
        tokio::spawn(crate::raise_alarms(self.api.clone()));
    }

    /// Carries out what compactions have left to do, on a thread of its own.
    pub(crate) fn run_compactor(&self) {
        let compactor = self.views.mvcc.compactor(CompactorOptions::default());
        std::thread::spawn(move || compactor.run());
    }

    pub(crate) async fn put(&self, key: &'static str, value: &'static str) -> i64 {
        let response = self.kv().put(put(key, value)).await.expect("a put").into_inner();
        response.header.expect("a header").revision
    }
}

pub(crate) fn put(key: &'static str, value: &'static str) -> PutRequest {
    PutRequest { key: key.into(), value: value.into(), ..PutRequest::default() }
}

pub(crate) fn get(key: &'static str) -> RangeRequest {
    RangeRequest { key: key.into(), ..RangeRequest::default() }
}

fn alone() -> Membership {
    let peer_urls = vec!["http://localhost:2380".to_owned()];
    let member = RaftMember { peer_urls, ..RaftMember::default() };
    Membership { members: [(MEMBER, member)].into(), ..Membership::default() }
}

/// Simple tokens, and hashes that are made quickly.
fn authentication() -> AuthenticationOptions {
    AuthenticationOptions { tokens: TokenKind::Simple, bcrypt_cost: 4, by_certificate: false }
}

/// With etcd's own default times.
pub(crate) fn leases() -> LeaseOptions {
    LeaseOptions {
        connect: Arc::new(|_| Err("there is nobody else".to_owned())),
        heartbeat_interval: Duration::from_millis(100),
        election_timeout: Duration::from_secs(1),
        checkpoint: false,
        fast_keep_alive: true,
    }
}

fn options(log: Log, bootstrap: Option<Membership>) -> Options {
    Options {
        member: MEMBER,
        cluster: CLUSTER,
        version: "3.7.1",
        bootstrap,
        log,
        connect: Arc::new(|_| Err("there is nobody else".to_owned())),
        heartbeat_interval: Duration::from_millis(20),
        election_timeout: Duration::from_millis(100),
        snapshot_entries: 10_000,
        catch_up_entries: 5000,
        pre_vote: true,
        max_learners: 1,
    }
}
