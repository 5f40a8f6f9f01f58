//! A blocking client over the project's own stubs.

mod leases;
mod members;

use bytes::Bytes;
use etcd_proto::etcdserverpb as pb;
use etcd_proto::mvccpb::KeyValue;
use pb::cluster_client::ClusterClient;
use pb::kv_client::KvClient;
use pb::maintenance_client::MaintenanceClient;
use std::fmt;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};

/// Longer than the seven seconds after which a server gives up by itself.
const DEADLINE: Duration = Duration::from_secs(12);

/// A connection to one member. Its calls run on the calling thread, and so in the network
/// namespace that the thread is in.
pub struct Client {
    runtime: Runtime,
    channel: Channel,
    deadline: Duration,
}

/// Why a call brought no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// gRPC's code.
    pub code: Code,
    /// The server's words, or the transport's.
    pub message: String,
    /// Whether the words are not the server's: nothing listens there, or the connection broke.
    pub is_transport: bool,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.code, self.message)
    }
}

/// Which reads are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// Never older than what was acknowledged before.
    Linearizable,
    /// What the member has.
    Serializable,
}

impl Client {
    /// A client of the member at `url`; it connects at the first call.
    ///
    /// # Panics
    ///
    /// When `url` is none.
    pub fn new(url: &str) -> Client {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let endpoint = Endpoint::from_shared(url.to_owned()).expect("a URL");
        let endpoint = endpoint.connect_timeout(Duration::from_secs(2));
        let guard = runtime.enter();
        let channel = endpoint.connect_lazy();
        drop(guard);
        Client { runtime, channel, deadline: DEADLINE }
    }

    /// The same client, which gives up a call after `deadline`.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Client {
        Client { deadline, ..self }
    }

    /// Puts one key, and returns the revision.
    ///
    /// # Errors
    ///
    /// [`Failure`]; the put may have happened all the same.
    pub fn put(&self, key: &str, value: &str) -> Result<i64, Failure> {
        let request = pb::PutRequest {
            key: Bytes::copy_from_slice(key.as_bytes()),
            value: Bytes::copy_from_slice(value.as_bytes()),
            ..Default::default()
        };
        let mut client = KvClient::new(self.channel.clone());
        let response = self.call(client.put(request))?;
        Ok(response.header.unwrap_or_default().revision)
    }

    /// Reads one key.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn get(&self, key: &str, consistency: Consistency) -> Result<Option<KeyValue>, Failure> {
        let request = pb::RangeRequest {
            key: Bytes::copy_from_slice(key.as_bytes()),
            serializable: consistency == Consistency::Serializable,
            ..Default::default()
        };
        Ok(self.range(request)?.kvs.into_iter().next())
    }

    /// Reads every key with a prefix from what the member itself has.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn get_prefix(&self, prefix: &str) -> Result<Vec<KeyValue>, Failure> {
        let request = pb::RangeRequest {
            key: Bytes::copy_from_slice(prefix.as_bytes()),
            range_end: prefix_end(prefix),
            serializable: true,
            ..Default::default()
        };
        Ok(self.range(request)?.kvs)
    }

    /// Deletes every key with a prefix.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn delete_prefix(&self, prefix: &str) -> Result<i64, Failure> {
        let request = pb::DeleteRangeRequest {
            key: Bytes::copy_from_slice(prefix.as_bytes()),
            range_end: prefix_end(prefix),
            ..Default::default()
        };
        let mut client = KvClient::new(self.channel.clone());
        Ok(self.call(client.delete_range(request))?.deleted)
    }

    /// Reads whatever is asked for.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn range(&self, request: pb::RangeRequest) -> Result<pb::RangeResponse, Failure> {
        let mut client = KvClient::new(self.channel.clone()).max_decoding_message_size(usize::MAX);
        self.call(client.range(request))
    }

    /// Executes a txn.
    ///
    /// # Errors
    ///
    /// [`Failure`]; it may have happened all the same.
    pub fn txn(&self, request: pb::TxnRequest) -> Result<pb::TxnResponse, Failure> {
        let mut client = KvClient::new(self.channel.clone());
        self.call(client.txn(request))
    }

    /// Compacts up to a revision; physically, the answer waits until all of it is removed.
    ///
    /// # Errors
    ///
    /// [`Failure`]; it may have happened all the same.
    pub fn compact(&self, request: pb::CompactionRequest) -> Result<(), Failure> {
        let mut client = KvClient::new(self.channel.clone());
        self.call(client.compact(request)).map(|_| ())
    }

    /// What the member says of itself.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn status(&self) -> Result<pb::StatusResponse, Failure> {
        let mut client = MaintenanceClient::new(self.channel.clone());
        self.call(client.status(pb::StatusRequest {}))
    }

    /// The hash of everything that the member holds.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn hash(&self) -> Result<pb::HashResponse, Failure> {
        let mut client = MaintenanceClient::new(self.channel.clone());
        self.call(client.hash(pb::HashRequest {}))
    }

    /// The hash of the member's keys at a revision, 0 being the newest.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn hash_kv(&self, revision: i64) -> Result<pb::HashKvResponse, Failure> {
        let mut client = MaintenanceClient::new(self.channel.clone());
        self.call(client.hash_kv(pb::HashKvRequest { revision }))
    }

    /// Raises or clears an alarm, or lists them.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn alarm(&self, request: pb::AlarmRequest) -> Result<pb::AlarmResponse, Failure> {
        let mut client = MaintenanceClient::new(self.channel.clone());
        self.call(client.alarm(request))
    }

    /// The members that this member knows, without asking the leader.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn members(&self) -> Result<pb::MemberListResponse, Failure> {
        let mut client = ClusterClient::new(self.channel.clone());
        self.call(client.member_list(pb::MemberListRequest { linearizable: false }))
    }

    fn call<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        let within = async { tokio::time::timeout(self.deadline, call).await };
        match self.runtime.block_on(within) {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(Failure::from(&status)),
            Err(_) => Err(Failure {
                code: Code::DeadlineExceeded,
                message: format!("no answer within {:?}", self.deadline),
                is_transport: false,
            }),
        }
    }
}

impl From<&Status> for Failure {
    fn from(status: &Status) -> Failure {
        // A status that a server sent has no source; one that tonic made of an error has.
        let source = std::error::Error::source(status);
        Failure {
            code: status.code(),
            message: status.message().to_owned(),
            is_transport: source.is_some(),
        }
    }
}

/// The end of the range of all keys with an ASCII prefix.
fn prefix_end(prefix: &str) -> Bytes {
    let mut end = prefix.as_bytes().to_vec();
    *end.last_mut().expect("a prefix is not empty") += 1;
    end.into()
}
