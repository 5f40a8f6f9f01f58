//! Raft's messages between openraft's types and the wire's twelve fields.

use bytes::Bytes;
use etcd_proto::raftpb::{Message, MessageType};
use openraft::raft::{
    AppendEntriesRequest, StreamAppendError, TransferLeaderRequest, VoteRequest, VoteResponse,
};

use crate::log_store::{entry_from_wire, entry_to_wire};
use crate::openraft_types::{LogId, StreamAppendResult, TypeConfig, Vote};
use crate::{Error, Position};

/// The context that marks a vote request of a leadership transfer, which followers must not refuse
/// because their leader is alive (the name is the one that etcd's raft uses).
const TRANSFER: &[u8] = b"CampaignTransfer";

/// A message with its kind, its vote, and a position in the fields that Raft uses for one.
fn message(kind: MessageType, vote: Option<&Vote>, position: Option<LogId>) -> Message {
    let position = Position::of(position);
    let mut message = Message {
        r#type: kind.into(),
        log_term: position.term,
        index: position.index,
        ..Message::default()
    };
    if let Some(vote) = vote {
        message.term = vote.leader_id.term;
        message.vote_term = vote.leader_id.term;
        message.vote_for = vote.leader_id.voted_for;
        message.vote_committed = vote.committed;
    }
    message
}

/// The vote of a message.
pub(crate) fn vote(message: &Message) -> Vote {
    let mut vote = Vote::new(message.vote_term, message.vote_for);
    vote.committed = message.vote_committed;
    vote
}

fn position(message: &Message) -> Option<LogId> {
    Position { term: message.log_term, index: message.index }.log_id()
}

/// `kind` is `MsgApp`, or `MsgHeartbeat` for the empty ones that only assert leadership.
pub(crate) fn append_to_wire(
    kind: MessageType,
    request: &AppendEntriesRequest<TypeConfig>,
) -> Message {
    let commit = Position::of(request.leader_commit);
    Message {
        entries: request.entries.iter().map(entry_to_wire).collect(),
        commit: commit.index,
        commit_term: commit.term,
        ..message(kind, Some(&request.vote), request.prev_log_id)
    }
}

pub(crate) fn append_from_wire(
    message: Message,
) -> Result<AppendEntriesRequest<TypeConfig>, Error> {
    let commit = Position { term: message.commit_term, index: message.commit };
    Ok(AppendEntriesRequest {
        vote: vote(&message),
        prev_log_id: position(&message),
        leader_commit: commit.log_id(),
        entries: message.entries.into_iter().map(entry_from_wire).collect::<Result<_, _>>()?,
    })
}

pub(crate) fn append_result_to_wire(kind: MessageType, result: &StreamAppendResult) -> Message {
    match result {
        Ok(matching) => message(kind, None, *matching),
        Err(StreamAppendError::Conflict(conflict)) => {
            let position = Position::of(Some(*conflict));
            let message = message(kind, None, Some(*conflict));
            Message { reject: true, reject_hint: position.index, ..message }
        }
        Err(StreamAppendError::HigherVote(vote)) => {
            Message { reject: true, ..message(kind, Some(vote), None) }
        }
    }
}

pub(crate) fn append_result_from_wire(message: &Message) -> StreamAppendResult {
    if !message.reject {
        return Ok(position(message));
    }
    // A refusal for a higher vote names the member that has it; ids are never zero.
    match position(message) {
        Some(conflict) if message.vote_for == 0 => Err(StreamAppendError::Conflict(conflict)),
        _ => Err(StreamAppendError::HigherVote(vote(message))),
    }
}

/// `kind` is `MsgVote` or `MsgPreVote`.
pub(crate) fn vote_request_to_wire(
    kind: MessageType,
    request: &VoteRequest<TypeConfig>,
) -> Message {
    let context = if request.leadership_transfer { TRANSFER } else { b"" };
    Message {
        context: Bytes::from_static(context),
        ..message(kind, Some(&request.vote), request.last_log_id)
    }
}

pub(crate) fn vote_request_from_wire(message: &Message) -> VoteRequest<TypeConfig> {
    let mut request = VoteRequest::new(vote(message), position(message));
    request.leadership_transfer = message.context == TRANSFER;
    request
}

pub(crate) fn vote_response_to_wire(
    kind: MessageType,
    response: &VoteResponse<TypeConfig>,
) -> Message {
    Message {
        reject: !response.vote_granted,
        ..message(kind, Some(&response.vote), response.last_log_id)
    }
}

pub(crate) fn vote_response_from_wire(message: &Message) -> VoteResponse<TypeConfig> {
    VoteResponse::new(vote(message), position(message), !message.reject)
}

/// All voters are told of a hand-over, so the member that is to lead is not the one that the message
/// goes to: the context names it.
pub(crate) fn transfer_to_wire(request: &TransferLeaderRequest<TypeConfig>) -> Message {
    let last = request.last_log_id().copied();
    let context = Bytes::copy_from_slice(&request.to_node_id().to_be_bytes());
    Message { context, ..message(MessageType::MsgTimeoutNow, Some(request.from_leader()), last) }
}

pub(crate) fn transfer_from_wire(message: &Message) -> TransferLeaderRequest<TypeConfig> {
    // Members have ids other than 0: without a name nobody is to lead.
    let target = message.context.first_chunk().map_or(0, |id| u64::from_be_bytes(*id));
    TransferLeaderRequest::new(vote(message), target, position(message))
}

/// The head of a snapshot stream: the leader's vote, and the position of the state that follows.
pub(crate) fn snapshot_to_wire(vote: &Vote, position: Position) -> Message {
    message(MessageType::MsgSnap, Some(vote), position.log_id())
}

pub(crate) fn snapshot_response_to_wire(vote: &Vote) -> Message {
    message(MessageType::MsgSnapResp, Some(vote), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_over_names_who_is_to_lead_whoever_is_told() {
        let last = Position { term: 3, index: 7 }.log_id();
        let request = TransferLeaderRequest::<TypeConfig>::new(Vote::new(3, 1), 2, last);
        let told = Message { to: 5, ..transfer_to_wire(&request) };
        assert_eq!(transfer_from_wire(&told), request);
    }
}
