//! Leases that are kept alive: how many renewals a second.

use anyhow::Result;
use etcd_proto::etcdserverpb::{LeaseGrantRequest, LeaseKeepAliveRequest};
use futures_util::StreamExt;
use indicatif::ProgressBar;
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc};
use tonic::{Status, Streaming};

use crate::cluster::Cluster;
use crate::connection::Connection;
use crate::load::{AsyncSend, Turn, measure};
use crate::program::Program;
use crate::scenario::{Measured, Size};
use crate::wire;

/// Seconds that the leases live: longer than the load.
const TTL_SECONDS: i64 = 600;
/// Renewals under way on one stream.
const PIPELINE: usize = 1;

type KeepAlive = etcd_proto::etcdserverpb::LeaseKeepAliveResponse;

/// Runs it once: every client has a lease and a stream of its own.
pub(crate) async fn run(
    program: &Program,
    size: &Size,
    progress: &ProgressBar,
) -> Result<Measured> {
    let cluster = Cluster::start(program, 3, &size.scratch).await?;
    progress.set_message("keep alive");
    let connections = Connection::open_many(&cluster.addresses(), size.connections).await?;
    let mut leases = Vec::with_capacity(size.clients);
    for connection in connections.iter().cycle().take(size.clients) {
        leases.push(Mutex::new(Lease::grant(connection).await?));
    }
    let renewals = Renewals { leases: Arc::new(leases) };
    Ok(vec![("keep alive", measure(&cluster, size.crowd(size.clients), renewals).await?)])
}

struct Lease {
    id: i64,
    requests: mpsc::Sender<LeaseKeepAliveRequest>,
    responses: Streaming<KeepAlive>,
}

impl Lease {
    async fn grant(connection: &Connection) -> Result<Lease> {
        let mut client = wire::lease(connection);
        let grant = LeaseGrantRequest { ttl: TTL_SECONDS, id: 0 };
        let id = client.lease_grant(grant).await?.into_inner().id;
        let (requests, receiver) = mpsc::channel(PIPELINE);
        requests.send(LeaseKeepAliveRequest { id }).await?;
        let sent = futures_util::stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|request| (request, receiver))
        });
        let mut responses = client.lease_keep_alive(sent.boxed()).await?.into_inner();
        responses.message().await?;
        Ok(Lease { id, requests, responses })
    }
}

#[derive(Clone)]
struct Renewals {
    leases: Arc<Vec<Mutex<Lease>>>,
}

impl AsyncSend for Renewals {
    async fn send(&self, turn: Turn<'_>) -> Result<u64, Status> {
        // Nobody else uses this client's lease.
        let mut lease = self.leases[turn.client as usize].lock().await;
        let request = LeaseKeepAliveRequest { id: lease.id };
        let ended = || Status::cancelled("the stream has ended");
        lease.requests.send(request).await.map_err(|_| ended())?;
        let response = lease.responses.message().await?.ok_or_else(ended)?;
        if response.ttl <= 0 { Err(Status::not_found("the lease has expired")) } else { Ok(1) }
    }
}
