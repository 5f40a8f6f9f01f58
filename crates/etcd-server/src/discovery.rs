//! The first members find each other at another etcd: each registers itself there under a token, and
//! waits until all are there.

use std::time::Duration;

use etcd_config::Discovery;
use etcd_membership::MemberId;
use etcd_proto::etcdserverpb::auth_client::AuthClient;
use etcd_proto::etcdserverpb::kv_client::KvClient;
use etcd_proto::etcdserverpb::watch_client::WatchClient;
use etcd_proto::etcdserverpb::watch_request::RequestUnion;
use etcd_proto::etcdserverpb::{
    AuthenticateRequest, PutRequest, RangeRequest, RangeResponse, WatchCreateRequest, WatchRequest,
};
use etcd_transport::{DialOptions, Dialer, ServerVerification, Tls};
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::Error;

/// What all keys of discovery begin with.
const REGISTRY: &str = "/_etcd/registry";
/// The first and the longest pause before the service is asked again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(32);

/// Registers a member and waits for the others.
///
/// `own` is its part of the initial cluster, as `name=url,name=url`; the answer is the whole.
///
/// # Errors
/// The service has no cluster of this token, or one that is full. A service that cannot be reached
/// is asked until it can.
pub(crate) async fn join(
    discovery: &Discovery,
    member: MemberId,
    own: &str,
) -> Result<String, Error> {
    let service = Service::new(discovery)?;
    let size = service.size().await?;
    let own_key = format!("{}/{member}", service.members);
    refuse_full(&service.registered().await.members, &own_key, size)?;
    service.register(&own_key, own).await;
    loop {
        let Registered { members, revision } = service.registered().await;
        refuse_full(&members, &own_key, size)?;
        let (found, needed) = (members.len(), size);
        if found >= needed {
            tracing::info!(found, "found all members at the discovery service");
            let values = members.into_iter().take(size).map(|(_, value)| value);
            return Ok(values.collect::<Vec<String>>().join(","));
        }
        tracing::info!(found, needed, "waiting for members to register at the discovery service");
        if let Err(error) = service.next_registration(revision + 1).await {
            complain(&error);
            tokio::time::sleep(FIRST_PAUSE).await;
        }
    }
}

/// Who comes too late has no place.
fn refuse_full(members: &[(String, String)], own_key: &str, size: usize) -> Result<(), Error> {
    let is_among = members.iter().take(size).any(|(key, _)| key == own_key);
    if !is_among && members.len() >= size {
        return Err(Error::Discovery(
            "discovery: cluster is full: make a new token, or add this member to the running \
             cluster and start it with --initial-cluster-state=existing"
                .to_owned(),
        ));
    }
    Ok(())
}

/// The members that have registered, as keys and values, the first one first.
struct Registered {
    members: Vec<(String, String)>,
    revision: i64,
}

/// The cluster that knows who registered.
struct Service {
    channel: Channel,
    request_timeout: Duration,
    user: Option<AuthenticateRequest>,
    /// The key of the number of members.
    size: String,
    /// What the keys of the members begin with.
    members: String,
}

impl Service {
    fn new(discovery: &Discovery) -> Result<Service, Error> {
        let scheme = if discovery.discovery_insecure_transport { "http" } else { "https" };
        let url = |endpoint: &String| match endpoint.contains("://") {
            true => endpoint.clone(),
            false => format!("{scheme}://{endpoint}"),
        };
        let urls: Vec<String> = discovery.discovery_endpoints.iter().map(url).collect();
        let is_secured = urls.iter().any(|url| url.starts_with("https:"));
        let dialer = Dialer::new(DialOptions {
            tls: is_secured.then(|| tls(discovery).client()).transpose()?,
            connect_timeout: discovery.discovery_dial_timeout,
            keepalive_interval: discovery.discovery_keepalive_time,
            keepalive_timeout: discovery.discovery_keepalive_timeout,
            ..DialOptions::default()
        });
        let user = (!discovery.discovery_user.is_empty()).then(|| AuthenticateRequest {
            name: discovery.discovery_user.clone(),
            password: discovery.discovery_password.0.clone(),
        });
        let cluster = format!("{REGISTRY}/{}", discovery.discovery_token);
        Ok(Service {
            channel: dialer.channel(&urls)?,
            request_timeout: discovery.discovery_request_timeout,
            user,
            size: format!("{cluster}/_config/size"),
            members: format!("{cluster}/members"),
        })
    }

    /// How many members the cluster is to have.
    async fn size(&self) -> Result<usize, Error> {
        let request = RangeRequest { key: self.size.clone().into(), ..Default::default() };
        let answer = self.ask(|| self.range(request.clone())).await;
        let Some(kv) = answer.kvs.first() else {
            return Err(Error::Discovery(format!(
                "discovery: size key not found: put the number of members at {}",
                self.size
            )));
        };
        let size = std::str::from_utf8(&kv.value).ok().and_then(|text| text.parse().ok());
        size.filter(|size| *size > 0).ok_or_else(|| {
            let size = &self.size;
            Error::Discovery(format!("discovery: size key is bad: put a number above 0 at {size}"))
        })
    }

