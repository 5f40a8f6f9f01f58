//! Commands: from a request into raft, and the wait for the answer.

use etcd_apply::Answer;
use etcd_membership::MemberId;
use etcd_proto::etcdserverpb::InternalRaftRequest;
use etcd_raft::ProposeError;
use prost::Message as _;
use prost::encoding::encoded_len_varint;

use crate::deadline::Deadline;
use crate::{Api, Error};

/// The most entries that may be committed and not applied before commands are turned away.
const MAX_BACKLOG: u64 = 5000;

impl Api {
    /// Brings a command into the log and waits until this member has applied it.
    pub(crate) async fn propose(
        &self,
        command: &InternalRaftRequest,
        deadline: Deadline,
    ) -> Result<Answer, Error> {
        let status = self.raft.status();
        if status.committed > status.applied.index + MAX_BACKLOG {
            return Err(Error::TooManyRequests);
        }
        let bytes = command.encode_to_vec();
        if bytes.len() + header_bytes(self.member_id) > self.limits.max_request_bytes {
            return Err(Error::RequestTooLarge);
        }
        match self.raft.propose(bytes.into(), deadline.at).await {
            Ok(reply) => Ok(reply?),
            // Nobody took it: etcd passes the raw error on, be it the client's limit or its own.
            Err(ProposeError::NotAccepted) => Err(Error::DeadlineExceeded),
            Err(ProposeError::Unknown) => Err(Error::Timeout),
            Err(ProposeError::Stopped) => Err(Error::Stopped),
        }
    }
}

/// The bytes by which etcd's command is larger than this one, which must count against the limit
/// that is etcd's: its header with the request's id, whose upper 16 bits are the member's lower
/// ones.
fn header_bytes(member: MemberId) -> usize {
    const TAGS_AND_LENGTH: usize = 4;
    let id = (member.0 << 48) | (1 << 47);
    TAGS_AND_LENGTH + encoded_len_varint(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use etcd_proto::etcdserverpb::RequestHeader;

    #[test]
    fn the_header_of_etcds_command_is_counted_in() {
        for member in [0, 1, 0x7f, 0xff, 0x100, 0x7fff, 0x8000, u64::MAX] {
            // Whatever the time in the middle of the id.
            let id = (member << 48) | 0x9234_5678_9a01;
            let header = Some(RequestHeader { id, ..RequestHeader::default() });
            let command = InternalRaftRequest { header, ..InternalRaftRequest::default() };
            assert_eq!(header_bytes(MemberId(member)), command.encoded_len(), "{member:x}");
        }
    }
}
