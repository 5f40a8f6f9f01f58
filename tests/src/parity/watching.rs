//! One watch stream to both servers, and what its watchers must get.

use super::MAX_RESPONSE_BYTES;
use super::compare::{Maker, Parts, fault, is_told_in_parts, split_fault};
use super::difference::{Difference, show, show_refusal};
use super::events::Events;
use super::log::{Expected, Log};
use super::moment::Position;
use super::names::Names;
use super::operation::Ask;
use super::stream::Stream;
use etcd_proto::etcdserverpb::watch_request::RequestUnion;
use etcd_proto::etcdserverpb::{WatchCreateRequest, WatchRequest, WatchResponse};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;
use tonic::transport::Channel;

/// What is known of the store on both servers.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) position: Position,
    pub(crate) events: Events,
}

/// One server's end.
struct End {
    stream: Stream,
    log: Log,
    maker: Maker,
    /// Ids of watchers that it has said to be there.
    announced: BTreeSet<i64>,
}

struct Watcher {
    create: WatchCreateRequest,
    /// The first revision of which it was not awaited yet.
    next: i64,
    /// It began in the past, and nothing has come yet that shows that it is done with it.
    is_fresh: bool,
    /// Its past was compacted away. It keeps its id until it is canceled.
    is_compacted: bool,
}

/// The stream.
pub(crate) struct Watching {
    /// The subject's member that it goes to.
    pub(crate) member: usize,
    /// Whether the client has said that it will ask nothing more.
    pub(crate) is_half_closed: bool,
    reference: End,
    subject: End,
    watchers: BTreeMap<i64, Watcher>,
    /// Creates whose answers were not awaited yet.
    creates: Vec<WatchCreateRequest>,
    expected: Expected,
    patience: Duration,
}

impl Watching {
    /// Opens it on both, each with a token. Each end waits this long for what it must get.
    pub(crate) fn open(
        member: usize,
        reference: (&Channel, Option<String>, Maker),
        subject: (&Channel, Option<String>, Maker),
        patience: Duration,
    ) -> Watching {
        let end = |(channel, token, maker): (&Channel, Option<String>, Maker)| End {
            stream: Stream::open(channel, token),
            log: Log::default(),
            maker,
            announced: BTreeSet::new(),
        };
        Watching {
            member,
            is_half_closed: false,
            reference: end(reference),
            subject: end(subject),
            watchers: BTreeMap::new(),
            creates: Vec::new(),
            expected: Expected::default(),
            patience,
        }
    }

    /// The ids in use, of watchers that are known to be there.
    pub(crate) fn ids(&self) -> Vec<i64> {
        self.watchers.keys().copied().collect()
    }

    /// Whether what the next such request does depends on answers that are not awaited yet.
    pub(crate) fn must_settle_before(&self, ask: &Ask) -> bool {
        !self.creates.is_empty() && !matches!(ask, Ask::Create(_) | Ask::Nothing)
    }

    /// Sends a request to both.
    pub(crate) fn send(&mut self, request: WatchRequest, position: Position) {
        match &request.request_union {
            Some(RequestUnion::CreateRequest(create)) => {
                self.expected.controls += 1;
                self.creates.push(create.clone());
            }
            Some(RequestUnion::CancelRequest(cancel)) => {
                // Unknown ids are not answered.
                let is_known = self.watchers.remove(&cancel.watch_id).is_some();
                self.expected.controls += usize::from(is_known);
            }
            Some(RequestUnion::ProgressRequest(_)) if self.is_level(position) => {
                self.expected.progress += 1;
            }
            _ => {}
        }
        self.reference.stream.send(request.clone());
        self.subject.stream.send(request);
    }

    /// Whether a progress request is answered: all watchers have seen the newest revision, none of
    /// them waits for a later one, and there is one.
    fn is_level(&self, position: Position) -> bool {
        let level = |watcher: &Watcher| {
            !watcher.is_compacted && watcher.create.start_revision <= position.newest
        };
        !self.watchers.is_empty() && self.watchers.values().all(level)
    }

    /// Says to both that nothing more will be asked.
    pub(crate) fn half_close(&mut self) {
        self.is_half_closed = true;
        self.reference.stream.half_close();
        self.subject.stream.half_close();
    }

