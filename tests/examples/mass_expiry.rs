//! What a mass of leases that end at one moment costs those who put meanwhile: three members, and
//! puts at a steady pace before the end and during it.
//!
//! `cargo run -p etcd-tests --example mass_expiry -- --leases 100000`

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use etcd_proto::etcdserverpb as pb;
use etcd_tests::{Cluster, Plan};
use pb::kv_client::KvClient;
use pb::lease_client::LeaseClient;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tonic::transport::{Channel, Endpoint};

/// Clients that make the leases, each with a connection of its own.
const CLIENTS: usize = 64;
/// How often there is a put.
const PACE: Duration = Duration::from_millis(5);

/// Many leases that end at one moment.
#[derive(Parser)]
struct Arguments {
    /// Leases, each with a key.
    #[arg(long, default_value_t = 100_000)]
    leases: usize,
    /// Their time to live in seconds: longer than granting all of them takes.
    #[arg(long, default_value_t = 90)]
    ttl: i64,
}

#[expect(clippy::print_stdout, reason = "it is a program for people")]
fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let cluster = Cluster::start(&Plan::loopback(3));
    let urls = cluster.client_urls();
    tokio::runtime::Runtime::new()?.block_on(async {
        let begun = Instant::now();
        make(&urls, &arguments).await?;
        println!("{} leases in {:.1?}", arguments.leases, begun.elapsed());
        let channel = Endpoint::from_shared(urls[0].clone())?.connect().await?;
        let mut kv = KvClient::new(channel.clone());
        let mut leases = LeaseClient::new(channel).max_decoding_message_size(usize::MAX);
        let full = puts(&mut kv, &mut leases, |left| left < arguments.leases).await?;
        println!("before their end: {full}");
        let begun = Instant::now();
        let ending = puts(&mut kv, &mut leases, |left| left == 0).await?;
        println!("during their end: {ending}");
        let pace = arguments.leases as f64 / begun.elapsed().as_secs_f64();
        println!("{pace:.0} leases a second went");
        Ok(())
    })
}

/// Grants all leases, puts their keys, and then renews all of them at about the same time.
async fn make(urls: &[String], arguments: &Arguments) -> Result<()> {
    let mut makers = JoinSet::new();
    for client in 0..CLIENTS {
        let url = urls[client % urls.len()].clone();
        let (ttl, leases) = (arguments.ttl, (client..arguments.leases).step_by(CLIENTS));
        makers.spawn(async move {
            let channel = Endpoint::from_shared(url)?.connect().await?;
            let mut ids = Vec::new();
            for number in leases {
                ids.push(grant(&channel, number, ttl).await?);
            }
            anyhow::Ok((channel, ids))
        });
    }
    let mut renewers = JoinSet::new();
    for made in makers.join_all().await {
        let (channel, ids) = made?;
        renewers.spawn(renew(channel, ids));
    }
    renewers.join_all().await.into_iter().collect()
}

async fn grant(channel: &Channel, number: usize, ttl: i64) -> Result<i64> {
    let request = pb::LeaseGrantRequest { id: 0, ttl };
    let lease = LeaseClient::new(channel.clone()).lease_grant(request).await?.into_inner().id;
    let key = format!("many/{number:08}").into();
    let put = pb::PutRequest { key, lease, ..pb::PutRequest::default() };
    KvClient::new(channel.clone()).put(put).await?;
    Ok(lease)
}

async fn renew(channel: Channel, ids: Vec<i64>) -> Result<()> {
    let count = ids.len();
    let requests = ids.into_iter().map(|id| pb::LeaseKeepAliveRequest { id });
    let answers = LeaseClient::new(channel).lease_keep_alive(tokio_stream::iter(requests)).await?;
    let mut answers = answers.into_inner();
    for _ in 0..count {
        let answer = answers.message().await?.context("an answer for each")?;
        ensure!(answer.ttl > 0, "{} ended before all were made: a longer --ttl", answer.id);
    }
    Ok(())
}

/// Puts until so many leases are left as are asked for. Answers how long puts took.
async fn puts(
    kv: &mut KvClient<Channel>,
    leases: &mut LeaseClient<Channel>,
    is_over: impl Fn(usize) -> bool,
) -> Result<String> {
    let mut ticks = tokio::time::interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut took = Vec::new();
    loop {
        ticks.tick().await;
        let begun = Instant::now();
        let put = pb::PutRequest { key: "other".into(), ..pb::PutRequest::default() };
        kv.put(put).await?;
        took.push(begun.elapsed());
        // The list is long: it is asked for now and then, and not while a put is under way.
        if took.len() % 200 == 0 {
            let listed = leases.lease_leases(pb::LeaseLeasesRequest {}).await?.into_inner();
            if is_over(listed.leases.len()) {
                break;
            }
        }
    }
    took.sort_unstable();
    let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize];
    let (middle, high, most) = (at(0.5), at(0.99), at(1.0));
    Ok(format!("{} puts, p50 {middle:.1?}, p99 {high:.1?}, at most {most:.1?}", took.len()))
}
