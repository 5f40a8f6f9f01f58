//! A reference and a subject that get the same operations, one after the other.

use super::answer::Answer;
use super::compare::Maker;
use super::counts::Counts;
use super::difference::{Difference, show_answer};
use super::events::Events;
use super::known::Known;
use super::moment::Position;
use super::operation::{Ask, Close, Operation, STREAMS, Step};
use super::print;
use super::recorder::Recorder;
use super::reference::Program;
use super::servers::{Servers, Subject};
use super::side::Side;
use super::ties;
use super::watching::{Store, Watching};
use etcd_proto::etcdserverpb::{CompactionRequest, PutRequest, RangeRequest};
use std::slice::from_ref;
use std::time::Duration;

/// Revisions that watchers may have left to tell before they are awaited: many at once are another
/// test than one by one, but more would fill a watch stream's queue.
const UNSETTLED: i64 = 8;

/// Where and how the two differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// All that was asked, as a script.
    pub script: String,
    /// How the last of it was answered.
    pub difference: Difference,
}

/// The two.
pub(crate) struct Pair {
    reference: Side,
    subject: Side,
    store: Store,
    known: Known,
    recorder: Recorder,
    streams: [Option<Watching>; STREAMS],
    settled: i64,
    patience: Duration,
    script: String,
    /// What was asked, and how it was answered.
    pub(crate) counts: Counts,
    /// Ends with this value.
    _servers: Servers,
}

impl Pair {
    /// Starts both with an empty store. Each has this long for what it must send by itself.
    pub(crate) async fn start(program: &Program, subject: &Subject, patience: Duration) -> Pair {
        let servers = Servers::start(program, subject);
        let maker = match subject {
            Subject::Members(_) if crate::process::server_is_ours() => Maker::Us,
            _ => Maker::Etcd,
        };
        let reference = Side::new(from_ref(&servers.reference.url), Maker::Etcd);
        let subject = Side::new(&servers.subject_urls(), maker);
        let known = Known::of(reference.channel(0)).await;
        let recorder = Recorder::open(&reference, &subject, patience).await;
        let mut pair = Pair {
            reference,
            subject,
            store: Store { position: Position::EMPTY, events: Events::default() },
            known,
            recorder,
            streams: [const { None }; STREAMS],
            settled: Position::EMPTY.newest,
            patience,
            script: String::new(),
            counts: Counts::default(),
            _servers: servers,
        };
        // From the first event on there is one that shows that a server is done with the past.
        pair.run(&Step { member: 0, operation: first() }).await.expect("a put is a put");
        pair
    }

    /// Asks both, and compares.
    pub(crate) async fn run(&mut self, step: &Step) -> Result<(), Box<Found>> {
        let operation = step.operation.clone().at(self.store.position);
        let Some(operation) = self.known.allowed(operation, self.store.position) else {
            self.counts.left_out(step.operation.kind());
            return Ok(());
        };
        let member = step.member % self.subject.members();
        let result = match &operation {
            Operation::Watch { stream, asks } => self.watch(*stream, asks, member).await,
            Operation::Close { stream, close } => self.close(*stream, *close).await,
            Operation::Compact(compact) => self.compact(compact, member).await,
            Operation::HashKv(_) => self.hash_all(&operation).await,
            _ => self.call(&operation, member).await,
        };
        result.map_err(|difference| self.found(difference))
    }

    /// Compares all that there is, and closes all streams.
    pub(crate) async fn finish_sequence(&mut self) -> Result<(), Box<Found>> {
        let result = self.compare_all().await;
        self.streams = [const { None }; STREAMS];
        result.map_err(|difference| self.found(difference))
    }

    async fn compare_all(&mut self) -> Result<(), Difference> {
        self.settle().await?;
        let everything =
            RangeRequest { key: "\0".into(), range_end: "\0".into(), ..RangeRequest::default() };
        self.call(&Operation::Range(everything), 0).await?;
        let Position { newest, compacted } = self.store.position;
        for revision in [0, newest - 1, compacted + 1, compacted] {
            self.hash_all(&Operation::HashKv(revision)).await?;
        }
        Ok(())
    }

    fn found(&mut self, difference: Difference) -> Box<Found> {
        Box::new(Found { script: std::mem::take(&mut self.script), difference })
    }

    async fn call(&mut self, operation: &Operation, member: usize) -> Result<(), Difference> {
        self.script.push_str(&print::operation(operation));
        let (reference, subject) =
            tokio::join!(self.reference.ask(0, operation), self.subject.ask(member, operation));
        self.compare(operation, reference, subject)?;
        if self.store.position.newest - self.settled >= UNSETTLED {
            self.settle().await?;
        }
        Ok(())
    }

