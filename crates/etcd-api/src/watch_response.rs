//! Responses of watchers: the events in them, and long ones in parts.

use etcd_proto::etcdserverpb::WatchResponse;
use etcd_proto::mvccpb::{Event, KeyValue};
use etcd_watch::{Change, Changed};
use prost::Message as _;
use prost::encoding::message;

use crate::watch_answer::{EVENTS, event_type};

/// The events of changes. Keys and values go on sharing their memory.
pub(crate) fn events(
    changed: &Changed,
    previous: impl Fn(&Change) -> Option<KeyValue>,
) -> Vec<Event> {
    let mut events = Vec::with_capacity(changed.count());
    events.extend(changed.iter().map(|change| Event {
        r#type: event_type(change) as i32,
        kv: Some(change.kv.clone()),
        prev_kv: previous(change),
    }));
    events
}

/// A response in parts below `most` bytes; an event that is larger comes alone. All but the last
/// say that more follows.
pub(crate) fn fragments(mut response: WatchResponse, most: usize) -> Vec<WatchResponse> {
    if response.encoded_len() < most || response.events.len() < 2 {
        return vec![response];
    }
    let events = std::mem::take(&mut response.events);
    let empty = WatchResponse { fragment: true, ..response };
    let empty_bytes = empty.encoded_len();
    let mut parts = vec![empty.clone()];
    let mut bytes = empty_bytes;
    for event in events {
        let event_bytes = message::encoded_len(EVENTS, &event);
        let part = parts.last().expect("there is a part from the start");
        if !part.events.is_empty() && bytes + event_bytes >= most {
            parts.push(empty.clone());
            bytes = empty_bytes;
        }
        bytes += event_bytes;
        parts.last_mut().expect("there is a part from the start").events.push(event);
    }
    parts.last_mut().expect("there is a part from the start").fragment = false;
    parts
}

#[cfg(test)]
mod tests {
    use etcd_proto::etcdserverpb::ResponseHeader;

    use super::*;

    fn response(values: &[usize]) -> WatchResponse {
        let event = |bytes: &usize| {
            let kv = KeyValue { value: vec![7; *bytes].into(), ..KeyValue::default() };
            Event { kv: Some(kv), ..Event::default() }
        };
        WatchResponse {
            header: Some(ResponseHeader { revision: 9, ..ResponseHeader::default() }),
            watch_id: 3,
            events: values.iter().map(event).collect(),
            ..WatchResponse::default()
        }
    }

    /// Which values come together.
    fn check(values: &[usize], most: usize, expected: &[&[usize]]) {
        let whole = response(values);
        let parts = fragments(whole.clone(), most);
        let sizes = |part: &WatchResponse| -> Vec<_> {
            part.events.iter().map(|event| event.kv.as_ref().expect("a kv").value.len()).collect()
        };
        assert_eq!(parts.iter().map(sizes).collect::<Vec<_>>(), expected);
        for (place, part) in parts.iter().enumerate() {
            assert_eq!(part.fragment, place + 1 < parts.len());
            assert_eq!((part.watch_id, &part.header), (3, &whole.header));
            assert!(part.events.len() < 2 || part.encoded_len() < most);
        }
    }

    #[test]
    fn a_long_response_is_split_where_the_next_event_would_be_too_much() {
        check(&[100, 100, 100], 1000, &[&[100, 100, 100]]);
        check(&[100, 100, 100], 300, &[&[100, 100], &[100]]);
        check(&[500, 100, 100, 500], 300, &[&[500], &[100, 100], &[500]]);
        check(&[500], 300, &[&[500]]);
        check(&[100, 500], 300, &[&[100], &[500]]);
    }

    #[test]
    fn a_part_stays_below_the_bound_to_the_byte() {
        let both = WatchResponse { fragment: true, ..response(&[100, 100]) }.encoded_len();
        check(&[100, 100, 0], both + 1, &[&[100, 100], &[0]]);
        check(&[100, 100, 0], both, &[&[100], &[100, 0]]);
    }
}
