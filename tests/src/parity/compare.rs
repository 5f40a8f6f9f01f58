//! Two watch streams' responses, held against each other.
//!
//! etcd leaves open how responses of different watchers, and answers to requests and events, are
//! mixed on a stream. So these must be alike: the answers to creates and cancels in their order, the
//! answers to progress requests in theirs, and what each watcher got. And on each stream by itself
//! nothing about a watcher may come before the answer that creates it or after the one that cancels
//! it, and no event after a progress answer that covers its watcher and revision.

use super::difference::{Difference, show};
use super::log::{Kind, Log, kind};
use etcd_proto::etcdserverpb::{WatchCreateRequest, WatchResponse};
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};

/// What the identity takes of a response, which is not in it any more; and a little.
const IDENTITY_BYTES: usize = 64;

/// What each side's log is compared as.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Parts {
    controls: Vec<WatchResponse>,
    progress: Vec<WatchResponse>,
    watchers: BTreeMap<i64, Vec<WatchResponse>>,
}

/// Whose log it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Maker {
    /// etcd 3.7 looks up the previous value in an event that it shares with all watchers: one that
    /// did not ask for it gets it now and then, when another one did.
    Etcd,
    /// This project's server has no such excuse.
    Us,
}

impl Maker {
    /// Takes out previous values from a response to a watcher that did not ask for them.
    pub(crate) fn excuse(self, response: &mut WatchResponse) {
        if self == Maker::Etcd {
            response.events.iter_mut().for_each(|event| event.prev_kv = None);
        }
    }
}

impl Parts {
    /// Takes a log apart; `watchers` says what they asked for.
    pub(crate) fn of(
        log: &Log,
        watchers: &BTreeMap<i64, WatchCreateRequest>,
        maker: Maker,
    ) -> Parts {
        let mut parts = Parts::default();
        for response in &log.responses {
            let list = match kind(response) {
                Kind::Control => &mut parts.controls,
                Kind::Progress => &mut parts.progress,
                Kind::Events | Kind::Compacted | Kind::Notice => {
                    parts.watchers.entry(response.watch_id).or_default()
                }
            };
            list.push(response.clone());
        }
        for (id, responses) in &mut parts.watchers {
            let Some(watcher) = watchers.get(id) else { continue };
            if !watcher.prev_kv {
                responses.iter_mut().for_each(|response| maker.excuse(response));
            }
            if watcher.fragment {
                join_fragments(responses);
            }
        }
        parts
    }

    /// The answers to creates.
    pub(crate) fn created(&self) -> impl Iterator<Item = &WatchResponse> {
        self.controls.iter().filter(|control| control.created)
    }

    /// Joins what a watcher is told of the past at one time.
    pub(crate) fn join_replays(&mut self) {
        let revision = |response: &WatchResponse| response.header.as_ref().map(|h| h.revision);
        for responses in self.watchers.values_mut() {
            join(responses, |last, next| {
                kind(last) == Kind::Events
                    && kind(next) == Kind::Events
                    && revision(last) == revision(next)
            });
        }
    }

    /// Whether creates and cancels were answered alike.
    pub(crate) fn has_same_controls(&self, other: &Parts) -> bool {
        self.controls == other.controls
    }

    /// The first difference; the parts of the reference are `self`.
    pub(crate) fn difference(&self, subject: &Parts) -> Option<Difference> {
        let list = |responses: &Vec<WatchResponse>| show(responses);
        let about = "watch: answers to creates and cancels";
        Difference::of(about, &self.controls, &subject.controls, list)
            .or_else(|| {
                let about = "watch: what a watcher gets";
                let all = |watchers: &BTreeMap<i64, Vec<WatchResponse>>| {
                    watchers.values().map(list).collect::<String>()
                };
                Difference::of(about, &self.watchers, &subject.watchers, all)
            })
            .or_else(|| {
                let about = "watch: answers to progress requests";
                Difference::of(about, &self.progress, &subject.progress, list)
            })
    }
}

/// Where a response is split depends on the sizes of ids, which differ.
fn join_fragments(responses: &mut Vec<WatchResponse>) {
    join(responses, |last, _| last.fragment);
}

/// Joins events of responses with those before that they belong to.
fn join(
    responses: &mut Vec<WatchResponse>,
    belongs: impl Fn(&WatchResponse, &WatchResponse) -> bool,
) {
    let mut joined: Vec<WatchResponse> = Vec::new();
    for response in responses.drain(..) {
        match joined.last_mut() {
            Some(last) if belongs(last, &response) => {
                last.fragment = response.fragment;
                last.events.extend(response.events);
            }
            _ => joined.push(response),
        }
    }
    *responses = joined;
}

