//! Watch streams that stay open beside a load: how many events come, and how late.
//!
//! Whoever puts what is watched writes the time of the put into the value's first eight bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use etcd_proto::etcdserverpb::watch_request::RequestUnion;
use etcd_proto::etcdserverpb::{WatchCreateRequest, WatchRequest};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tonic::Status;

use crate::crew::Crew;
use crate::fields::{Fields, Value, bytes, number};
use crate::line::{Call, Line};
use crate::load::Phase;
use crate::messages::Messages;
use crate::request_headers::Method;
use crate::streams::{Awaited, End};

/// Bytes of a time in a value.
pub(crate) const TIME_BYTES: usize = 8;

/// When everything that is timed began; the times in values count from it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Epoch(Instant);

impl Epoch {
    pub(crate) fn now() -> Epoch {
        Epoch(Instant::now())
    }

    /// What a value begins with that is put now.
    pub(crate) fn stamp(self) -> [u8; TIME_BYTES] {
        (self.0.elapsed().as_nanos() as u64).to_be_bytes()
    }

    fn since(self, stamp: [u8; TIME_BYTES]) -> Duration {
        self.0.elapsed().saturating_sub(Duration::from_nanos(u64::from_be_bytes(stamp)))
    }
}

/// What the streams saw while it counted.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) events: u64,
    /// From the put to the event's arrival.
    pub(crate) microseconds: Histogram<u64>,
}

/// Streams at work.
pub(crate) struct Watchers {
    streams: JoinSet<Result<()>>,
    seen: Arc<Mutex<Seen>>,
    /// Last, because nothing runs without it.
    _crew: Crew,
}

impl Watchers {
    /// Opens a stream on a connection of its own for each of `plans`, with a watcher for each range
    /// in it, and waits until all watch.
    pub(crate) async fn open(
        addresses: &[SocketAddr],
        plans: Vec<Vec<WatchCreateRequest>>,
        epoch: Epoch,
        phase: Phase,
    ) -> Result<Watchers> {
        let crew = Crew::start(plans.len())?;
        let runtimes: Vec<_> = crew.runtimes().cloned().collect();
        let seen = Seen { events: 0, microseconds: Histogram::new(3)? };
        let seen = Arc::new(Mutex::new(seen));
        let mut streams = JoinSet::new();
        let places = addresses.iter().cycle().zip(runtimes.iter().cycle());
        for (plan, (address, runtime)) in plans.into_iter().zip(places) {
            let stream = runtime.spawn(Stream::open(*address, plan)).await??;
            streams.spawn_on(stream.receive(seen.clone(), epoch, phase.clone()), runtime);
        }
        Ok(Watchers { streams, seen, _crew: crew })
    }

    /// Ends all streams. Answers what they saw, if none ended before.
    pub(crate) fn close(mut self) -> Result<Seen> {
        if let Some(ended) = self.streams.try_join_next() {
            ended?.context("watching")?;
        }
        Ok(self.seen.lock().clone())
    }
}

struct Stream {
    call: Call,
    arrived: Vec<u8>,
    messages: Messages,
}

impl Stream {
    async fn open(address: SocketAddr, plan: Vec<WatchCreateRequest>) -> Result<Stream> {
        let call = Line::open(address).await?.call(Method::Watch).await?;
        let watchers = plan.len();
        for create in plan {
            let request_union = Some(RequestUnion::CreateRequest(create));
            call.send(&WatchRequest { request_union }, End::More);
        }
        let mut stream = Stream { call, arrived: Vec::new(), messages: Messages::default() };
        let mut created = 0;
        while created < watchers {
            // WatchResponse: created 3.
            stream
                .next(|response| {
                    created += usize::from(number(response, 3)? != 0);
                    Ok(())
                })
                .await?;
        }
        Ok(stream)
    }

    /// Waits for responses and gives them to `take`.
    async fn next(&mut self, mut take: impl FnMut(&[u8]) -> Result<(), Status>) -> Result<()> {
        let end = self.call.take(&mut self.arrived, Awaited::Bytes).await?;
        self.messages.each(&self.arrived, |response| {
            // WatchResponse: canceled 4, cancel_reason 6.
            if number(response, 4)? != 0 {
                let reason = String::from_utf8_lossy(bytes(response, 6)?).into_owned();
                return Err(Status::cancelled(reason));
            }
            take(response)
        })?;
        if end == End::Last {
            bail!("the stream has ended");
        }
        Ok(())
    }

    async fn receive(mut self, seen: Arc<Mutex<Seen>>, epoch: Epoch, phase: Phase) -> Result<()> {
        loop {
            self.next(|response| {
                if phase.is_counting() {
                    seen.lock().take(response, epoch)?;
                }
                Ok(())
            })
            .await?;
        }
    }
}

impl Seen {
    fn take(&mut self, response: &[u8], epoch: Epoch) -> Result<(), Status> {
        for field in Fields::of(response) {
            // WatchResponse: events 11. Event: kv 2. KeyValue: value 5.
            let (11, Value::Bytes(event)) = field? else { continue };
            self.events += 1;
            let stamp = bytes(bytes(event, 2)?, 5)?.first_chunk::<TIME_BYTES>();
            let stamp = stamp.ok_or_else(|| Status::internal("a value has no time"))?;
            let late = epoch.since(*stamp).as_micros() as u64;
            let recorded = self.microseconds.record(late);
            recorded.map_err(|_| Status::internal("an event is ages late"))?;
        }
        Ok(())
    }
}

/// A watcher of all keys from `key` on to `range_end`, or only of `key` without one.
pub(crate) fn watcher(key: &[u8], range_end: &[u8]) -> WatchCreateRequest {
    WatchCreateRequest {
        key: Bytes::copy_from_slice(key),
        range_end: Bytes::copy_from_slice(range_end),
        ..WatchCreateRequest::default()
    }
}
