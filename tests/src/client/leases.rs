//! Leases of a member.

use super::{Client, Failure};
use bytes::Bytes;
use etcd_proto::etcdserverpb as pb;
use pb::kv_client::KvClient;
use pb::lease_client::LeaseClient;

impl Client {
    /// Grants a lease and returns its id; zero lets the member choose one.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn grant(&self, id: i64, ttl_seconds: i64) -> Result<i64, Failure> {
        let mut client = LeaseClient::new(self.channel.clone());
        let request = pb::LeaseGrantRequest { ttl: ttl_seconds, id };
        Ok(self.call(client.lease_grant(request))?.id)
    }

    /// Revokes a lease.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn revoke(&self, id: i64) -> Result<(), Failure> {
        let mut client = LeaseClient::new(self.channel.clone());
        self.call(client.lease_revoke(pb::LeaseRevokeRequest { id })).map(drop)
    }

    /// Renews a lease on a stream of its own and returns its time to live; zero if it is gone.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn keep_alive(&self, id: i64) -> Result<i64, Failure> {
        let mut client = LeaseClient::new(self.channel.clone());
        let requests = tokio_stream::once(pb::LeaseKeepAliveRequest { id });
        let renewed = async {
            let mut responses = client.lease_keep_alive(requests).await?.into_inner();
            let response = responses.message().await?;
            Ok(tonic::Response::new(response.expect("an answer before the end").ttl))
        };
        self.call(renewed)
    }

    /// How long a lease lives; its time to live is -1 if it is gone.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn time_to_live(&self, id: i64) -> Result<pb::LeaseTimeToLiveResponse, Failure> {
        let mut client = LeaseClient::new(self.channel.clone());
        self.call(client.lease_time_to_live(pb::LeaseTimeToLiveRequest { id, keys: true }))
    }

    /// The ids of all leases that the member knows.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn leases(&self) -> Result<Vec<i64>, Failure> {
        let mut client = LeaseClient::new(self.channel.clone()).max_decoding_message_size(1 << 30);
        let listed = self.call(client.lease_leases(pb::LeaseLeasesRequest {}))?;
        Ok(listed.leases.into_iter().map(|lease| lease.id).collect())
    }

    /// Puts one key that belongs to a lease, and returns the revision.
    ///
    /// # Errors
    ///
    /// [`Failure`]; the put may have happened all the same.
    pub fn put_leased(&self, key: &str, value: &str, lease: i64) -> Result<i64, Failure> {
        let request = pb::PutRequest {
            key: Bytes::copy_from_slice(key.as_bytes()),
            value: Bytes::copy_from_slice(value.as_bytes()),
            lease,
            ..Default::default()
        };
        let mut client = KvClient::new(self.channel.clone());
        let response = self.call(client.put(request))?;
        Ok(response.header.unwrap_or_default().revision)
    }
}
