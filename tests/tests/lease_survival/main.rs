//! Leaders are killed again and again: no lease that is renewed is lost, and every other one goes
//! at its time, once.
//!
//! What etcd promises of time: a lease lives for its time to live at least from each answered
//! renewal on. With every change of the leader the time of all leases begins anew, and is longer by
//! an election timeout. So one that nobody renews is gone within its time to live after the last
//! renewal or the last change that came before its end, whichever is later; then add the extension
//! and the leader's rounds.

mod ledger;
mod reigns;
mod keeper;
mod witness;
mod visitor;
mod claims;

use claims::{Outcome, last_moment};
use etcd_tests::cluster::eventually;
use etcd_tests::{Cluster, Member, Plan, Signal, chance};
use keeper::{Keeper, Wish};
use ledger::Ledger;
use rand::RngExt;
use rand::rngs::StdRng;
use reigns::Reigns;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use visitor::Visitor;
use witness::Witness;

const PREFIX: &str = "lease/";
/// Every so many leases one has several keys.
const SEVERAL: usize = 8;
/// All leases are granted within this time, on a slow machine too.
const GRANTED: Duration = Duration::from_secs(120);
/// Within this time of a leader's death there is another.
const ELECTION: Duration = Duration::from_secs(10);

/// How much of it there is.
struct Size {
    clients: usize,
    leases_of_client: usize,
    ttl_seconds: RangeInclusive<i64>,
    /// How long leaders are killed, and clients leave.
    time: Duration,
    /// The longest that a leader reigns in peace. The first one of them does.
    peace: Duration,
}

impl Size {
    /// Short, unless `ETCD_TEST_SECONDS` says how long leaders are to be killed.
    fn wanted() -> Size {
        match std::env::var("ETCD_TEST_SECONDS") {
            Ok(text) => Size {
                clients: 100,
                leases_of_client: 100,
                ttl_seconds: 5..=60,
                time: Duration::from_secs(text.parse().expect("ETCD_TEST_SECONDS is a number")),
                peace: Duration::from_secs(66),
            },
            Err(_) => Size {
                clients: 30,
                leases_of_client: 40,
                ttl_seconds: 5..=9,
                time: Duration::from_secs(22),
                peace: Duration::from_secs(9),
            },
        }
    }

    fn leases(&self) -> usize {
        self.clients * self.leases_of_client
    }

    /// What a client wants: half of its leases are left at some moment.
    fn wishes(&self, client: usize, random: &mut StdRng) -> Vec<Wish> {
        let wish = |number: usize| {
            let keys = if number.is_multiple_of(SEVERAL) { 3 } else { 1 };
            let keys = (0..keys).map(|key| format!("{PREFIX}{client}/{number}/{key}"));
            let leaves_after = random.random_bool(0.5);
            Wish {
                ttl_seconds: random.random_range(self.ttl_seconds.clone()),
                keys: keys.collect(),
                leaves_after: leaves_after.then(|| random.random_range(Duration::ZERO..self.time)),
            }
        };
        (0..self.leases_of_client).map(wish).collect()
    }
}

/// Everybody who looks on, at work on a runtime of their own.
struct Company {
    ledger: Ledger,
    reigns: Reigns,
    witness: Witness,
    visitor: Visitor,
    runtime: Runtime,
}

#[test]
fn leases_live_as_long_as_they_are_renewed_while_leaders_are_killed() {
    let size = Size::wanted();
    let mut random = chance::random();
    let mut cluster = Cluster::start(&Plan::loopback(3));
    let company = Company::assemble(&cluster, &size, &mut random);
    company.ledger.begin();
    let kills = kill_leaders(&mut cluster, &company, &size, &mut random);
    company.wait_for_ends();
    // Still renewed, so that what lives is there.
    check_members(&cluster, &company.ledger);
    let Company { ledger, reigns, witness, visitor, runtime } = company;
    ledger.watch_over(Duration::ZERO);
    runtime.shutdown_background();
    let reigns = reigns.all();
    let outcome = claims::check(&ledger, &reigns, &witness.events());
    tell(&kills, reigns.len(), visitor.answers(), &outcome);
    assert!(kills.len() >= 2, "{} kills", kills.len());
    // A machine that is busy with other things may starve a few.
    assert!(outcome.starved * 100 <= size.leases(), "{} leases starved", outcome.starved);
    assert!(outcome.kept > 0 && visitor.answers() > 100);
    let last_kill = kills[kills.len() - 1];
    let meanwhile = outcome.ended.iter().filter(|end| **end < last_kill).count();
    assert!(meanwhile > 0, "no lease ended while leaders were killed");
}

