//! Names that each server picks itself: ids of leases and members, and tokens.
//!
//! Requests have marks for them, which become each server's own; in answers they become the marks
//! again. So they are compared like all else, wherever they stand: in keys, watchers' events, texts.

use super::answer::Answer;
use super::call::Call;
use super::caller::TOKENS;
use super::operation::Operation;
use super::told::Told;
use bytes::Bytes;
use etcd_proto::etcdserverpb as pb;
use etcd_proto::mvccpb::{Event, KeyValue};
use pb::compare::TargetUnion;
use pb::request_op::Request;
use pb::response_op::Response;

/// Stands for the first id of a lease that a server picked, the numbers after it for later ones.
pub const PICKED: i64 = 1 << 42;
/// Stands for the id of the member that is asked; with several members for the first one's.
pub const OWN: u64 = 1 << 50;

/// From here on are ids of leases that only servers pick; and it stands for one that they do not
/// tell.
const FOREIGN: i64 = 1 << 45;

/// How many of them there may be.
const MOST: i64 = 1 << 20;

/// One server's own names.
#[derive(Debug, Default)]
pub(crate) struct Names {
    picked: Vec<i64>,
    member: u64,
    tokens: [Option<String>; TOKENS],
}

impl Names {
    /// Of a server whose first member has this id.
    pub(crate) fn of(member: u64) -> Names {
        Names { member, ..Names::default() }
    }

    /// How many leases it picked.
    pub(crate) fn picked(&self) -> usize {
        self.picked.len()
    }

    /// The token in a place.
    pub(crate) fn token(&self, place: usize) -> Option<String> {
        self.tokens.get(place).cloned().flatten()
    }

    /// The operation as this server is asked it.
    pub(crate) fn of_server(&self, mut operation: Operation) -> Operation {
        match &mut operation {
            Operation::Put(put) => self.resolve(&mut put.lease),
            Operation::Txn(txn) => self.resolve_txn(txn),
            Operation::Call(call) => match call {
                Call::LeaseGrant(request) => self.resolve(&mut request.id),
                Call::LeaseRevoke(request) => self.resolve(&mut request.id),
                Call::LeaseKeepAlive(request) => self.resolve(&mut request.id),
                Call::LeaseTimeToLive(request) => self.resolve(&mut request.id),
                Call::Alarm(request) if request.member_id == OWN => {
                    request.member_id = self.member;
                }
                _ => {}
            },
            _ => {}
        }
        operation
    }

    fn resolve(&self, id: &mut i64) {
        if (PICKED..PICKED + MOST).contains(id) {
            let place = usize::try_from(*id - PICKED).expect("it is not below the mark");
            // One that is not picked yet names no lease.
            *id = self.picked.get(place).copied().unwrap_or(*id);
        }
    }

    fn resolve_txn(&self, txn: &mut pb::TxnRequest) {
        for compare in &mut txn.compare {
            if let Some(TargetUnion::Lease(id)) = &mut compare.target_union {
                self.resolve(id);
            }
        }
        for operation in txn.success.iter_mut().chain(&mut txn.failure) {
            match &mut operation.request {
                Some(Request::RequestPut(put)) => self.resolve(&mut put.lease),
                Some(Request::RequestTxn(nested)) => self.resolve_txn(nested),
                _ => {}
            }
        }
    }

    /// Remembers what the server picked, and puts the marks in its place. `operation` is what the
    /// generator made.
    pub(crate) fn learn(&mut self, operation: &Operation, answer: &mut Answer) {
        if let (Operation::Call(call), Answer::Told(told)) = (operation, &mut *answer) {
            match (call, told) {
                (Call::LeaseGrant(request), Told::LeaseGrant(response)) if request.id == 0 => {
                    self.picked.push(response.id);
                }
                (Call::Lock(request), Told::Lock(response)) if request.lease == 0 => {
                    self.picked.extend(lease_of(&response.key));
                }
                (Call::Campaign(request), Told::Campaign(response)) if request.lease == 0 => {
                    self.picked.extend(response.leader.as_ref().map(|leader| leader.lease));
                }
                (Call::Authenticate(place, _), Told::Authenticate(response)) => {
                    let token = std::mem::take(&mut response.token);
                    response.token = shape(&token);
                    if let Some(slot) = self.tokens.get_mut(*place) {
                        *slot = Some(token);
                    }
                }
                _ => {}
            }
        }
        self.mark(answer);
    }

    fn mark(&self, answer: &mut Answer) {
        match answer {
            Answer::Range(response) => self.mark_range(response),
            Answer::RangeStream(messages, _) => {
                let responses = messages.iter_mut().filter_map(|m| m.range_response.as_mut());
                responses.for_each(|response| self.mark_range(response));
            }
            Answer::Put(response) => self.mark_kv(response.prev_kv.as_mut()),
            Answer::DeleteRange(response) => {
                response.prev_kvs.iter_mut().for_each(|kv| self.mark_kv(Some(kv)));
            }
            Answer::Txn(response) => self.mark_txn(response),
            Answer::Told(told) => self.mark_told(told),
            Answer::Compact(_) | Answer::HashKv(_) | Answer::Refused(_) => {}
        }
    }