    /// Waits until both have sent all that they must, and compares it; `names` are the reference's and
    /// the subject's. Returns what the subject sent.
    pub(crate) async fn settle(
        &mut self,
        store: &Store,
        names: [&Names; 2],
    ) -> Result<Vec<WatchResponse>, Difference> {
        self.expect_events(store);
        self.read(names).await;
        let (reference, subject) = self.parts();
        if !self.creates.is_empty() && reference.has_same_controls(&subject) {
            self.add_created(&reference, store);
            self.expect_events(store);
            self.read(names).await;
        }
        let (reference, subject) = self.parts();
        if let Some(difference) = reference.difference(&subject) {
            return Err(difference);
        }
        for (who, end) in [("reference", &mut self.reference), ("subject", &mut self.subject)] {
            end.check(&self.expected, who)?;
        }
        self.expected = Expected::default();
        let subject = std::mem::take(&mut self.subject.log);
        self.reference.log = Log::default();
        Ok(subject.responses)
    }

    /// Whether some watcher began in the past and had nothing to tell of it: nobody knows whether
    /// the server is done with it. Afterwards it is taken to be.
    pub(crate) fn take_fresh(&mut self) -> bool {
        let mut fresh = self.watchers.values_mut().filter(|watcher| watcher.is_fresh);
        let any = fresh.next().is_some();
        self.watchers.values_mut().for_each(|watcher| watcher.is_fresh = false);
        any
    }

    async fn read(&mut self, names: [&Names; 2]) {
        let deadline = Instant::now() + self.patience;
        let (reference, subject) = (&mut self.reference, &mut self.subject);
        tokio::join!(
            reference.log.read(&mut reference.stream, &self.expected, deadline),
            subject.log.read(&mut subject.stream, &self.expected, deadline),
        );
        for (log, names) in [&mut reference.log, &mut subject.log].into_iter().zip(names) {
            let responses = log.responses.iter_mut();
            responses.for_each(|response| names.mark_events(&mut response.events));
        }
    }

    fn parts(&self) -> (Parts, Parts) {
        let asked = self.watchers.iter().map(|(id, watcher)| (*id, watcher.create.clone()));
        let asked = asked.collect();
        let parts = |end: &End| Parts::of(&end.log, &asked, end.maker);
        let (mut reference, mut subject) = (parts(&self.reference), parts(&self.subject));
        if is_told_in_parts(&self.subject.log, self.subject.maker) {
            reference.join_replays();
            subject.join_replays();
        }
        (reference, subject)
    }

    /// The watchers that both say to have created.
    fn add_created(&mut self, parts: &Parts, store: &Store) {
        let newest = store.position.newest;
        for (create, answer) in std::mem::take(&mut self.creates).into_iter().zip(parts.created()) {
            if answer.canceled {
                continue;
            }
            let is_past = create.start_revision != 0 && create.start_revision <= newest;
            let is_compacted = is_past && create.start_revision < store.position.compacted;
            if is_compacted {
                self.expected.compacted.insert(answer.watch_id);
            }
            let next = if create.start_revision == 0 { newest + 1 } else { create.start_revision };
            let watcher =
                Watcher { create, next, is_fresh: is_past && !is_compacted, is_compacted };
            self.watchers.insert(answer.watch_id, watcher);
        }
    }

    /// Adds what the watchers must get up to the newest revision.
    fn expect_events(&mut self, store: &Store) {
        let Position { newest, compacted } = store.position;
        for (id, watcher) in self.watchers.iter_mut().filter(|(_, w)| !w.is_compacted) {
            let count = store.events.count(&watcher.create, watcher.next..=newest, compacted);
            watcher.next = watcher.next.max(newest.saturating_add(1));
            if count > 0 {
                watcher.is_fresh = false;
                *self.expected.events.entry(*id).or_default() += count;
            }
        }
    }
}

impl End {
    /// That both are alike does not make them right.
    fn check(&mut self, expected: &Expected, who: &str) -> Result<(), Difference> {
        let missing = || format!("at least {expected:?}\n");
        let (fault, expected) = if let Some(ended) = &self.log.ended {
            ("watch: the stream ended", show_refusal(ended))
        } else if !self.log.has(expected) {
            ("watch: not all came that must", missing())
        } else if let Some(fault) = fault(&self.log, &mut self.announced) {
            (fault, String::new())
        } else if let Some(fault) = self.split_fault() {
            (fault, String::new())
        } else {
            return Ok(());
        };
        let actual = show(&self.log.responses);
        Err(Difference { title: format!("{fault} ({who})"), expected, actual })
    }

    /// A real etcd need not be told how to split; and it counts what it does not send here, see
    /// [`Maker::Etcd`].
    fn split_fault(&self) -> Option<&'static str> {
        match self.maker {
            Maker::Us => split_fault(&self.log.responses, MAX_RESPONSE_BYTES),
            Maker::Etcd => None,
        }
    }
}
