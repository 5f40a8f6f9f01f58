//! Locks and elections, whose calls wait for others.
//!
//! Whether a call has to wait is read in the store: it does when an older key than its own is there.
//! Such a call goes on beside other operations until no older one is left, and its answer is awaited
//! then. A second one in the name of a lease that waits already is not made.

use super::{Caller, Operation, Pair, To};
use crate::parity::answer::{Answer, DEADLINE};
use crate::parity::call::Call;
use crate::parity::compare::Maker;
use crate::parity::difference::{Difference, show_answer};
use crate::parity::names::{PICKED, candidate};
use crate::parity::print;
use crate::parity::side::Side;
use crate::parity::tokens::Tokens;
use crate::parity::told::Told;
use bytes::Bytes;
use etcd_proto::etcdserverpb::RangeRequest;
use etcd_proto::mvccpb::KeyValue;
use etcd_proto::v3electionpb::{LeaderKey, LeaderRequest};
use std::collections::{BTreeMap, BTreeSet};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Stands for the revision that made a lease candidate, as the campaign was told; numbers close to it
/// for others.
pub(crate) const WON: i64 = 1 << 43;

/// How far a number may be from the mark to be meant so.
const NEAR: i64 = 1 << 20;

/// What is known of locks and elections.
#[derive(Default)]
pub(super) struct Recipes {
    waiting: Vec<Waiting>,
    /// The revisions of candidates' keys.
    won: BTreeMap<Bytes, i64>,
    /// The last candidate.
    last: LeaderKey,
    /// Leases that a lock or an election was asked with.
    leases: BTreeSet<i64>,
    /// How many names were new.
    names: usize,
}

/// A call that waits on both servers.
struct Waiting {
    member: usize,
    operation: Operation,
    prefix: Bytes,
    /// The revision that made its key.
    created: i64,
    reference: JoinHandle<Answer>,
    subject: JoinHandle<Answer>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.reference.abort();
        self.subject.abort();
    }
}

impl Recipes {
    /// Puts in what only earlier answers tell.
    pub(super) fn resolve(&mut self, mut operation: Operation) -> Operation {
        let Operation::Call(call) = &mut operation else { return operation };
        match call {
            Call::Lock(lock) => self.name(&mut lock.name, lock.lease),
            Call::Campaign(campaign) => self.name(&mut campaign.name, campaign.lease),
            Call::Proclaim(proclaim) => self.find(proclaim.leader.as_mut()),
            Call::Resign(resign) => self.find(resign.leader.as_mut()),
            _ => {}
        }
        operation
    }

    /// One whose lease the server picks has a name to itself: what it is called among others is not
    /// known.
    fn name(&mut self, name: &mut Bytes, lease: i64) {
        self.leases.insert(lease);
        if lease == 0 {
            self.names += 1;
            *name = format!("p{:04}", self.names).into();
        }
    }

    /// One without a key is the last one.
    fn find(&self, leader: Option<&mut LeaderKey>) {
        let Some(leader) = leader else { return };
        if leader.key.is_empty() {
            *leader = self.last.clone();
            // Without one the server would grant a lease, of a minute and of an id that it does not tell.
            if leader.lease == 0 {
                leader.lease = 1;
            }
        } else if (WON - NEAR..WON + NEAR).contains(&leader.rev) {
            leader.rev += self.won.get(&leader.key).copied().unwrap_or(1) - WON;
        }
    }

    /// Takes notice of an answer.
    pub(super) fn answered(&mut self, answer: &Answer) {
        if let Answer::Told(Told::Campaign(response)) = answer
            && let Some(leader) = &response.leader
        {
            self.won.insert(leader.key.clone(), leader.rev);
            // What a server picked is not asked for by its name.
            if leader.lease < PICKED {
                self.last.clone_from(leader);
            }
        }
    }

    /// Leases whose time a real etcd may have renewed in passing.
    pub(super) fn leases(&self) -> &BTreeSet<i64> {
        &self.leases
    }

    /// Whether anybody waits.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The names for which somebody waits.
    pub(super) fn prefixes(&self) -> BTreeSet<Bytes> {
        self.waiting.iter().map(|waiting| waiting.prefix.clone()).collect()
    }
}

