//! Changes of the members, and the words on them, between members.

use bytes::Bytes;
use etcd_membership::{Change, Error, Member, MemberId};
use etcd_proto::raftpb::member_change::Kind;
use etcd_proto::raftpb::{MemberChange, MemberRecord, Message};
use prost::Message as _;

/// The word on a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is made by the entry at this index, which the leader has applied.
    Made(u64),
    /// It speaks against what the members are.
    Refused(etcd_membership::Error),
    /// Only a leader decides, and this member is none; nothing was done.
    NotLeader,
}

/// Nobody knows what became of it.
const UNKNOWN: u8 = 0;
/// Whoever was asked does not lead.
const NOT_LEADER: u8 = 1;
/// What may speak against a change, each by its number.
const REFUSALS: [(u8, Error); 7] = [
    (2, Error::IdRemoved),
    (3, Error::IdExists),
    (4, Error::IdNotFound),
    (5, Error::PeerUrlExists),
    (6, Error::NotLearner),
    (7, Error::TooManyLearners),
    (8, Error::LastVoter),
];

/// The `context` of a message that asks for a change.
pub(crate) fn change_to_wire(change: &Change) -> Bytes {
    let mut record = MemberRecord { id: change.member().0, ..MemberRecord::default() };
    let kind = match change {
        Change::Add(member) => {
            record.peer_urls.clone_from(&member.peer_urls);
            record.is_learner = member.is_learner;
            Kind::Add
        }
        Change::Remove(_) => Kind::Remove,
        Change::UpdatePeerUrls(_, peer_urls) => {
            record.peer_urls.clone_from(peer_urls);
            Kind::UpdatePeerUrls
        }
        Change::Promote(_) => Kind::Promote,
    };
    MemberChange { kind: kind.into(), member: Some(record) }.encode_to_vec().into()
}

/// The reverse of [`change_to_wire`].
pub(crate) fn change_from_wire(context: &[u8]) -> Option<Change> {
    let MemberChange { kind, member } = MemberChange::decode(context).ok()?;
    let MemberRecord { id, peer_urls, is_learner, .. } = member?;
    let id = MemberId(id);
    Some(match Kind::try_from(kind).ok()? {
        Kind::Add => Change::Add(Member { is_learner, ..Member::unstarted(id, peer_urls) }),
        Kind::Remove => Change::Remove(id),
        Kind::UpdatePeerUrls => Change::UpdatePeerUrls(id, peer_urls),
        Kind::Promote => Change::Promote(id),
    })
}

/// The fields of an answer that tell a decision, or that none was made.
pub(crate) fn decision_to_wire(decision: Option<Decision>) -> Message {
    let reject = |reason: u8| {
        let context = Bytes::copy_from_slice(&[reason]);
        Message { reject: true, context, ..Message::default() }
    };
    match decision {
        Some(Decision::Made(index)) => Message { index, ..Message::default() },
        Some(Decision::NotLeader) => reject(NOT_LEADER),
        Some(Decision::Refused(error)) => {
            let known = REFUSALS.iter().find(|(_, known)| *known == error);
            reject(known.map_or(UNKNOWN, |(number, _)| *number))
        }
        None => reject(UNKNOWN),
    }
}

/// The reverse of [`decision_to_wire`].
pub(crate) fn decision_from_wire(message: &Message) -> Option<Decision> {
    if !message.reject {
        return Some(Decision::Made(message.index));
    }
    match *message.context {
        [NOT_LEADER] => Some(Decision::NotLeader),
        [number] => {
            let known = REFUSALS.iter().find(|(known, _)| *known == number);
            known.map(|(_, error)| Decision::Refused(error.clone()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_come_as_they_went() {
        let (id, urls) = (MemberId(7), vec!["http://a:1".to_owned(), "http://b:1".to_owned()]);
        let member = Member { is_learner: true, ..Member::unstarted(id, urls.clone()) };
        for change in [
            Change::Add(member),
            Change::Remove(id),
            Change::UpdatePeerUrls(id, urls),
            Change::Promote(id),
        ] {
            assert_eq!(change_from_wire(&change_to_wire(&change)), Some(change));
        }
        assert_eq!(change_from_wire(b"\xff"), None);
    }

    #[test]
    fn decisions_come_as_they_went() {
        let refused = REFUSALS.map(|(_, error)| Decision::Refused(error));
        let others = [Decision::Made(7), Decision::NotLeader];
        for decision in others.into_iter().chain(refused).map(Some).chain([None]) {
            assert_eq!(decision_from_wire(&decision_to_wire(decision.clone())), decision);
        }
    }
}