    fn compare(
        &mut self,
        operation: &Operation,
        mut reference: Answer,
        mut subject: Answer,
    ) -> Result<(), Difference> {
        self.counts.answered(operation.kind(), &reference);
        for answer in [&mut reference, &mut subject] {
            self.known.mask(answer);
            ties::level(operation, answer);
        }
        if let Some(revision) = reference.revision() {
            self.store.position.newest = self.store.position.newest.max(revision);
        }
        match Difference::of(operation.kind(), &reference, &subject, show_answer) {
            Some(difference) => Err(difference),
            None => Ok(()),
        }
    }

    /// Every member must have the same hash.
    async fn hash_all(&mut self, operation: &Operation) -> Result<(), Difference> {
        if self.known.allowed(operation.clone(), self.store.position).is_none() {
            return Ok(());
        }
        self.script.push_str(&print::operation(operation));
        let reference = self.reference.ask(0, operation).await;
        for member in 0..self.subject.members() {
            let subject = self.subject.ask(member, operation).await;
            self.compare(operation, reference.clone(), subject)?;
        }
        Ok(())
    }

    /// A compaction, which both have finished when this returns.
    async fn compact(
        &mut self,
        compact: &CompactionRequest,
        member: usize,
    ) -> Result<(), Difference> {
        // What watchers can look up changes.
        self.settle().await?;
        if self.store.events.puts_again(compact.revision) {
            self.counts.left_out("compact");
            return Ok(());
        }
        let before = self.counts.succeeded("compact");
        self.call(&Operation::Compact(*compact), member).await?;
        if self.counts.succeeded("compact") == before {
            return Ok(());
        }
        self.store.position.compacted = compact.revision;
        // Once more at the same revision is refused, but not before the work is done.
        let again = CompactionRequest { revision: compact.revision, physical: true };
        self.reference.ask(0, &Operation::Compact(again)).await;
        for member in 0..self.subject.members() {
            self.subject.ask(member, &Operation::Compact(again)).await;
        }
        Ok(())
    }

    async fn close(&mut self, number: usize, close: Close) -> Result<(), Difference> {
        if self.streams[number].is_none() {
            return Ok(());
        }
        self.settle().await?;
        let operation = Operation::Close { stream: number, close };
        self.script.push_str(&print::operation(&operation));
        self.counts.happened("close");
        match (&mut self.streams[number], close) {
            (Some(stream), Close::Half) => stream.half_close(),
            (slot, _) => *slot = None,
        }
        Ok(())
    }

    async fn watch(
        &mut self,
        number: usize,
        asks: &[Ask],
        member: usize,
    ) -> Result<(), Difference> {
        self.settle().await?;
        if self.streams[number].as_ref().is_some_and(|stream| stream.is_half_closed) {
            self.close(number, Close::Reset).await?;
        }
        let stream = self.streams[number].get_or_insert_with(|| {
            let reference = (self.reference.channel(0), self.reference.maker);
            let subject = (self.subject.channel(member), self.subject.maker);
            Watching::open(member, reference, subject, self.patience)
        });
        self.subject.level(stream.member).await;
        for ask in asks {
            if self.stream(number).must_settle_before(ask) {
                self.settle_stream(number).await?;
            }
            let position = self.store.position;
            let stream = self.streams[number].as_mut().expect("it was opened");
            let request = ask.message(&stream.ids());
            self.script.push_str(&print::watch(number, &request));
            self.counts.happened(ask.kind());
            stream.send(request, position);
        }
        self.settle_stream(number).await
    }

    fn stream(&self, number: usize) -> &Watching {
        self.streams[number].as_ref().expect("it was opened")
    }

    /// Waits until every watcher has got all that it must, and compares it.
    async fn settle(&mut self) -> Result<(), Difference> {
        self.recorder.catch_up(&mut self.store).await?;
        self.settled = self.store.position.newest;
        for number in 0..STREAMS {
            self.settle_stream(number).await?;
        }
        Ok(())
    }

    async fn settle_stream(&mut self, number: usize) -> Result<(), Difference> {
        let Some(stream) = &mut self.streams[number] else { return Ok(()) };
        let responses = stream.settle(&self.store).await?;
        if !responses.is_empty() {
            responses.iter().for_each(|response| self.counts.received(response));
            let count = responses.len();
            self.script.push_str(&format!("watch s{number} expect {count}\n"));
        }
        if stream.take_fresh() {
            let newest = self.store.position.newest;
            let member = stream.member;
            self.recorder.probe(&self.reference, &self.subject, member, newest).await?;
            self.counts.happened("watch: probe");
        }
        Ok(())
    }
}

fn first() -> Operation {
    Operation::Put(PutRequest { key: "a".into(), ..PutRequest::default() })
}