/// What becomes of a call that has to wait.
enum Begun {
    Answered(Answer),
    /// The revision that made its key.
    Waits(i64),
}

impl Pair {
    /// Locks or campaigns.
    pub(super) async fn recipe(&mut self, call: &Call, to: To) -> Result<(), Difference> {
        let operation = Operation::Call(call.clone());
        let (name, lease) = match call {
            Call::Lock(lock) => (&lock.name, lock.lease),
            Call::Campaign(campaign) => (&campaign.name, campaign.lease),
            _ => unreachable!("only locks and campaigns wait"),
        };
        let prefix: Bytes = [name, &b"/"[..]].concat().into();
        let key = candidate(name, lease);
        // Who may not read the others' keys is refused, at once or once it looks for them.
        let seen = self.reference.ask(0, to.1, &Operation::Range(all_of(&prefix))).await;
        if seen.refusal().is_some() {
            return self.call(&operation, to).await;
        }
        let present = self.present(&prefix).await;
        let own = present.iter().find(|kv| kv.key == key).map(|kv| kv.create_revision);
        let is_older = |kv: &KeyValue| own.is_none_or(|own| kv.create_revision < own);
        if !present.iter().any(is_older) {
            return self.call(&operation, to).await;
        }
        // A real etcd looks on for all who wait with the credentials of whoever waited first. Once
        // those are too old it refuses everybody, with the newest ones too.
        let is_refused_at_times = self.tokens == Tokens::Signed;
        if own.is_some() || is_refused_at_times {
            self.counts.left_out(call.kind());
            return Ok(());
        }
        self.wait(operation, to, prefix, key).await
    }

    /// Asks who leads, and for what comes then, of which nothing is awaited. It would wait for the
    /// first one to lead; who may not see that is refused at once.
    pub(super) async fn observe(
        &mut self,
        election: &LeaderRequest,
        to: To,
    ) -> Result<(), Difference> {
        let operation = Operation::Call(Call::Observe(election.clone()));
        let prefix: Bytes = [&election.name, &b"/"[..]].concat().into();
        let seen = self.reference.ask(0, to.1, &Operation::Range(all_of(&prefix))).await;
        if seen.refusal().is_none() && self.present(&prefix).await.is_empty() {
            self.counts.left_out(operation.kind());
            return Ok(());
        }
        self.call(&operation, to).await
    }

    /// The keys of those who wait or have it.
    async fn present(&mut self, prefix: &Bytes) -> Vec<KeyValue> {
        let range = Operation::Range(all_of(prefix));
        match self.reference.ask(0, Caller::Keeper, &range).await {
            Answer::Range(response) => response.kvs,
            // What follows shows that the server does not answer.
            _ => Vec::new(),
        }
    }

    /// Makes a call that has to wait, if it is not refused.
    async fn wait(
        &mut self,
        operation: Operation,
        to: To,
        prefix: Bytes,
        key: Bytes,
    ) -> Result<(), Difference> {
        self.script.push_str(&print::operation(to.1, &operation));
        let mut reference = begin(&mut self.reference, (0, to.1), &operation).await;
        let mut subject = begin(&mut self.subject, to, &operation).await;
        let begun = (
            until_it_waits(&mut self.reference, (0, &operation), &mut reference, &key).await,
            until_it_waits(&mut self.subject, (to.0, &operation), &mut subject, &key).await,
        );
        match begun {
            (Begun::Answered(reference), Begun::Answered(subject)) => {
                self.compare(&operation, reference, subject)
            }
            (Begun::Waits(created), Begun::Waits(other)) if created == other => {
                self.counts.happened("(waits)");
                self.store.position.newest = self.store.position.newest.max(created);
                self.subject.fall_behind();
                let member = to.0;
                let waiting = Waiting { member, operation, prefix, created, reference, subject };
                self.recipes.waiting.push(waiting);
                Ok(())
            }
            (expected, actual) => Err(Difference {
                title: format!("{}: one waits", operation.kind()),
                expected: show_begun(&expected),
                actual: show_begun(&actual),
            }),
        }
    }

