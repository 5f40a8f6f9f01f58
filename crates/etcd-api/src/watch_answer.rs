//! What a stream of Watch says next: changes are spliced in as they are stored.

use bytes::BufMut;
use etcd_mvcc::Kind;
use etcd_proto::etcdserverpb::{ResponseHeader, WatchResponse};
use etcd_proto::mvccpb::event::EventType;
use etcd_watch::{Change, Changed};
use prost::Message as _;
use prost::encoding::{
    WireType, encode_key, encode_varint, encoded_len_varint, int32, int64, key_len, message,
};

/// The fields of a response with changes.
const HEADER: u32 = 1;
const WATCH_ID: u32 = 2;
pub(crate) const EVENTS: u32 = 11;
/// The fields of an event that are told of a change.
const EVENT_TYPE: u32 = 1;
const EVENT_KV: u32 = 2;

/// A response on its way out.
#[derive(Debug)]
pub(crate) enum WatchAnswer {
    /// As it is.
    Message(Box<WatchResponse>),
    /// With the events of changes, of which their watchers share the memory.
    Changed(ResponseHeader, Changed),
}

impl WatchAnswer {
    pub(crate) fn message(response: WatchResponse) -> WatchAnswer {
        WatchAnswer::Message(Box::new(response))
    }

    /// How many events it has.
    pub(crate) fn events(&self) -> usize {
        match self {
            WatchAnswer::Message(response) => response.events.len(),
            WatchAnswer::Changed(_, changed) => changed.count(),
        }
    }

    /// Bytes of the whole message.
    pub(crate) fn encoded_len(&self) -> usize {
        match self {
            WatchAnswer::Message(response) => response.encoded_len(),
            WatchAnswer::Changed(header, changed) => {
                let events: usize = changed.iter().map(field_len).sum();
                message::encoded_len(HEADER, header) + id_len(changed.id) + events
            }
        }
    }

    /// Appends the message.
    pub(crate) fn encode(&self, headers: &mut LastHeader, target: &mut impl BufMut) {
        match self {
            WatchAnswer::Message(response) => response.encode_raw(target),
            WatchAnswer::Changed(header, changed) => {
                target.put_slice(headers.field(header));
                if changed.id != 0 {
                    int64::encode(WATCH_ID, &changed.id, target);
                }
                changed.iter().for_each(|change| put_field(change, target));
            }
        }
    }
}

/// The header that came last, encoded: of one revision all watchers of a stream are told with the same.
#[derive(Debug, Default)]
pub(crate) struct LastHeader {
    header: ResponseHeader,
    field: Vec<u8>,
}

impl LastHeader {
    /// The field of a response that holds this header.
    fn field(&mut self, header: &ResponseHeader) -> &[u8] {
        if self.field.is_empty() || self.header != *header {
            self.header = *header;
            self.field.clear();
            message::encode(HEADER, header, &mut self.field);
        }
        &self.field
    }
}

fn id_len(id: i64) -> usize {
    if id == 0 { 0 } else { int64::encoded_len(WATCH_ID, &id) }
}

pub(crate) fn event_type(change: &Change) -> EventType {
    match change.kind {
        Kind::Put => EventType::Put,
        Kind::Tombstone => EventType::Delete,
    }
}

/// Bytes of a change's event.
fn event_len(change: &Change) -> usize {
    let event_type = match event_type(change) {
        EventType::Put => 0,
        other => int32::encoded_len(EVENT_TYPE, &(other as i32)),
    };
    let record = change.record.len();
    event_type + key_len(EVENT_KV) + encoded_len_varint(record as u64) + record
}

/// The same with what stands before it in a response.
fn field_len(change: &Change) -> usize {
    let len = event_len(change);
    key_len(EVENTS) + encoded_len_varint(len as u64) + len
}

fn put_field(change: &Change, target: &mut impl BufMut) {
    encode_key(EVENTS, WireType::LengthDelimited, target);
    encode_varint(event_len(change) as u64, target);
    let event_type = event_type(change);
    if event_type != EventType::Put {
        int32::encode(EVENT_TYPE, &(event_type as i32), target);
    }
    encode_key(EVENT_KV, WireType::LengthDelimited, target);
    encode_varint(change.record.len() as u64, target);
    target.put_slice(&change.record);
}

#[cfg(test)]
mod tests {
    use etcd_mvcc::KeyRange;
    use etcd_proto::etcdserverpb::DeleteRangeRequest;
    use etcd_watch::{Filter, Interest, Told};

    use super::*;
    use crate::harness::Harness;
    use crate::watch_response::events;

    /// Everything that happens to keys up to `c`, by a watcher with this id.
    async fn told(harness: &Harness, id: i64) -> Changed {
        let mut feed = harness.views.hub.feed();
        let range = KeyRange::new("a".into(), "c".into());
        let interest = Interest { range, start_revision: 1, filter: Filter::default() };
        feed.watch(id, interest).expect("a watcher");
        let Told::Changed(changed) = feed.next().await.expect("a readable store") else {
            panic!("there are changes");
        };
        changed
    }

    #[tokio::test]
    async fn it_is_encoded_as_the_message_that_it_stands_for() {
        let harness = Harness::alone().await;
        harness.put("a", "1").await;
        harness.put("b", "").await;
        harness.put("a", "2").await;
        let delete = DeleteRangeRequest { key: "a".into(), ..DeleteRangeRequest::default() };
        harness.kv().delete_range(delete).await.expect("a delete");
        let mut headers = LastHeader::default();
        for (id, revision) in [(0, 5), (1, 5), (i64::MAX, 6), (-1, 0)] {
            let header = ResponseHeader { revision, ..harness.api.header(0) };
            let changed = told(&harness, id).await;
            let response = WatchResponse {
                header: Some(header),
                watch_id: id,
                events: events(&changed, |_| None),
                ..WatchResponse::default()
            };
            assert_eq!(response.events.len(), 4);
            let answers =
                [WatchAnswer::Changed(header, changed), WatchAnswer::message(response.clone())];
            for answer in answers {
                let mut encoded = Vec::new();
                answer.encode(&mut headers, &mut encoded);
                assert_eq!(encoded, response.encode_to_vec());
                assert_eq!((answer.encoded_len(), answer.events()), (encoded.len(), 4));
            }
        }
    }
}