/// Kills the leader and starts it again until the time is over. Answers when that was.
fn kill_leaders(
    cluster: &mut Cluster,
    company: &Company,
    size: &Size,
    random: &mut StdRng,
) -> Vec<Instant> {
    let begun = Instant::now();
    let mut kills = Vec::new();
    while begun.elapsed() < size.time {
        let leader = cluster.leader();
        cluster.members[leader].end(Signal::KILL);
        kills.push(Instant::now());
        // The next one may be dying when it comes back, or reign for a while before.
        if random.random_bool(0.5) {
            eventually(ELECTION, "the next leader", || {
                let mut others = cluster.members.iter().filter(|member| member.is_started());
                others.any(|member| member.role().is_ok_and(|(_, leads)| leads)).then_some(())
            });
            company.ledger.watch_over(size.peace.mul_f64(random.random_range(0.0..0.05)));
        }
        cluster.members[leader].start();
        cluster.members[leader].wait_until_ready();
        // Short ones more often than long ones.
        let part = match kills.len() {
            1 => 1.0,
            _ => random.random_range(0.0_f64..1.0).powi(3),
        };
        company.ledger.watch_over(size.peace.mul_f64(part));
    }
    kills
}

impl Company {
    /// Starts everybody, and waits until all leases are granted.
    #[track_caller]
    fn assemble(cluster: &Cluster, size: &Size, random: &mut StdRng) -> Company {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let ledger = Ledger::default();
        let (reigns, urls) = (Reigns::default(), cluster.client_urls());
        let (witness, visitor) = (Witness::new(&ledger), Visitor::new(&ledger));
        runtime.spawn(witness.clone().watch(urls.clone(), PREFIX));
        let (tell, mut has_all) = mpsc::channel(size.clients);
        for client in 0..size.clients {
            let keeper = Keeper::new(&ledger, &urls, client % urls.len());
            runtime.spawn(keeper.run(size.wishes(client, random), tell.clone()));
        }
        for url in urls {
            runtime.spawn(reigns.clone().follow(url.clone()));
            runtime.spawn(visitor.clone().ask(url, size.leases(), random.random()));
        }
        runtime.block_on(async {
            for _ in 0..size.clients {
                let one = tokio::time::timeout(GRANTED, has_all.recv()).await;
                one.expect("in time").expect("the test itself can tell");
            }
        });
        Company { ledger, reigns, witness, visitor, runtime }
    }

    /// Waits until all leases that were left have ended, or one of them is late.
    #[track_caller]
    fn wait_for_ends(&self) {
        loop {
            self.ledger.watch_over(Duration::from_millis(100));
            let (leases, reigns) = (self.ledger.leases(), self.reigns.all());
            let now = Instant::now();
            let left: Vec<_> =
                leases.values().filter(|lease| self.ledger.is_left(lease, now)).collect();
            let keys: usize = left.iter().map(|lease| lease.keys.len()).sum();
            let last = left.iter().map(|lease| last_moment(lease, &reigns)).max();
            if self.witness.ends() >= keys || last.is_none_or(|last| now > last) {
                return;
            }
        }
    }
}

/// Every member has those leases and keys that are still renewed, and nothing else.
#[track_caller]
fn check_members(cluster: &Cluster, ledger: &Ledger) {
    let revision = cluster.wait_until_level();
    let now = Instant::now();
    let leases = ledger.leases().into_iter().filter(|(_, lease)| !ledger.is_left(lease, now));
    let leases: BTreeMap<_, _> = leases.collect();
    let mut expected: Vec<_> = leases
        .iter()
        .flat_map(|(id, lease)| lease.keys.iter().map(|key| (key.clone().into_bytes(), *id, 1)))
        .collect();
    expected.sort_unstable();
    let mut hashes = Vec::new();
    for client in cluster.members.iter().map(Member::client) {
        let mut ids = client.leases().expect("a list");
        ids.sort_unstable();
        assert!(ids.iter().eq(leases.keys()), "{} leases, not {}", ids.len(), leases.len());
        let there = client.get_prefix(PREFIX).expect("a serializable read");
        let there = there.into_iter().map(|kv| (kv.key.to_vec(), kv.lease, kv.version));
        assert!(there.eq(expected.iter().cloned()), "its keys are others");
        let hash = client.hash_kv(revision).expect("a hash");
        hashes.push((hash.hash, hash.compact_revision));
    }
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "the members differ: {hashes:?}");
}

#[expect(clippy::print_stderr, reason = "what a long run came to is for a person")]
fn tell(kills: &[Instant], reigns: usize, visits: u64, outcome: &Outcome) {
    let Outcome { kept, ended, renewals, starved, longest_gap, tightest, latest } = outcome;
    eprintln!(
        "{} kills, {reigns} leaders; {kept} leases kept and {} left; {renewals} renewals, at most \
         {longest_gap:.2?} or {:.0} % of a lease's time apart, {starved} too late; {visits} answers to visitors; the \
         last lease to go went {latest:.2?} after its time",
        kills.len(),
        ended.len(),
        tightest * 100.0
    );
}