/// Whether this project's server may have told the past in several responses: it keeps no more than
/// a mebibyte of it at a time for all watchers of a stream, where etcd counts a thousand revisions.
pub(crate) fn is_told_in_parts(log: &Log, maker: Maker) -> bool {
    let weight = |response: &WatchResponse| {
        // The server keeps more of an event than its bytes, and not its previous value.
        let kvs = response.events.iter().filter_map(|event| event.kv.as_ref());
        kvs.map(|kv| kv.encoded_len() + 512).sum::<usize>()
    };
    maker == Maker::Us && log.responses.iter().map(weight).sum::<usize>() >= 1 << 20
}

/// What of a fragmented response of this project's server is not as etcd splits: a part holds one
/// event, or fewer bytes than `bound`, and with the next part's first event it would hold more.
pub(crate) fn split_fault(responses: &[WatchResponse], bound: usize) -> Option<&'static str> {
    responses.iter().enumerate().find_map(|(at, part)| {
        if !part.fragment {
            return None;
        }
        let rest = responses[at + 1..].iter().find(|later| later.watch_id == part.watch_id);
        let Some(next) = rest.and_then(|rest| rest.events.first()) else {
            return Some("watch: a fragment that is not continued");
        };
        let mut larger = part.clone();
        larger.events.push(next.clone());
        if part.events.len() > 1 && part.encoded_len() >= bound {
            return Some("watch: a fragment that is too large");
        }
        let is_small = larger.encoded_len() + IDENTITY_BYTES < bound;
        is_small.then_some("watch: a fragment that is too small")
    })
}

/// What in a log is against the rules whatever the other server does. `announced` are the ids of
/// the stream's watchers before the log, and after it when this returns.
pub(crate) fn fault(log: &Log, announced: &mut BTreeSet<i64>) -> Option<&'static str> {
    // A progress answer may be sent after the creation of a watcher that was asked for after it.
    let mut before = announced.clone();
    let mut covered = 0;
    for response in &log.responses {
        let id = response.watch_id;
        match kind(response) {
            Kind::Control if !response.created => {
                announced.remove(&id);
            }
            Kind::Control if !response.canceled => {
                announced.insert(id);
                before.remove(&id);
            }
            Kind::Control => {}
            Kind::Progress => covered = response.header.as_ref().map_or(0, |h| h.revision),
            // Nothing tells a watcher with the id of progress answers from them before it is
            // announced; etcd does not wait for that.
            _ if id != -1 && !announced.contains(&id) => {
                return Some("watch: a response for a watcher that is not announced");
            }
            _ => {
                let mut revisions = response.events.iter().filter_map(|e| e.kv.as_ref());
                if before.contains(&id) && revisions.any(|kv| kv.mod_revision <= covered) {
                    return Some("watch: an event after a progress answer that covers it");
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use etcd_proto::mvccpb::{Event, KeyValue};

    fn with_events(fragment: bool, count: usize) -> WatchResponse {
        let events = vec![Event::default(); count];
        WatchResponse { fragment, events, ..WatchResponse::default() }
    }

    fn split(sizes: &[(bool, &[usize])]) -> Option<&'static str> {
        let response = |&(fragment, sizes): &(bool, &[usize])| {
            let event = |&size: &usize| {
                let kv = KeyValue { value: vec![b'v'; size].into(), ..KeyValue::default() };
                Event { kv: Some(kv), ..Event::default() }
            };
            let events = sizes.iter().map(event).collect();
            WatchResponse { fragment, events, ..WatchResponse::default() }
        };
        let responses: Vec<_> = sizes.iter().map(response).collect();
        split_fault(&responses, 1000)
    }

    #[test]
    fn fragments_are_as_large_as_they_may_be() {
        assert_eq!(split(&[(false, &[900, 900])]), None);
        assert_eq!(split(&[(true, &[400, 400]), (true, &[2000]), (false, &[400])]), None);
        let of = |word: &'static str| move |fault: &str| fault.contains(word);
        assert!(split(&[(true, &[600, 600]), (false, &[1])]).is_some_and(of("too large")));
        assert!(split(&[(true, &[400]), (false, &[400])]).is_some_and(of("too small")));
        assert!(split(&[(false, &[400]), (true, &[400])]).is_some_and(of("not continued")));
    }

    #[test]
    fn fragments_are_joined_up_to_the_last_of_each_response() {
        let mut responses = vec![
            with_events(false, 1),
            with_events(true, 2),
            with_events(true, 3),
            with_events(false, 4),
            with_events(false, 5),
        ];
        join_fragments(&mut responses);
        let counts: Vec<_> = responses.iter().map(|r| (r.fragment, r.events.len())).collect();
        assert_eq!(counts, [(false, 1), (false, 9), (false, 5)]);
    }
}
