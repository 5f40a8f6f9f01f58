//! A small replicated state for tests: the sum and the list of the numbers proposed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use etcd_membership::{ClusterId, MemberId, Members};
use etcd_raft::{
    Applied, Entry, Membership, Options, Payload, Raft, RaftMember, ReadError, StateMachine,
    StateMachineError,
};
use etcd_storage::{Batch, Log, LogOptions, Storage, StorageOptions, Table};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Endpoint, Server};

/// What happens when a member installs a snapshot, before it goes on.
pub(crate) type OnInstall = Arc<dyn Fn() + Send + Sync>;

/// Numbers in the order in which they were applied.
pub(crate) struct Register {
    storage: Storage,
    next: u64,
    members: Members,
    on_install: OnInstall,
}

impl Register {
    fn open(storage: Storage, on_install: OnInstall) -> Register {
        let mut register = Register { storage, next: 0, members: Members::default(), on_install };
        register.read().expect("a readable state");
        register
    }

    fn read(&mut self) -> Result<(), StateMachineError> {
        let next = self.storage.get(Table::Meta, b"next")?;
        self.next = match next {
            Some(bytes) => u64::from_be_bytes(bytes.as_ref().try_into()?),
            None => 0,
        };
        self.members = follow(&self.members, &Applied::load(&self.storage)?.membership);
        Ok(())
    }
}

impl StateMachine for Register {
    type Reply = u64;

    fn storage(&self) -> &Storage {
        &self.storage
    }

    fn apply(
        &mut self,
        entries: &[Entry],
        applied: &Applied,
    ) -> Result<Vec<u64>, StateMachineError> {
        let mut batch = Batch::new();
        let mut replies = Vec::new();
        for entry in entries {
            if let Payload::Membership(membership) = &entry.payload {
                self.members = follow(&self.members, membership);
            }
            let Payload::Commands(proposals) = &entry.payload else { continue };
            for proposal in proposals {
                batch.put(Table::Key, &self.next.to_be_bytes(), &proposal.command);
                replies.push(self.next);
                self.next += 1;
            }
        }
        batch.put(Table::Meta, b"next", &self.next.to_be_bytes());
        applied.save(&mut batch);
        self.storage.commit(batch)?;
        Ok(replies)
    }

    fn is_brief(&self, command: &[u8]) -> bool {
        // Some of each kind.
        command.len().is_multiple_of(2)
    }

    fn members(&self) -> Members {
        self.members.clone()
    }

    fn reload(&mut self) -> Result<(), StateMachineError> {
        (self.on_install)();
        self.read()
    }
}

/// The members of a membership. Whoever is not in it any more was removed; a restart forgets that.
fn follow(members: &Members, membership: &Membership) -> Members {
    let gone = members.iter().filter(|member| !membership.members.contains_key(&member.id));
    let removed: Vec<String> =
        members.removed().chain(gone.map(|member| member.id)).map(|id| id.to_string()).collect();
    let now = membership.members.iter().map(|(id, member)| {
        let is_learner = member.is_learner;
        let unstarted = etcd_membership::Member::unstarted(*id, member.peer_urls.clone());
        etcd_membership::Member { is_learner, ..unstarted }.encode()
    });
    Members::from_records(now, removed).expect("ids differ")
}

/// One running member.
pub(crate) struct Member {
    pub(crate) id: MemberId,
    pub(crate) raft: Raft<u64>,
    pub(crate) storage: Storage,
    server: JoinHandle<()>,
}

impl Member {
    pub(crate) async fn stop(self) {
        self.raft.shutdown().await;
        self.server.abort();
        // The port is free once the task has ended.
        let _ = self.server.await;
    }

    /// Waits until this member holds everything committed so far, whatever leaders come and go.
    pub(crate) async fn catch_up(&self) {
        loop {
            match self.raft.read_barrier(soon()).await {
                Err(ReadError::LeaderChanged) => {}
                done => return done.expect("a read index"),
            }
        }
    }

    /// The commands that this member has applied, in order.
    pub(crate) fn commands(&self) -> Vec<Bytes> {
        let mut commands = Vec::new();
        self.storage
            .scan(Table::Key, b""..b"", |_, value| {
                commands.push(Bytes::copy_from_slice(value));
                std::ops::ControlFlow::Continue(())
            })
            .expect("a readable state");
        commands
    }
}

