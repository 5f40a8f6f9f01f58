//! What is asked of a member beside the load.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use etcd_proto::etcdserverpb::kv_client::KvClient;
use etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use etcd_proto::etcdserverpb::{
    CompactionRequest, PutRequest, RangeRequest, StatusRequest, StatusResponse,
};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

/// For what a compaction is waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// That it will happen; members do the work at leisure.
    UntilAgreed,
    /// That the old records have left the member's store.
    UntilDone,
}

/// A client of one member, which connects when it is first needed.
#[derive(Clone)]
pub(crate) struct Control(Channel);

impl Control {
    pub(crate) fn of(address: SocketAddr) -> Result<Control> {
        Ok(Control(Endpoint::from_shared(format!("http://{address}"))?.connect_lazy()))
    }

    /// How the member is, and who leads.
    pub(crate) async fn status(&self) -> Result<StatusResponse> {
        let answer = MaintenanceClient::new(self.0.clone()).status(StatusRequest {}).await?;
        Ok(answer.into_inner())
    }

    /// The revision of the member's store.
    pub(crate) async fn revision(&self) -> Result<i64> {
        Ok(self.status().await?.header.context("an answer has a header")?.revision)
    }

    /// Stores a single key.
    pub(crate) async fn put(&self, key: &str, value: &str) -> Result<()> {
        let (key, value) = (key.to_owned().into(), value.to_owned().into());
        let request = PutRequest { key, value, ..PutRequest::default() };
        KvClient::new(self.0.clone()).put(request).await?;
        Ok(())
    }

    /// Compacts up to `revision`.
    pub(crate) async fn compact(&self, revision: i64, wait: Wait) -> Result<()> {
        let request = CompactionRequest { revision, physical: wait == Wait::UntilDone };
        KvClient::new(self.0.clone()).compact(request).await?;
        Ok(())
    }

    /// Whether the member has lists as streams: servers before 3.7 do not.
    pub(crate) async fn streams_lists(&self) -> bool {
        let request = RangeRequest { key: b"ready"[..].into(), ..RangeRequest::default() };
        let answer = KvClient::new(self.0.clone()).range_stream(request).await;
        answer.map_or_else(|status| status.code() != Code::Unimplemented, |_| true)
    }
}
