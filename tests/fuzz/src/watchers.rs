//! The watchers of a client, which must be told what they asked for and nothing else.

use bytes::Bytes;
use etcd_apply::Views;
use etcd_mvcc::{KeyRange, Kind};
use etcd_proto::etcdserverpb::watch_create_request::FilterType;
use etcd_proto::etcdserverpb::watch_request::RequestUnion;
use etcd_proto::etcdserverpb::{WatchCreateRequest, WatchRequest};
use etcd_watch::{Changed, Feed, Filter, Interest, Told};
use futures_util::FutureExt as _;
use std::collections::BTreeMap;
use tokio::runtime::Runtime;

/// One stream of watchers.
pub(crate) struct Watchers {
    views: Views,
    feed: Feed,
    /// Those that live, and the last revision that each was told.
    alive: BTreeMap<i64, (Interest, i64)>,
    /// Where the past is read.
    runtime: Runtime,
}

impl Watchers {
    pub(crate) fn new(views: &Views) -> Watchers {
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build();
        Watchers {
            views: views.clone(),
            feed: views.hub.feed(),
            alive: BTreeMap::new(),
            runtime: runtime.expect("a runtime"),
        }
    }

    /// Begins, ends or asks, as the request says.
    pub(crate) fn serve(&mut self, request: WatchRequest) {
        match request.request_union {
            Some(RequestUnion::CreateRequest(create)) => self.begin(create),
            Some(RequestUnion::CancelRequest(cancel)) => {
                let ended = self.feed.cancel(cancel.watch_id);
                assert_eq!(ended.is_some(), self.alive.remove(&cancel.watch_id).is_some());
            }
            Some(RequestUnion::ProgressRequest(_)) => self.feed.request_progress(),
            None => {}
        }
    }

    fn begin(&mut self, create: WatchCreateRequest) {
        let WatchCreateRequest { key, range_end, start_revision, filters, watch_id, .. } = create;
        if start_revision < 0 || watch_id < 0 {
            return;
        }
        let key = if key.is_empty() { Bytes::from_static(&[0]) } else { key };
        let leaves_out = |kind: FilterType| filters.contains(&(kind as i32));
        let filter = Filter {
            no_puts: leaves_out(FilterType::Noput),
            no_deletes: leaves_out(FilterType::Nodelete),
        };
        let range = KeyRange::new(key, range_end);
        let interest = Interest { range, start_revision, filter };
        if let Ok(begun) = self.feed.watch(watch_id, interest.clone()) {
            let before = if start_revision == 0 { begun.revision } else { start_revision - 1 };
            let other = self.alive.insert(begun.id, (interest, before));
            assert!(other.is_none(), "two watchers with the id {}", begun.id);
        }
    }

    /// Takes what there is to be told.
    pub(crate) fn listen(&mut self) {
        let _inside = self.runtime.enter();
        while let Some(told) = self.feed.next().now_or_never() {
            match told.expect("the past can be read") {
                Told::Changed(changed) => check(&mut self.alive, &self.views, &changed),
                Told::Compacted { id, .. } => assert!(self.alive.contains_key(&id)),
                Told::Progress { id: Some(id), .. } => assert!(self.alive.contains_key(&id)),
                Told::Progress { id: None, .. } => {}
            }
        }
    }
}

/// Changes are those that the watcher asked for, and later than what it was told before.
fn check(alive: &mut BTreeMap<i64, (Interest, i64)>, views: &Views, changed: &Changed) {
    let (interest, last) = alive.get_mut(&changed.id).expect("a watcher that lives");
    let before = *last;
    for change in changed.iter() {
        let revision = change.kv.mod_revision;
        assert!(interest.range.contains(&change.kv.key), "{interest:?} {change:?}");
        assert!(revision > before && revision >= *last, "{interest:?} {last} {change:?}");
        match change.kind {
            Kind::Put => assert!(!interest.filter.no_puts),
            Kind::Tombstone => assert!(!interest.filter.no_deletes),
        }
        *last = revision;
        change.previous(&views.mvcc);
    }
}
