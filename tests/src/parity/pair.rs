//! A reference and a subject that get the same operations, one after the other.

mod expiry;
pub(crate) mod recipes;
mod finish;

use super::answer::Answer;
use super::call::Call;
use super::caller::Caller;
use super::clock;
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
use super::tokens::Tokens;
use super::watching::{Store, Watching};
use etcd_proto::etcdserverpb::{CompactionRequest, PutRequest};
use expiry::Short;
use recipes::Recipes;
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

/// The subject's member that is asked, and in whose name.
type To = (usize, Caller);

/// The two.
pub(crate) struct Pair {
    reference: Side,
    subject: Side,
    store: Store,
    known: Known,
    tokens: Tokens,
    recorder: Recorder,
    streams: [Option<Watching>; STREAMS],
    settled: i64,
    /// The lease that must be renewed lest it end.
    short: Option<Short>,
    /// Locks and elections.
    recipes: Recipes,
    /// Whether keys have ids in them that each server picked: then hashes differ.
    has_picked_keys: bool,
    /// How many leases with such ids were ended with their sequences.
    ended_picks: usize,
    patience: Duration,
    script: String,
    /// What was asked, and how it was answered.
    pub(crate) counts: Counts,
    /// Ends with this value.
    _servers: Servers,
}

impl Pair {
    /// Starts both with an empty store. Each has this long for what it must send by itself.
    pub(crate) async fn start(
        program: &Program,
        subject: &Subject,
        tokens: Tokens,
        patience: Duration,
    ) -> Pair {
        let servers = Servers::start(program, subject, tokens);
        let maker = match subject {
            Subject::Members(_) if crate::process::server_is_ours() => Maker::Us,
            _ => Maker::Etcd,
        };
        let reference = Side::new(from_ref(&servers.reference.url), Maker::Etcd).await;
        let subject = Side::new(&servers.subject_urls(), maker).await;
        let known = Known::of(reference.channel(0)).await;
        let recorder = Recorder::open(&reference, &subject, patience).await;
        let mut pair = Pair {
            reference,
            subject,
            store: Store { position: Position::EMPTY, events: Events::default() },
            known,
            tokens,
            recorder,
            streams: [const { None }; STREAMS],
            settled: Position::EMPTY.newest,
            short: None,
            recipes: Recipes::default(),
            has_picked_keys: false,
            ended_picks: 0,
            patience,
            script: String::new(),
            counts: Counts::default(),
            _servers: servers,
        };
        // From the first event on there is one that shows that a server is done with the past.
        for operation in [first()].into_iter().chain(finish::keeper()) {
            let step = Step { member: 0, caller: Caller::Nobody, operation };
            pair.run(&step).await.expect("new servers are alike");
        }
        pair
    }

    /// Asks both, and compares.
    pub(crate) async fn run(&mut self, step: &Step) -> Result<(), Box<Found>> {
        let operation = self.recipes.resolve(step.operation.clone().at(self.store.position));
        let Some(operation) = self.known.allowed(operation, self.store.position) else {
            self.counts.left_out(step.operation.kind());
            return Ok(());
        };
        let to = (step.member % self.subject.members(), step.caller);
        let result = self.take(&operation, to).await;
        result.map_err(|difference| self.found(difference))
    }

    async fn take(&mut self, operation: &Operation, to: To) -> Result<(), Difference> {
        self.renew_short().await;
        match operation {
            Operation::Watch { stream, asks } => self.watch(*stream, asks, to).await,
            Operation::Close { stream, close } => self.close(*stream, *close).await,
            Operation::Compact(compact) => self.compact(compact, to).await,
            Operation::HashKv(_) => self.hash_all(operation, to.1).await,
            Operation::Expire => self.expire().await,
            Operation::Call(call @ (Call::Lock(_) | Call::Campaign(_))) => {
                self.recipe(call, to).await?;
                self.learn_revision(to.0).await
            }
            Operation::Call(Call::Observe(election)) => self.observe(election, to).await,
            Operation::Call(Call::LeaseGrant(grant)) => self.grant(grant, to).await,
            _ => self.call(operation, to).await,
        }?;
        self.admit().await
    }

    fn found(&mut self, difference: Difference) -> Box<Found> {
        Box::new(Found { script: std::mem::take(&mut self.script), difference })
    }

