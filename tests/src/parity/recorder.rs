//! A watcher of everything on each side: it tells what has happened, and whether a server is done
//! with the past.

use super::caller::Caller;
use super::compare::Maker;
use super::difference::{Difference, show};
use super::names::Names;
use super::side::Side;
use super::stream::Stream;
use super::watching::Store;
use etcd_proto::etcdserverpb::watch_request::RequestUnion;
use etcd_proto::etcdserverpb::{WatchCreateRequest, WatchRequest, WatchResponse};
use std::time::Duration;
use tokio::time::Instant;

/// The two watchers, from the beginning on.
pub(crate) struct Recorder {
    reference: (Stream, Maker),
    subject: (Stream, Maker),
    patience: Duration,
}

impl Recorder {
    /// Opens them on stores in which nothing is written yet.
    ///
    /// # Panics
    ///
    /// When a server creates none.
    pub(crate) async fn open(reference: &Side, subject: &Side, patience: Duration) -> Recorder {
        let deadline = Instant::now() + patience;
        let open = async |side: &Side| {
            let mut stream = everything(side, 0, 0, None);
            let created = stream.next(deadline).await;
            let is_created = matches!(&created, Some(Ok(response)) if response.created);
            assert!(is_created, "no watcher: {created:?}");
            (stream, side.maker)
        };
        Recorder { reference: open(reference).await, subject: open(subject).await, patience }
    }

    /// Waits for what has happened up to the newest revision; `names` are the reference's and the
    /// subject's.
    pub(crate) async fn catch_up(
        &mut self,
        store: &mut Store,
        names: [&Names; 2],
    ) -> Result<(), Difference> {
        self.catch_up_in(self.patience, store, names).await
    }

    /// The same with other patience.
    pub(crate) async fn catch_up_in(
        &mut self,
        patience: Duration,
        store: &mut Store,
        names: [&Names; 2],
    ) -> Result<(), Difference> {
        while store.events.newest() < store.position.newest {
            let deadline = Instant::now() + patience;
            let (reference, subject) = tokio::join!(
                next_events(&mut self.reference.0, deadline),
                next_events(&mut self.subject.0, deadline),
            );
            let (mut reference, mut subject) = (reference?, subject?);
            self.reference.1.excuse(&mut reference);
            self.subject.1.excuse(&mut subject);
            names[0].mark_events(&mut reference.events);
            names[1].mark_events(&mut subject.events);
            let title = "watch: what a watcher of everything gets";
            let list = |response: &WatchResponse| show(std::slice::from_ref(response));
            if let Some(difference) = Difference::of(title, &reference, &subject, list) {
                return Err(difference);
            }
            reference.events.iter().for_each(|event| store.events.add(event));
        }
        Ok(())
    }

    /// Waits until both servers are done with what watchers that exist already missed. etcd tells
    /// all watchers of the past at one time: once a new watcher has heard of the newest revision,
    /// all others have heard of theirs, and from then on hear of each revision by itself.
    pub(crate) async fn probe(
        &self,
        reference: &mut Side,
        subject: &mut Side,
        member: usize,
        newest: i64,
    ) -> Result<(), Difference> {
        let deadline = Instant::now() + self.patience;
        let token = reference.token(Caller::Keeper).await;
        let mut reference = everything(reference, 0, newest, token);
        let token = subject.token(Caller::Keeper).await;
        let mut subject = everything(subject, member, newest, token);
        let (reference, subject) = tokio::join!(
            next_events(&mut reference, deadline),
            next_events(&mut subject, deadline)
        );
        reference.and(subject).map(|_| ())
    }
}

fn everything(side: &Side, member: usize, start_revision: i64, token: Option<String>) -> Stream {
    let create = WatchCreateRequest {
        key: "\0".into(),
        range_end: "\0".into(),
        start_revision,
        ..WatchCreateRequest::default()
    };
    let stream = Stream::open(side.channel(member), token);
    stream.send(WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) });
    stream
}

/// The next response with events.
async fn next_events(stream: &mut Stream, deadline: Instant) -> Result<WatchResponse, Difference> {
    let failed = |actual: String| Difference {
        title: "watch: a watcher of everything gets nothing".to_owned(),
        expected: String::new(),
        actual,
    };
    loop {
        match stream.next(deadline).await {
            None => return Err(failed("nothing\n".to_owned())),
            Some(Err(ended)) => return Err(failed(super::difference::show_refusal(&ended))),
            Some(Ok(response)) if response.created => {}
            Some(Ok(response)) => return Ok(response),
        }
    }
}
