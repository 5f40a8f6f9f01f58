//! Asking a running member who it is.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use etcd_proto::etcdserverpb as pb;
use etcd_proto::etcdserverpb::cluster_client::ClusterClient;
use etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use super::member::Member;

/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(2);

/// What the member knows of itself.
pub(crate) async fn status(member: &Member) -> Result<pb::StatusResponse> {
    let answer = MaintenanceClient::new(connect(member).await?).status(pb::StatusRequest {}).await;
    Ok(answer.with_context(|| format!("asking {} for its status", member.name))?.into_inner())
}

/// All members, as this one knows them.
pub(crate) async fn members(member: &Member) -> Result<Vec<pb::Member>> {
    // Without a quorum nobody could answer for the cluster, and a person who asks wants an answer.
    let request = pb::MemberListRequest { linearizable: false };
    let answer = ClusterClient::new(connect(member).await?).member_list(request).await;
    let answer = answer.with_context(|| format!("asking {} for the members", member.name))?;
    Ok(answer.into_inner().members)
}

async fn connect(member: &Member) -> Result<Channel> {
    let mut endpoint =
        Endpoint::from_shared(member.client_url.clone())?.connect_timeout(TIMEOUT).timeout(TIMEOUT);
    if let Some(identity) = &member.identity {
        let read =
            |path: &Path| fs::read(path).with_context(|| format!("reading {}", path.display()));
        let key_pair = tonic::transport::Identity::from_pem(
            read(&identity.certificate)?,
            read(&identity.key)?,
        );
        let authority = Certificate::from_pem(read(&identity.authority)?);
        let tls = ClientTlsConfig::new().ca_certificate(authority).identity(key_pair);
        endpoint = endpoint.tls_config(tls).context("reading the client's certificates")?;
    }
    let connected = endpoint.connect().await;
    connected.with_context(|| format!("connecting to {} at {}", member.name, member.client_url))
}