    /// Asks for the newest revision: who is refused may have changed something before.
    pub(super) async fn learn_revision(&mut self, member: usize) -> Result<(), Difference> {
        let read = RangeRequest { key: "a".into(), count_only: true, ..Default::default() };
        self.call(&Operation::Range(read), (member, Caller::Keeper)).await
    }

    /// Compares the answers of those calls that have nobody to wait for any more.
    pub(super) async fn admit(&mut self) -> Result<(), Difference> {
        let mut at = 0;
        while at < self.recipes.waiting.len() {
            let Waiting { prefix, created, .. } = &self.recipes.waiting[at];
            let (prefix, created) = (prefix.clone(), *created);
            let present = self.present(&prefix).await;
            if present.iter().any(|kv| kv.create_revision < created) {
                at += 1;
                continue;
            }
            let mut waiting = self.recipes.waiting.remove(at);
            self.script.push_str(&format!("# answered: {}", show_waiting(&waiting.operation)));
            let deadline = Instant::now() + DEADLINE;
            let (operation, member) = (waiting.operation.clone(), waiting.member);
            let reference = answer(&mut waiting.reference, deadline).await;
            let reference = self.reference.answered(0, &operation, reference);
            let subject = answer(&mut waiting.subject, deadline).await;
            let subject = self.subject.answered(member, &operation, subject);
            let is_subjects = self.subject.maker == Maker::Etcd && is_anothers(&subject);
            match is_subjects || is_anothers(&reference) {
                true => self.counts.left_out(operation.kind()),
                false => self.compare(&operation, reference, subject)?,
            }
            // One that fails may have deleted its key.
            self.learn_revision(member).await?;
            // And so others may go on.
            at = 0;
        }
        Ok(())
    }
}

async fn begin(side: &mut Side, to: To, operation: &Operation) -> JoinHandle<Answer> {
    let (member, caller) = to;
    let (asked, token) = side.prepare(member, caller, operation).await;
    let channel = side.channel(member).clone();
    tokio::spawn(async move { Answer::whenever(&asked, &channel, token.as_deref()).await })
}

/// Asks for the key of the one who waits until it is there or the call is answered.
async fn until_it_waits(
    side: &mut Side,
    asked: (usize, &Operation),
    call: &mut JoinHandle<Answer>,
    key: &Bytes,
) -> Begun {
    let (member, operation) = asked;
    let range = RangeRequest { key: key.clone(), ..RangeRequest::default() };
    let range = Operation::Range(range);
    let deadline = Instant::now() + DEADLINE;
    while Instant::now() < deadline {
        if let Answer::Range(response) = side.ask(member, Caller::Keeper, &range).await
            && let [kv] = &response.kvs[..]
        {
            return Begun::Waits(kv.create_revision);
        }
        if call.is_finished() {
            break;
        }
    }
    let answer = answer(call, deadline).await;
    Begun::Answered(side.answered(member, operation, answer))
}

async fn answer(call: &mut JoinHandle<Answer>, deadline: Instant) -> Answer {
    match tokio::time::timeout_at(deadline, call).await {
        Ok(answer) => answer.expect("a call does not panic"),
        Err(_) => Answer::none(),
    }
}

/// Whether a real etcd refuses who waits because of somebody else: its watches for all of them are
/// one stream, in the name of whoever opened it. Only their refusals come with gRPC's own words.
fn is_anothers(etcds: &Answer) -> bool {
    etcds.refusal().is_some_and(|refusal| refusal.message.starts_with("rpc error: code = "))
}

fn all_of(prefix: &Bytes) -> RangeRequest {
    let mut end = prefix.to_vec();
    // A prefix ends in a slash.
    *end.last_mut().expect("it is not empty") += 1;
    RangeRequest { key: prefix.clone(), range_end: end.into(), ..RangeRequest::default() }
}

fn show_begun(begun: &Begun) -> String {
    match begun {
        Begun::Answered(answer) => show_answer(answer),
        Begun::Waits(created) => format!("it waits with a key of revision {created}\n"),
    }
}

fn show_waiting(operation: &Operation) -> String {
    print::operation(Caller::Nobody, operation)
}
