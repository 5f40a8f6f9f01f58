//! How much one client that does not read costs all others: puts at full speed while many streams
//! watch them, first with all of them reading, then with one that never does.
//!
//! `cargo run -p etcd-tests --example stalled_watcher -- --streams 1000 --seconds 10`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use etcd_proto::etcdserverpb::kv_client::KvClient;
use etcd_proto::etcdserverpb::watch_client::WatchClient;
use etcd_proto::etcdserverpb::watch_request::RequestUnion;
use etcd_proto::etcdserverpb::{PutRequest, WatchCreateRequest, WatchRequest, WatchResponse};
use etcd_tests::Member;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, Streaming};

/// Connections that the streams share, and as many that the writers share.
const CONNECTIONS: usize = 8;

/// One client that does not read, among many that do.
#[derive(Parser)]
struct Arguments {
    /// Watch streams; each watches all that is put.
    #[arg(long, default_value_t = 1000)]
    streams: usize,
    /// Watchers beside them on keys that nobody puts, each with a stream of its own.
    #[arg(long, default_value_t = 0)]
    idle: usize,
    /// Clients that put, one put after the other.
    #[arg(long, default_value_t = 32)]
    writers: usize,
    /// Bytes of each value.
    #[arg(long, default_value_t = 256)]
    value: usize,
    /// Length of each measurement.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// What one measurement found.
struct Measured {
    puts: f64,
    deliveries: f64,
    resident_before: u64,
    resident_after: u64,
}

#[expect(clippy::print_stdout, reason = "it is a program for people")]
fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    println!("              puts/s  deliveries/s  resident before  after");
    for (name, stalled) in [("all read     ", 0), ("one stalled  ", 1)] {
        // The server ends with the thread that starts it: not one of the runtime's.
        let home = tempfile::tempdir()?;
        let mut member = Member::alone(home.path());
        member.start();
        member.wait_until_ready();
        let Measured { puts, deliveries, resident_before, resident_after } =
            runtime.block_on(measure(&arguments, &member, stalled))?;
        println!(
            "{name} {puts:>6.0} {deliveries:>13.0} {resident_before:>12} MiB {resident_after:>6} MiB"
        );
    }
    Ok(())
}

async fn measure(arguments: &Arguments, member: &Member, stalled: usize) -> Result<Measured> {
    let connections = connect(&member.client_url, CONNECTIONS).await?;
    let writers = connect(&member.client_url, CONNECTIONS).await?;
    let events = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    // A client that does not read has a connection of its own: others must not wait behind it.
    let own = connect(&member.client_url, 1).await?;
    let mut unread = Vec::new();
    for _ in 0..stalled {
        unread.push(watch(&own[0], b"load/", b"load0").await?);
    }
    for idle in 0..arguments.idle {
        let key = format!("idle/{idle}");
        unread.push(watch(&connections[idle % CONNECTIONS], key.as_bytes(), b"").await?);
    }
    for number in stalled..arguments.streams {
        let stream = watch(&connections[number % CONNECTIONS], b"load/", b"load0").await?;
        tasks.spawn(read(stream, Arc::clone(&events)));
    }
    let resident_before = resident(member)?;
    let puts = Arc::new(AtomicU64::new(0));
    for writer in 0..arguments.writers {
        let client = KvClient::new(writers[writer % CONNECTIONS].clone());
        tasks.spawn(write(client, writer, arguments.value, Arc::clone(&puts)));
    }
    // The measurement begins when the load runs.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = (puts.load(Ordering::Relaxed), events.load(Ordering::Relaxed));
    let begin = Instant::now();
    tokio::time::sleep(Duration::from_secs(arguments.seconds)).await;
    let seconds = begin.elapsed().as_secs_f64();
    let after = (puts.load(Ordering::Relaxed), events.load(Ordering::Relaxed));
    if let Some(ended) = tasks.try_join_next() {
        member.process().show_log();
        return Err(ended?.into());
    }
    let resident_after = resident(member)?;
    tasks.shutdown().await;
    drop(unread);
    Ok(Measured {
        puts: (after.0 - before.0) as f64 / seconds,
        deliveries: (after.1 - before.1) as f64 / seconds,
        resident_before,
        resident_after,
    })
}

async fn connect(url: &str, count: usize) -> Result<Vec<Channel>> {
    let mut connections = Vec::new();
    for _ in 0..count {
        connections.push(Endpoint::from_shared(url.to_owned())?.connect().await?);
    }
    Ok(connections)
}

/// A stream with one watcher, which has begun.
async fn watch(channel: &Channel, key: &[u8], end: &[u8]) -> Result<Streaming<WatchResponse>> {
    let create = WatchCreateRequest {
        key: key.to_vec().into(),
        range_end: end.to_vec().into(),
        ..WatchCreateRequest::default()
    };
    let request = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    let mut client = WatchClient::new(channel.clone()).max_decoding_message_size(usize::MAX);
    let mut responses = client.watch(tokio_stream::once(request)).await?.into_inner();
    let created = responses.message().await?.context("the stream has ended")?;
    ensure!(created.created, "the first answer says that the watcher is created");
    Ok(responses)
}

/// Takes events until the stream ends, and says how.
async fn read(mut responses: Streaming<WatchResponse>, events: Arc<AtomicU64>) -> Status {
    loop {
        match responses.message().await {
            Ok(Some(response)) => {
                events.fetch_add(response.events.len() as u64, Ordering::Relaxed);
            }
            Ok(None) => return Status::ok("the stream has ended"),
            Err(status) => return status,
        }
    }
}

/// Puts until that fails, and says how.
async fn write(
    mut client: KvClient<Channel>,
    writer: usize,
    bytes: usize,
    puts: Arc<AtomicU64>,
) -> Status {
    let value = bytes::Bytes::from(vec![b'v'; bytes]);
    let mut number = 0_u64;
    loop {
        let key = format!("load/{writer}/{}", number % 1000).into();
        let put = PutRequest { key, value: value.clone(), ..PutRequest::default() };
        if let Err(status) = client.put(put).await {
            return status;
        }
        number += 1;
        puts.fetch_add(1, Ordering::Relaxed);
    }
}

/// The server's memory, in MiB.
fn resident(member: &Member) -> Result<u64> {
    let id = member.process().id();
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
    Ok(kib.parse::<u64>()? >> 10)
}