    fn mark_told(&self, told: &mut Told) {
        match told {
            Told::LeaseGrant(response) => self.mark_id(&mut response.id),
            Told::LeaseKeepAlive(response) => self.mark_id(&mut response.id),
            Told::LeaseTimeToLive(response) => {
                self.mark_id(&mut response.id);
                response.keys.iter_mut().for_each(|key| self.mark_key(key));
                // etcd tells them in no order.
                response.keys.sort();
            }
            Told::LeaseLeases(response) => {
                for lease in &mut response.leases {
                    self.mark_id(&mut lease.id);
                    // A lock that was refused may have left one whose id nobody was told.
                    if (FOREIGN..i64::MAX).contains(&lease.id) {
                        lease.id = FOREIGN;
                    }
                }
                // They are told by the time that is left, which is a matter of the clock.
                response.leases.sort_by_key(|lease| lease.id);
            }
            Told::Lock(response) => self.mark_key(&mut response.key),
            Told::Campaign(response) => {
                if let Some(leader) = &mut response.leader {
                    self.mark_key(&mut leader.key);
                    self.mark_id(&mut leader.lease);
                }
            }
            Told::Leader(response) => self.mark_kv(response.kv.as_mut()),
            Told::Alarm(response) => {
                for alarm in &mut response.alarms {
                    if alarm.member_id == self.member {
                        alarm.member_id = OWN;
                    }
                }
                // etcd keeps them in a map.
                response.alarms.sort_by_key(|alarm| (alarm.member_id, alarm.alarm));
            }
            Told::Status(response) => {
                let (own, mark) = (format!("memberID:{} ", self.member), "memberID:OWN ");
                for error in &mut response.errors {
                    // What prints a message in Go puts one space or two between its fields.
                    *error = format!("{error} ").replace("  ", " ").replace(&own, mark);
                }
                response.errors.sort();
            }
            Told::Authenticate(_) | Told::RoleGet(_) | Told::Plain(..) => {}
        }
    }

    fn mark_range(&self, response: &mut pb::RangeResponse) {
        response.kvs.iter_mut().for_each(|kv| self.mark_kv(Some(kv)));
    }

    fn mark_txn(&self, response: &mut pb::TxnResponse) {
        for response in &mut response.responses {
            match &mut response.response {
                Some(Response::ResponseRange(range)) => self.mark_range(range),
                Some(Response::ResponsePut(put)) => self.mark_kv(put.prev_kv.as_mut()),
                Some(Response::ResponseDeleteRange(delete)) => {
                    delete.prev_kvs.iter_mut().for_each(|kv| self.mark_kv(Some(kv)));
                }
                Some(Response::ResponseTxn(txn)) => self.mark_txn(txn),
                None => {}
            }
        }
    }

    /// Puts marks into events.
    pub(crate) fn mark_events(&self, events: &mut [Event]) {
        for event in events {
            self.mark_kv(event.kv.as_mut());
            self.mark_kv(event.prev_kv.as_mut());
        }
    }

    fn mark_kv(&self, kv: Option<&mut KeyValue>) {
        let Some(kv) = kv else { return };
        self.mark_id(&mut kv.lease);
        self.mark_key(&mut kv.key);
    }

    fn mark_id(&self, id: &mut i64) {
        if let Some(place) = self.picked.iter().position(|picked| picked == id) {
            *id = PICKED + place as i64;
        }
    }

    /// The key of a lock or a candidate ends in its lease's id.
    fn mark_key(&self, key: &mut Bytes) {
        let Some(mut lease) = lease_of(key) else { return };
        let own = lease;
        self.mark_id(&mut lease);
        if lease != own {
            let name = &key[..key.len() - format!("{own:x}").len()];
            *key = [name, format!("{lease:x}").as_bytes()].concat().into();
        }
    }
}

/// The lease at the end of a key `NAME/HEX`.
fn lease_of(key: &[u8]) -> Option<i64> {
    let slash = key.iter().rposition(|byte| *byte == b'/')?;
    let digits = std::str::from_utf8(&key[slash + 1..]).ok()?;
    i64::from_str_radix(digits, 16).ok()
}

/// Where a lease stands at a lock or an election.
pub(crate) fn candidate(name: &[u8], lease: i64) -> Bytes {
    // Go writes a sign in front of the digits.
    let sign = if lease < 0 { "-" } else { "" };
    [name, format!("/{sign}{:x}", lease.unsigned_abs()).as_bytes()].concat().into()
}

/// What kind of token it is.
fn shape(token: &str) -> String {
    let is_letters = |word: &str| word.len() == 16 && word.bytes().all(|b| b.is_ascii_alphabetic());
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    match token.split('.').collect::<Vec<_>>()[..] {
        [letters, index] if is_letters(letters) && is_number(index) => "(simple)".to_owned(),
        [head, _, _] => format!("(signed: {head})"),
        _ => format!("(neither: {token})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_picked_is_marked_wherever_it_stands() {
        let names = Names { picked: vec![0x77, 0x1234], ..Names::of(9) };
        let mut kv = KeyValue { key: "p1/1234".into(), lease: 0x77, ..KeyValue::default() };
        names.mark_kv(Some(&mut kv));
        assert_eq!((&kv.key[..], kv.lease), (&b"p1/40000000001"[..], PICKED));
        let mut kv = KeyValue { key: "p1/12345".into(), lease: 5, ..KeyValue::default() };
        names.mark_kv(Some(&mut kv));
        assert_eq!((&kv.key[..], kv.lease), (&b"p1/12345"[..], 5));
        let asked = Operation::Call(Call::LeaseRevoke(pb::LeaseRevokeRequest { id: PICKED + 1 }));
        let Operation::Call(Call::LeaseRevoke(sent)) = names.of_server(asked) else {
            panic!("another call")
        };
        assert_eq!(sent.id, 0x1234);
    }

    #[test]
    fn tokens_are_known_by_their_shape() {
        assert_eq!(shape("abcdefghijklmnOP.12"), "(simple)");
        assert_eq!(shape("abc.12"), "(neither: abc.12)");
        assert_eq!(shape("a.b.c"), "(signed: a)");
    }
}