/// Where the members of a test live.
pub(crate) struct Cluster {
    directory: tempfile::TempDir,
    addresses: Vec<SocketAddr>,
    /// How many of them found the cluster; the others join it.
    pub(crate) founders: usize,
    pub(crate) snapshot_entries: u64,
    pub(crate) catch_up_entries: u64,
    pub(crate) election_timeout: Duration,
    /// Called by each member that installs a snapshot.
    pub(crate) on_install: OnInstall,
}

impl Cluster {
    pub(crate) async fn of(members: usize) -> Cluster {
        let mut held = Vec::new();
        for _ in 0..members {
            held.push(TcpListener::bind("127.0.0.1:0").await.expect("a free port"));
        }
        let addresses: Vec<_> = held.iter().map(|l| l.local_addr().expect("bound")).collect();
        Cluster {
            directory: tempfile::tempdir().expect("a temporary directory"),
            founders: addresses.len(),
            addresses,
            snapshot_entries: 10_000,
            catch_up_entries: 5_000,
            election_timeout: Duration::from_millis(500),
            on_install: Arc::new(|| ()),
        }
    }

    /// Where a member is reached.
    pub(crate) fn url(&self, number: usize) -> String {
        format!("http://{}", self.addresses[number])
    }

    fn membership(&self) -> Membership {
        let members = (0..self.founders).map(|number| {
            let peer_urls = vec![self.url(number)];
            (MemberId(number as u64 + 1), RaftMember { peer_urls, ..RaftMember::default() })
        });
        Membership { members: members.collect(), ..Membership::default() }
    }

    pub(crate) fn path(&self, number: usize) -> PathBuf {
        self.directory.path().join(number.to_string())
    }

    pub(crate) async fn start(&self, number: usize) -> Member {
        self.start_in(number, &self.path(number), ClusterId(7)).await
    }

    pub(crate) async fn start_in(&self, number: usize, path: &Path, cluster: ClusterId) -> Member {
        let storage =
            Storage::open(&path.join("state"), StorageOptions::default()).expect("a state");
        let log = Log::open(&path.join("log"), &LogOptions::default()).expect("a log");
        let id = MemberId(number as u64 + 1);
        let options = Options {
            member: id,
            cluster,
            version: "3.7.1",
            bootstrap: (number < self.founders).then(|| self.membership()),
            log,
            connect: Arc::new(|urls| {
                let endpoint = Endpoint::from_shared(urls[0].clone()).expect("a URL");
                Ok(endpoint.connect_timeout(Duration::from_secs(1)).connect_lazy())
            }),
            heartbeat_interval: Duration::from_millis(50),
            election_timeout: self.election_timeout,
            snapshot_entries: self.snapshot_entries,
            catch_up_entries: self.catch_up_entries,
            pre_vote: true,
            max_learners: 1,
        };
        let register = Register::open(storage.clone(), self.on_install.clone());
        let raft = Raft::start(options, register).await.expect("a start");
        let address = self.addresses[number];
        let listener = TcpListener::bind(address).await.expect("the member's port");
        let routes = raft.peer_routes();
        let server = tokio::spawn(async move {
            let incoming = TcpListenerStream::new(listener);
            let serving = Server::builder().add_routes(routes).serve_with_incoming(incoming);
            serving.await.expect("serving");
        });
        Member { id, raft, storage, server }
    }

    pub(crate) async fn start_all(&self) -> Vec<Member> {
        let mut members = Vec::new();
        for number in 0..self.addresses.len() {
            members.push(self.start(number).await);
        }
        members
    }
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// The place in `members` of the one that leads.
pub(crate) async fn leader(members: &[Member]) -> usize {
    let deadline = soon();
    loop {
        let known = members.iter().map(|member| member.raft.status().leader);
        let known: Vec<_> = known.collect();
        if let Some(Some(leader)) = known.first()
            && known.iter().all(|other| *other == Some(*leader))
            && let Some(place) = members.iter().position(|member| member.id == *leader)
        {
            return place;
        }
        assert!(Instant::now() < deadline, "no common leader: {known:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