    async fn call(&mut self, operation: &Operation, to: To) -> Result<(), Difference> {
        let (member, caller) = to;
        self.script.push_str(&print::operation(caller, operation));
        let (reference, subject) = tokio::join!(
            self.reference.ask(0, caller, operation),
            self.subject.ask(member, caller, operation)
        );
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
            if let (Answer::HashKv(response), true) = (answer, self.has_picked_keys) {
                response.hash = 0;
            }
        }
        clock::level(self.recipes.leases(), &reference, &mut subject);
        if let Some(revision) = reference.revision() {
            self.store.position.newest = self.store.position.newest.max(revision);
        }
        if let Some(difference) =
            Difference::of(operation.kind(), &reference, &subject, show_answer)
        {
            return Err(difference);
        }
        if reference.is_none() {
            let title = format!("{}: neither answers", operation.kind());
            let (expected, actual) = (String::new(), show_answer(&subject));
            return Err(Difference { title, expected, actual });
        }
        self.short_answered(operation, &reference);
        self.recipes.answered(&reference);
        self.has_picked_keys |= operation.puts_picked();
        Ok(())
    }

    /// Every member must have the same hash.
    async fn hash_all(&mut self, operation: &Operation, caller: Caller) -> Result<(), Difference> {
        if self.known.allowed(operation.clone(), self.store.position).is_none() {
            return Ok(());
        }
        self.script.push_str(&print::operation(caller, operation));
        let reference = self.reference.ask(0, caller, operation).await;
        for member in 0..self.subject.members() {
            let subject = self.subject.ask(member, caller, operation).await;
            self.compare(operation, reference.clone(), subject)?;
        }
        Ok(())
    }

    /// A compaction, which both have finished when this returns.
    async fn compact(&mut self, compact: &CompactionRequest, to: To) -> Result<(), Difference> {
        // What watchers can look up changes.
        self.settle().await?;
        // Nobody knows whether a real etcd has begun to watch for who waits at a lock.
        if self.store.events.puts_again(compact.revision) || self.recipes.has_waiting() {
            self.counts.left_out("compact");
            return Ok(());
        }
        let before = self.counts.succeeded("compact");
        self.call(&Operation::Compact(*compact), to).await?;
        if self.counts.succeeded("compact") == before {
            return Ok(());
        }
        self.store.position.compacted = compact.revision;
        // Once more at the same revision is refused, but not before the work is done.
        let again = CompactionRequest { revision: compact.revision, physical: true };
        let again = Operation::Compact(again);
        self.reference.ask(0, Caller::Keeper, &again).await;
        for member in 0..self.subject.members() {
            self.subject.ask(member, Caller::Keeper, &again).await;
        }
        Ok(())
    }

    async fn close(&mut self, number: usize, close: Close) -> Result<(), Difference> {
        if self.streams[number].is_none() {
            return Ok(());
        }
        self.settle().await?;
        let operation = Operation::Close { stream: number, close };
        self.script.push_str(&print::operation(Caller::Nobody, &operation));
        self.counts.happened("close");
        match (&mut self.streams[number], close) {
            (Some(stream), Close::Half) => stream.half_close(),
            (slot, _) => *slot = None,
        }
        Ok(())
    }

    async fn watch(&mut self, number: usize, asks: &[Ask], to: To) -> Result<(), Difference> {
        self.settle().await?;
        if self.streams[number].as_ref().is_some_and(|stream| stream.is_half_closed) {
            self.close(number, Close::Reset).await?;
        }
        if self.streams[number].is_none() {
            self.open(number, to).await;
        }
        let stream = self.stream(number);
        let member = stream.member;
        self.subject.level(member).await;
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

    async fn open(&mut self, number: usize, to: To) {
        let (member, caller) = to;
        self.script.push_str(&print::caller(caller));
        let (reference, subject) = (&mut self.reference, &mut self.subject);
        let tokens = (reference.token(caller).await, subject.token(caller).await);
        let reference = (reference.channel(0), tokens.0, reference.maker);
        let subject = (subject.channel(member), tokens.1, subject.maker);
        let stream = Watching::open(member, reference, subject, self.patience);
        self.streams[number] = Some(stream);
    }

    fn stream(&self, number: usize) -> &Watching {
        self.streams[number].as_ref().expect("it was opened")
    }

    /// Waits until every watcher has got all that it must, and compares it.
    async fn settle(&mut self) -> Result<(), Difference> {
        let names = [&self.reference.names, &self.subject.names];
        self.recorder.catch_up(&mut self.store, names).await?;
        self.settled = self.store.position.newest;
        for number in 0..STREAMS {
            self.settle_stream(number).await?;
        }
        Ok(())
    }

    async fn settle_stream(&mut self, number: usize) -> Result<(), Difference> {
        let Some(stream) = &mut self.streams[number] else { return Ok(()) };
        let names = [&self.reference.names, &self.subject.names];
        let responses = stream.settle(&self.store, names).await?;
        if !responses.is_empty() {
            responses.iter().for_each(|response| self.counts.received(response));
            let count = responses.len();
            self.script.push_str(&format!("watch s{number} expect {count}\n"));
        }
        if stream.take_fresh() {
            let newest = self.store.position.newest;
            let member = stream.member;
            let (reference, subject) = (&mut self.reference, &mut self.subject);
            self.recorder.probe(reference, subject, member, newest).await?;
            self.counts.happened("watch: probe");
        }
        Ok(())
    }
}

fn first() -> Operation {
    Operation::Put(PutRequest { key: "a".into(), ..PutRequest::default() })
}
