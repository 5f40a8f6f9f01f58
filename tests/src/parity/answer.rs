//! Answers to calls, in a form that two servers can be compared by.

use super::caller::by;
use super::operation::Operation;
use super::told::{Told, tell};
use etcd_proto::etcdserverpb as pb;
use pb::kv_client::KvClient;
use pb::maintenance_client::MaintenanceClient;
use std::time::Duration;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

/// Longer than the seven seconds after which a server gives up by itself.
pub(crate) const DEADLINE: Duration = Duration::from_secs(15);

/// How what stands for no answer begins.
const NO_ANSWER: &str = "(no answer";

/// What a client gets.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// To Range.
    Range(pb::RangeResponse),
    /// To RangeStream: its messages, and how it ended.
    RangeStream(Vec<pb::RangeStreamResponse>, Option<Refusal>),
    /// To Put.
    Put(pb::PutResponse),
    /// To DeleteRange.
    DeleteRange(pb::DeleteRangeResponse),
    /// To Txn.
    Txn(pb::TxnResponse),
    /// To Compact.
    Compact(pb::CompactionResponse),
    /// To HashKV.
    HashKv(pb::HashKvResponse),
    /// To what is asked of other services.
    Told(Told),
    /// To any of them.
    Refused(Refusal),
}

/// A status other than OK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// gRPC's code.
    pub code: Code,
    /// The server's words.
    pub message: String,
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Refusal {
        Refusal { code: status.code(), message: status.message().to_owned() }
    }
}

impl Answer {
    /// Calls a server. The identity of the server is taken out of what comes back.
    pub(crate) async fn to(
        operation: &Operation,
        channel: &Channel,
        token: Option<&str>,
    ) -> Answer {
        let asked = Answer::whenever(operation, channel, token);
        tokio::time::timeout(DEADLINE, asked).await.unwrap_or_else(|_| Answer::none())
    }

    /// What stands for an answer that does not come.
    pub(crate) fn none() -> Answer {
        let message = format!("{NO_ANSWER} within {DEADLINE:?})");
        Answer::Refused(Refusal { code: Code::DeadlineExceeded, message })
    }

    /// Whether it is that.
    pub(crate) fn is_none(&self) -> bool {
        self.refusal().is_some_and(|refusal| refusal.message.starts_with(NO_ANSWER))
    }

    /// The same, however long it takes.
    pub(crate) async fn whenever(
        operation: &Operation,
        channel: &Channel,
        token: Option<&str>,
    ) -> Answer {
        let mut answer = call(operation, channel, token).await;
        if let Answer::RangeStream(messages, _) = &mut answer {
            for message in messages.iter_mut().filter_map(|m| m.range_response.as_mut()) {
                message.header.as_mut().map(anonymise);
            }
        }
        answer.header_mut().map(anonymise);
        answer
    }

    /// The store's newest revision, as the answer tells it.
    pub(crate) fn revision(&self) -> Option<i64> {
        let header = match self {
            Answer::Range(response) => &response.header,
            Answer::Put(response) => &response.header,
            Answer::DeleteRange(response) => &response.header,
            Answer::Txn(response) => &response.header,
            Answer::Compact(response) => &response.header,
            Answer::HashKv(response) => &response.header,
            Answer::Told(told) => return told.header().map(|header| header.revision),
            Answer::RangeStream(..) | Answer::Refused(_) => &None,
        };
        header.as_ref().map(|header| header.revision)
    }

    /// Why there is no other answer.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        match self {
            Answer::Refused(refusal) | Answer::RangeStream(_, Some(refusal)) => Some(refusal),
            _ => None,
        }
    }

    fn header_mut(&mut self) -> Option<&mut pb::ResponseHeader> {
        match self {
            Answer::Range(response) => response.header.as_mut(),
            Answer::Put(response) => response.header.as_mut(),
            Answer::DeleteRange(response) => response.header.as_mut(),
            Answer::Txn(response) => response.header.as_mut(),
            Answer::Compact(response) => response.header.as_mut(),
            Answer::HashKv(response) => response.header.as_mut(),
            // Those are made anonymous where they come in.
            Answer::Told(_) => None,
            Answer::RangeStream(..) | Answer::Refused(_) => None,
        }
    }
}

/// Who answers and in which term differs, but not that it is told.
pub(crate) fn anonymise(header: &mut pb::ResponseHeader) {
    header.cluster_id = u64::from(header.cluster_id != 0);
    header.member_id = u64::from(header.member_id != 0);
    header.raft_term = u64::from(header.raft_term != 0);
}

async fn call(operation: &Operation, channel: &Channel, token: Option<&str>) -> Answer {
    let mut kv = KvClient::new(channel.clone()).max_decoding_message_size(usize::MAX);
    match operation.clone() {
        Operation::Range(request) => of(kv.range(by(token, request)).await, Answer::Range),
        Operation::RangeStream(request) => match kv.range_stream(by(token, request)).await {
            Ok(response) => collect(response.into_inner()).await,
            Err(status) => Answer::RangeStream(Vec::new(), Some(status.into())),
        },
        Operation::Put(request) => of(kv.put(by(token, request)).await, Answer::Put),
        Operation::DeleteRange(request) => {
            of(kv.delete_range(by(token, request)).await, Answer::DeleteRange)
        }
        Operation::Txn(request) => of(kv.txn(by(token, request)).await, Answer::Txn),
        Operation::Compact(request) => of(kv.compact(by(token, request)).await, Answer::Compact),
        Operation::HashKv(revision) => {
            let mut maintenance = MaintenanceClient::new(channel.clone());
            let request = by(token, pb::HashKvRequest { revision });
            of(maintenance.hash_kv(request).await, Answer::HashKv)
        }
        Operation::Call(call) => match tell(&call, channel, token).await {
            Ok(told) => Answer::Told(told),
            Err(refusal) => Answer::Refused(refusal),
        },
        Operation::Watch { .. } | Operation::Close { .. } | Operation::Expire => {
            unreachable!("what happens on watch streams and by itself is no call")
        }
    }
}

async fn collect(mut stream: tonic::Streaming<pb::RangeStreamResponse>) -> Answer {
    let mut messages = Vec::new();
    loop {
        match stream.message().await {
            Ok(Some(message)) => messages.push(message),
            Ok(None) => return Answer::RangeStream(messages, None),
            Err(status) => return Answer::RangeStream(messages, Some(status.into())),
        }
    }
}

fn of<T>(result: Result<Response<T>, Status>, answer: impl FnOnce(T) -> Answer) -> Answer {
    match result {
        Ok(response) => answer(response.into_inner()),
        Err(status) => Answer::Refused(status.into()),
    }
}
