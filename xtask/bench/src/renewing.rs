//! Leases that are kept alive: how many renewals a second.

use std::sync::Arc;

use anyhow::Result;
use etcd_proto::etcdserverpb::{LeaseGrantRequest, LeaseKeepAliveRequest};
use indicatif::ProgressBar;
use tokio::sync::Mutex;
use tonic::Status;

use crate::cluster::Cluster;
use crate::fields::number;
use crate::line::{Call, Line};
use crate::load::{AsyncSend, Turn, measure};
use crate::messages::Messages;
use crate::program::Program;
use crate::request_headers::Method;
use crate::scenario::{Measured, Size};
use crate::streams::{Awaited, End};

/// Seconds that the leases live: longer than the load.
const TTL_SECONDS: i64 = 600;

/// Runs it once: every client has a lease and a stream of its own.
pub(crate) async fn run(
    program: &Program,
    size: &Size,
    progress: &ProgressBar,
) -> Result<Measured> {
    let cluster = Cluster::start(program, 3, &size.scratch).await?;
    progress.set_message("keep alive");
    let leases = (0..size.clients).map(|_| Mutex::new(None)).collect();
    let renewals = Renewals { leases: Arc::new(leases) };
    Ok(vec![("keep alive", measure(&cluster, size.crowd(size.clients), renewals).await?)])
}

struct Lease {
    id: i64,
    call: Call,
    bytes: Vec<u8>,
    messages: Messages,
}

impl Lease {
    async fn grant(line: &Line) -> Result<Lease, Status> {
        let grant = LeaseGrantRequest { ttl: TTL_SECONDS, id: 0 };
        let answer = line.ask(Method::LeaseGrant, &grant).await?;
        // LeaseGrantResponse: ID 2.
        let id = number(answer.message(), 2)? as i64;
        let call = line.call(Method::LeaseKeepAlive).await?;
        Ok(Lease { id, call, bytes: Vec::new(), messages: Messages::default() })
    }

    async fn renew(&mut self) -> Result<(), Status> {
        self.call.send(&LeaseKeepAliveRequest { id: self.id }, End::More);
        let mut renewed = false;
        while !renewed {
            if self.call.take(&mut self.bytes, Awaited::Bytes).await? == End::Last {
                return Err(Status::cancelled("the stream has ended"));
            }
            self.messages.each(&self.bytes, |message| {
                renewed = true;
                // LeaseKeepAliveResponse: TTL 3.
                match number(message, 3)? as i64 {
                    ..=0 => Err(Status::not_found("the lease has expired")),
                    _ => Ok(()),
                }
            })?;
        }
        Ok(())
    }
}

#[derive(Clone)]
struct Renewals {
    /// A client's lease, from its first turn on.
    leases: Arc<Vec<Mutex<Option<Lease>>>>,
}

impl AsyncSend for Renewals {
    async fn send(&self, turn: Turn<'_>) -> Result<u64, Status> {
        // Nobody else uses this client's lease.
        let mut lease = self.leases[turn.client as usize].lock().await;
        if lease.is_none() {
            *lease = Some(Lease::grant(turn.line).await?);
        }
        if let Some(lease) = &mut *lease {
            lease.renew().await?;
        }
        Ok(1)
    }
}
