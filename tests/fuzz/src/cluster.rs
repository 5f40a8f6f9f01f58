//! Two members that must not differ.

use bytes::Bytes;
use etcd_api::Limits;
use etcd_apply::{Answer, Reply};
use etcd_nesting::{Deep, decode_command, decode_txn, encode};
use etcd_proto::etcdserverpb::request_op;
use etcd_proto::etcdserverpb::{
    CompactionRequest, DeleteRangeRequest, InternalRaftRequest, PutRequest, RangeRequest,
    TxnRequest, WatchRequest,
};
use prost::Message;

use crate::input::{Kind, Request};
use crate::member::Member;
use crate::watchers::Watchers;

/// Two members: the client's, which answers, and another, which only follows.
pub struct Cluster {
    asked: Member,
    other: Member,
    watchers: Watchers,
    limits: Limits,
}

impl Default for Cluster {
    fn default() -> Cluster {
        Cluster::new()
    }
}

impl Cluster {
    /// Two members without keys.
    pub fn new() -> Cluster {
        let (asked, other) = (Member::new(), Member::new());
        let watchers = Watchers::new(&asked.views);
        Cluster { asked, other, watchers, limits: Limits::default() }
    }

    /// Forgets all keys.
    pub fn clear(&mut self) {
        self.asked.clear();
        self.other.clear();
        self.watchers = Watchers::new(&self.asked.views);
    }

    /// Serves a request as a server does.
    ///
    /// # Panics
    ///
    /// When it breaks a member, or lets the two differ.
    pub fn serve(&mut self, request: &Request) {
        let message = request.message.clone();
        match request.kind {
            Kind::Range => {
                if let Some(range) = read::<RangeRequest>(message) {
                    self.range(range);
                }
            }
            Kind::Put => {
                let put = read::<PutRequest>(message);
                self.propose(
                    put.map(|put| InternalRaftRequest { put: Some(put), ..Default::default() }),
                );
            }
            Kind::DeleteRange => {
                let delete = read::<DeleteRangeRequest>(message);
                self.propose(delete.map(|delete| InternalRaftRequest {
                    delete_range: Some(delete),
                    ..Default::default()
                }));
            }
            Kind::Txn => self.txn(message),
            Kind::Compaction => {
                let compaction = read::<CompactionRequest>(message);
                self.propose(compaction.map(|compaction| InternalRaftRequest {
                    compaction: Some(compaction),
                    ..Default::default()
                }));
            }
            Kind::Watch => {
                if let Some(request) = read::<WatchRequest>(message) {
                    self.watchers.serve(request);
                }
            }
            // Nobody checks the shape of what is in the log.
            Kind::Command => {
                let _ = self.execute(&message);
            }
        }
        self.watchers.listen();
    }

    fn range(&mut self, range: RangeRequest) {
        let command = InternalRaftRequest { range: Some(range), ..Default::default() };
        if etcd_api::check_shape(&command, &self.limits).is_err() {
            return;
        }
        let range = command.range.expect("it was just set");
        // Refusals are fine; an error of the state is not.
        if let Err(error) = self.asked.views.range(&range) {
            assert!(matches!(error, etcd_apply::Error::Refused(_)), "{range:?}: {error}");
        }
    }

    fn txn(&mut self, message: Bytes) {
        let Ok(txn) = decode_txn(message) else { return };
        assert!(decode_txn(encode(&*txn)).as_ref() == Ok(&txn), "it is read as it was written");
        let read_only = is_flat_and_reads(&txn).then(|| txn.clone());
        let command = InternalRaftRequest { txn: Some(txn.into_inner()), ..Default::default() };
        let answer = self.propose(Some(command));
        // What the command did not change, a read sees in the same way.
        if let (Some(txn), Some(answer)) = (read_only, answer) {
            match (self.asked.views.read_txn(&txn), answer) {
                (Ok(read), Ok(Answer::Txn(applied))) => assert!(read == *applied, "{txn:?}"),
                (Err(etcd_apply::Error::Refused(read)), Err(applied)) => assert_eq!(read, applied),
                (read, applied) => panic!("{txn:?}: {read:?}, but {applied:?}"),
            }
        }
    }

    /// The reply to a command that is let into the log.
    fn propose(&mut self, command: Option<InternalRaftRequest>) -> Option<Reply> {
        let command = Deep::new(command?);
        let shape = command.visit(|command| etcd_api::check_shape(command, &self.limits));
        if shape.is_err() {
            return None;
        }
        let bytes = encode(&*command);
        assert!(decode_command(bytes.clone()).as_ref() == Ok(&command), "it is read as written");
        Some(self.execute(&bytes))
    }

    fn execute(&mut self, command: &Bytes) -> Reply {
        let reply = self.asked.execute(command.clone(), true);
        let others = self.other.execute(command.clone(), false);
        assert_eq!(reply.is_ok(), others.is_ok(), "{reply:?}, but {others:?}");
        assert_eq!(reply.as_ref().err(), others.as_ref().err());
        assert!(self.asked.rows() == self.other.rows(), "the members differ");
        reply
    }
}

fn is_flat_and_reads(txn: &TxnRequest) -> bool {
    let mut operations = txn.success.iter().chain(&txn.failure);
    operations
        .all(|operation| matches!(operation.request, Some(request_op::Request::RequestRange(_))))
}

/// Reads a message, and checks that it is read again as it is written.
fn read<T: Message + Default + PartialEq>(bytes: Bytes) -> Option<T> {
    let message = T::decode(bytes).ok()?;
    let again = T::decode(Bytes::from(message.encode_to_vec()));
    assert!(again.as_ref() == Ok(&message), "it is read as it was written");
    Some(message)
}