    async fn registered(&self) -> Registered {
        let request = RangeRequest {
            key: self.members.clone().into(),
            range_end: end_of_prefix(&self.members),
            ..Default::default()
        };
        let mut answer = self.ask(|| self.range(request.clone())).await;
        answer.kvs.sort_by_key(|kv| kv.create_revision);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        let members = answer.kvs.iter().map(|kv| (text(&kv.key), text(&kv.value)));
        let revision = answer.header.map_or(0, |header| header.revision);
        Registered { members: members.collect(), revision }
    }

    async fn register(&self, key: &str, value: &str) {
        let (key, value) = (key.to_owned(), value.to_owned());
        let request = PutRequest { key: key.into(), value: value.into(), ..Default::default() };
        self.ask(|| async {
            let request = self.signed(request.clone()).await?;
            KvClient::new(self.channel.clone()).put(request).await
        })
        .await;
    }

    /// Waits until somebody registers at or after a revision.
    async fn next_registration(&self, revision: i64) -> Result<(), Status> {
        let create = WatchCreateRequest {
            key: self.members.clone().into(),
            range_end: end_of_prefix(&self.members),
            start_revision: revision,
            ..Default::default()
        };
        let create = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
        // The stream of requests stays open: when it ends, so does the watch.
        let (requests, stream) = tokio::sync::mpsc::channel(1);
        let sent = requests.send(create).await;
        sent.map_err(|_| Status::internal("the stream has just been made"))?;
        let stream = tokio_stream::wrappers::ReceiverStream::new(stream);
        let request = self.signed(stream).await?;
        let mut answers = WatchClient::new(self.channel.clone()).watch(request).await?.into_inner();
        while let Some(answer) = answers.message().await? {
            if answer.canceled {
                return Err(Status::cancelled(answer.cancel_reason));
            }
            if !answer.events.is_empty() {
                return Ok(());
            }
        }
        Err(Status::unavailable("the watch ended"))
    }

    async fn range(&self, request: RangeRequest) -> Result<tonic::Response<RangeResponse>, Status> {
        let request = self.signed(request).await?;
        KvClient::new(self.channel.clone()).range(request).await
    }

    /// Asks until there is an answer.
    async fn ask<T, A>(&self, attempt: impl Fn() -> A) -> T
    where
        A: Future<Output = Result<tonic::Response<T>, Status>>,
    {
        let mut pause = FIRST_PAUSE;
        loop {
            match tokio::time::timeout(self.request_timeout, attempt()).await {
                Ok(Ok(answer)) => return answer.into_inner(),
                Ok(Err(status)) => complain(&status),
                Err(_) => complain(&Status::deadline_exceeded("no answer in time")),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// A request in the name of the user, if there is one.
    async fn signed<T>(&self, message: T) -> Result<Request<T>, Status> {
        let mut request = Request::new(message);
        if let Some(user) = &self.user {
            let mut client = AuthClient::new(self.channel.clone());
            let token = client.authenticate(user.clone()).await?.into_inner().token;
            let token = AsciiMetadataValue::try_from(token);
            let token = token.map_err(|_| Status::internal("the token is not text"))?;
            request.metadata_mut().insert("token", token);
        }
        Ok(request)
    }
}

fn tls(discovery: &Discovery) -> Tls {
    Tls {
        cert_file: discovery.discovery_cert.clone(),
        key_file: discovery.discovery_key.clone(),
        trusted_ca_file: discovery.discovery_cacert.clone(),
        server_verification: match discovery.discovery_insecure_skip_tls_verify {
            true => ServerVerification::Skip,
            false => ServerVerification::Required,
        },
        ..Tls::default()
    }
}

/// The first key behind all that begin with a prefix, which ends in a letter.
fn end_of_prefix(prefix: &str) -> bytes::Bytes {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end.into()
}

fn complain(status: &Status) {
    let error = Dialer::reason(status);
    tracing::warn!(error, "the discovery service did not answer; asking again");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(members: &[&str], size: usize) -> bool {
        let members: Vec<(String, String)> =
            members.iter().map(|key| ((*key).to_owned(), String::new())).collect();
        refuse_full(&members, "own", size).is_err()
    }

    #[test]
    fn only_the_first_have_a_place() {
        assert!(!refused(&[], 1));
        assert!(!refused(&["a", "own"], 2));
        assert!(!refused(&["own", "a", "b"], 2));
        assert!(refused(&["a", "b"], 2));
        assert!(refused(&["a", "b", "own"], 2));
    }
}
