//! A member whose keys are not the others' is found, in each of the ways that can be switched on.

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use etcd_config::{Config, Loaded};
use etcd_proto::etcdserverpb::alarm_request::AlarmAction;
use etcd_proto::etcdserverpb::kv_client::KvClient;
use etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use etcd_proto::etcdserverpb::{
    AlarmMember, AlarmRequest, AlarmType, CompactionRequest, PutRequest,
};
use etcd_server::Server;
use etcd_storage::{Batch, Storage, StorageOptions, Table};
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

/// Within this time a member is found.
const LIMIT: Duration = Duration::from_secs(30);
/// How often it is asked whether it was.
const PACE: Duration = Duration::from_millis(50);

/// Three members of which the last one loses a value while it is down.
struct Trio {
    home: TempDir,
    ports: Vec<(u16, u16)>,
    flags: &'static [&'static str],
}

impl Trio {
    fn new(flags: &'static [&'static str]) -> Trio {
        let home = TempDir::with_prefix("etcd-test-").expect("a folder");
        // All at once, so that no port is given twice.
        let doors: Vec<TcpListener> =
            (0..6).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
        let port = |door: &TcpListener| door.local_addr().expect("it is bound").port();
        let ports = doors.chunks(2).map(|pair| (port(&pair[0]), port(&pair[1]))).collect();
        Trio { home, ports, flags }
    }

    fn data(&self, number: usize) -> PathBuf {
        self.home.path().join(number.to_string())
    }

    fn config(&self, number: usize, flags: &[&str]) -> Config {
        let (client, peer) = self.ports[number];
        let entry = |(number, (_, peer)): (usize, &(u16, u16))| {
            format!("m{number}=http://127.0.0.1:{peer}")
        };
        let cluster: Vec<String> = self.ports.iter().enumerate().map(entry).collect();
        let mut args = vec![
            format!("--name=m{number}"),
            format!("--data-dir={}", self.data(number).display()),
            format!("--listen-client-urls=http://127.0.0.1:{client}"),
            format!("--advertise-client-urls=http://127.0.0.1:{client}"),
            format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
            format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
            format!("--initial-cluster={}", cluster.join(",")),
        ];
        args.extend(self.flags.iter().chain(flags).map(|flag| (*flag).to_owned()));
        match Config::load(args.into_iter().map(Into::into), [], || None) {
            Ok(Loaded::Run { config, .. }) => *config,
            other => panic!("{other:?}"),
        }
    }

    async fn start(&self) -> Vec<Server> {
        let [first, second, third] =
            [0, 1, 2].map(|number| Server::start(self.config(number, &[])));
        let started = tokio::try_join!(first, second, third);
        let (first, second, third) = started.expect("they find each other");
        vec![first, second, third]
    }

    /// Puts a key, stops the last member and changes the value that it has.
    async fn spoil(&self, servers: &mut Vec<Server>) {
        let put = PutRequest { key: "k".into(), value: "right".into(), ..Default::default() };
        let mut client = KvClient::new(self.channel(0));
        client.put(put).await.expect("it serves");
        self.wait_for_value().await;
        servers.pop().expect("there are three").stop().await;
        let state = self.data(2).join("member/state");
        let storage = Storage::open(&state, StorageOptions::default()).expect("it was closed");
        let mut rows = Vec::new();
        let all = &[][..]..&[0xff; 32][..];
        let scanned = storage.scan(Table::Key, all, |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            std::ops::ControlFlow::Continue(())
        });
        scanned.expect("it can be read");
        assert!(!rows.is_empty(), "the last member has the key");
        // A row is put once, and only behind all others: so all of them are put anew.
        let mut removal = Batch::new();
        removal.delete_range(Table::Key, &[]..&[]);
        storage.commit(removal).expect("it can be written");
        let mut batch = Batch::new();
        for (key, mut value) in rows {
            let at = value.windows(5).position(|part| part == b"right").expect("the value");
            value[at..at + 5].copy_from_slice(b"wrong");
            batch.put(Table::Key, &key, &value);
        }
        storage.commit(batch).expect("it can be written");
        storage.flush().expect("it can be written");
    }

    /// Until the last member has it, too.
    async fn wait_for_value(&self) {
        let mut client = KvClient::new(self.channel(2));
        let range =
            etcd_proto::etcdserverpb::RangeRequest { key: "k".into(), ..Default::default() };
        let answer = client.range(range).await.expect("it serves").into_inner();
        assert_eq!(answer.kvs.first().map(|kv| &kv.value), Some(&Bytes::from_static(b"right")));
    }

    fn channel(&self, number: usize) -> Channel {
        let url = format!("http://127.0.0.1:{}", self.ports[number].0);
        Endpoint::from_shared(url).expect("a URL").connect_lazy()
    }

    /// Waits for an alarm, and returns whose it is.
    async fn wait_for_alarm(&self) -> u64 {
        let deadline = Instant::now() + LIMIT;
        let mut client = MaintenanceClient::new(self.channel(0));
        loop {
            let get = AlarmRequest { action: AlarmAction::Get as i32, ..Default::default() };
            let alarms = client.alarm(get).await.expect("it serves").into_inner().alarms;
            if let Some(&AlarmMember { member_id, alarm }) = alarms.first() {
                assert_eq!(alarm, AlarmType::Corrupt as i32);
                return member_id;
            }
            assert!(Instant::now() < deadline, "no alarm");
            tokio::time::sleep(PACE).await;
        }
    }

    /// The id of the last member.
    async fn last_id(&self) -> u64 {
        let mut client = MaintenanceClient::new(self.channel(2));
        let status = client.status(etcd_proto::etcdserverpb::StatusRequest::default()).await;
        status.expect("it serves").into_inner().header.expect("a header").member_id
    }
}

async fn stop(servers: Vec<Server>) {
    for server in servers {
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_other_keys_does_not_start() {
    let trio = Trio::new(&[]);
    let mut servers = trio.start().await;
    trio.spoil(&mut servers).await;
    let config = trio.config(2, &["--feature-gates=InitialCorruptCheck=true"]);
    let error = Server::start(config).await.err().expect("it must not start").to_string();
    assert!(error.contains("found data inconsistency with peers"), "{error}");
    stop(servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_the_same_keys_starts() {
    let trio = Trio::new(&["--feature-gates=InitialCorruptCheck=true"]);
    let mut servers = trio.start().await;
    servers.pop().expect("there are three").stop().await;
    servers.push(Server::start(trio.config(2, &[])).await.expect("nothing is wrong"));
    stop(servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_with_other_keys_is_found_while_it_runs() {
    let trio = Trio::new(&["--corrupt-check-time=200ms"]);
    let mut servers = trio.start().await;
    trio.spoil(&mut servers).await;
    servers.push(Server::start(trio.config(2, &[])).await.expect("nobody looks at the start"));
    let last = trio.last_id().await;
    assert_eq!(trio.wait_for_alarm().await, last);
    stop(servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_with_other_keys_is_found_after_a_compaction() {
    let trio =
        Trio::new(&["--feature-gates=CompactHashCheck=true", "--compact-hash-check-time=200ms"]);
    let mut servers = trio.start().await;
    trio.spoil(&mut servers).await;
    servers.push(Server::start(trio.config(2, &[])).await.expect("nobody looks at the start"));
    let last = trio.last_id().await;
    let mut client = KvClient::new(trio.channel(0));
    let compaction = CompactionRequest { revision: 2, physical: true };
    client.compact(compaction).await.expect("it serves");
    assert_eq!(trio.wait_for_alarm().await, last);
    stop(servers).await;
}
