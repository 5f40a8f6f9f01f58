//! Leases under a clock that is set by hand.

use std::time::Duration;

use bytes::Bytes;
use etcd_proto::leasepb;
use etcd_storage::{Batch, Storage, StorageOptions, Table};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use prost::Message as _;
use std::cell::RefCell;
use std::collections::BTreeMap;
use tempfile::TempDir;

use crate::{Clock, Error, Leadership, Lessor, MAX_TTL_SECONDS, Renewal, Writer};

const RETRY: Duration = Duration::from_secs(7);
const EXTENSION: Duration = Duration::from_secs(1);

struct Bench {
    storage: Storage,
    clock: Clock,
    lessor: Lessor,
    writer: Writer,
    /// Last, so that the storage is closed before its files go: else it waits for them, seconds.
    _directory: TempDir,
}

impl Bench {
    fn new() -> Bench {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let storage = Storage::open(&directory.path().join("state"), StorageOptions::default())
            .expect("an empty storage");
        let clock = Clock::by_hand();
        let (lessor, writer) = Lessor::open(&storage, [], clock.clone()).expect("no leases");
        Bench { _directory: directory, storage, clock, lessor, writer }
    }

    /// No leases, nobody leads: as new, and faster to be had.
    fn clear(&mut self) {
        let mut batch = Batch::new();
        batch.delete_range(Table::Lease, &[]..&[]);
        self.storage.commit(batch).expect("the storage works");
        self.clock = Clock::by_hand();
        self.reopen(&[]);
    }

    fn leading() -> Bench {
        let bench = Bench::new();
        bench.lead(1);
        bench
    }

    fn lead(&self, term: u64) {
        self.lessor.lead(Leadership { term, extension: EXTENSION, checkpoint_interval: None });
    }

    fn change<T>(&mut self, change: impl FnOnce(&mut Writer, &mut Batch) -> T) -> T {
        let mut batch = Batch::new();
        let result = change(&mut self.writer, &mut batch);
        self.storage.commit(batch).expect("the storage works");
        result
    }

    fn grant(&mut self, id: i64, ttl_seconds: i64) {
        self.change(|writer, batch| writer.grant(id, ttl_seconds, batch)).expect("a lease");
    }

    fn revoke(&mut self, id: i64) -> Vec<Bytes> {
        self.change(|writer, batch| writer.revoke(id, batch)).expect("it was there")
    }

    fn wait(&self, seconds: f64) {
        self.clock.advance(Duration::from_secs_f64(seconds));
    }

    fn due(&self) -> Vec<i64> {
        self.lessor.due(500, RETRY).ids
    }

    fn left(&self, id: i64) -> i64 {
        self.lessor.time_to_live(id).expect("it is there").left_seconds
    }

    fn is_renewed(&self, id: i64) -> bool {
        matches!(self.lessor.renew(id), Ok(Renewal::Renewed { .. }))
    }

    fn reopen(&mut self, leased: &[(&'static str, i64)]) {
        let leased = leased.iter().map(|(key, id)| (Bytes::from_static(key.as_bytes()), *id));
        let (lessor, writer) =
            Lessor::open(&self.storage, leased, self.clock.clone()).expect("leases");
        self.lessor = lessor;
        self.writer = writer;
    }

    fn rows(&self) -> Vec<leasepb::Lease> {
        let mut rows = Vec::new();
        let scanned = self.storage.scan(Table::Lease, &[]..&[], |key, value| {
            let row = leasepb::Lease::decode(value).expect("a lease");
            assert_eq!(key, row.id.to_be_bytes());
            rows.push(row);
            std::ops::ControlFlow::Continue(())
        });
        scanned.expect("the storage works");
        rows
    }
}

#[test]
fn a_lease_is_granted_once_and_stored_as_etcd_stores_it() {
    let mut bench = Bench::new();
    bench.grant(7, 10);
    bench.grant(-1, MAX_TTL_SECONDS);
    bench.change(|writer, batch| {
        assert!(matches!(writer.grant(7, 20, batch), Err(Error::Exists)));
        assert!(matches!(writer.grant(0, 20, batch), Err(Error::NotFound)));
        let too_large = writer.grant(7, MAX_TTL_SECONDS + 1, batch);
        assert!(matches!(too_large, Err(Error::TtlTooLarge)), "before it is looked for");
        assert!(matches!(writer.revoke(8, batch), Err(Error::NotFound)));
        assert!(batch.is_empty());
    });
    let row = |id, ttl| leasepb::Lease { id, ttl, remaining_ttl: 0 };
    assert_eq!(bench.rows(), [row(7, 10), row(-1, MAX_TTL_SECONDS)]);
    bench.revoke(7);
    assert_eq!(bench.rows(), [row(-1, MAX_TTL_SECONDS)]);
    assert!(!bench.lessor.contains(7) && bench.lessor.contains(-1));
}

#[test]
fn the_keys_of_a_lease_are_answered_in_order_and_survive_a_restart() {
    let mut bench = Bench::new();
    bench.grant(7, 10);
    bench.grant(8, 10);
    for key in ["b", "c", "a", "b"] {
        bench.writer.attach(7, key.as_bytes());
    }
    bench.writer.attach(9, b"nobody's");
    bench.writer.detach(7, b"c");
    bench.writer.detach(8, b"a");
    assert_eq!(bench.lessor.keys(7), ["a", "b"]);
    assert!(bench.lessor.keys(8).is_empty() && bench.lessor.keys(9).is_empty());
    bench.reopen(&[("b", 7), ("lost", 9), ("a", 7), ("z", 8)]);
    assert_eq!(bench.lessor.keys(7), ["a", "b"]);
    assert_eq!(bench.revoke(7), ["a", "b"]);
    assert_eq!(bench.revoke(8), ["z"]);
}

#[test]
fn many_keys_of_one_lease_are_all_there() {
    let mut bench = Bench::new();
    bench.grant(7, 10);
    let keys: Vec<String> = (0..3000).map(|number| format!("{number:04}")).collect();
    for key in keys.iter().rev() {
        bench.writer.attach(7, key.as_bytes());
    }
    assert_eq!(bench.lessor.keys(7), keys);
    assert_eq!(bench.revoke(7), keys);
}

#[test]
fn a_lease_expires_after_its_time_unless_it_is_renewed() {
    let mut bench = Bench::leading();
    bench.grant(7, 10);
    bench.grant(8, 10);
    assert_eq!(bench.left(7), 10);
    bench.wait(9.5);
    assert_eq!((bench.left(7), bench.due()), (0, vec![]));
    assert!(bench.is_renewed(7));
    bench.wait(0.5);
    assert_eq!(bench.due(), [8]);
    assert_eq!(bench.left(7), 9);
    bench.wait(9.5);
    assert_eq!(bench.due(), [8, 7], "the first one has waited long enough to be tried again");
    bench.wait(3.0);
    assert_eq!((bench.left(7), bench.left(8)), (-3, -12));
}

#[test]
fn an_expired_lease_is_due_again_only_after_a_while() {
    let mut bench = Bench::leading();
    bench.grant(7, 2);
    bench.wait(2.0);
    assert_eq!(bench.due(), [7]);
    bench.wait(6.9);
    assert!(bench.due().is_empty());
    bench.wait(0.1);
    assert_eq!(bench.due(), [7]);
    bench.revoke(7);
    bench.wait(60.0);
    assert!(bench.due().is_empty());
}

#[test]
fn those_that_expired_first_are_due_first_and_never_more_than_asked_for() {
    let mut bench = Bench::leading();
    for id in 1..=5000 {
        bench.grant(id, 10 + id % 7);
    }
    // Renewed after others were queued later: the order is that of the expiries all the same.
    bench.wait(5.0);
    for id in (1..=5000).step_by(3) {
        assert!(bench.is_renewed(id));
    }
    bench.wait(60.0);
    let mut seen = Vec::new();
    loop {
        let due = bench.lessor.due(500, RETRY);
        assert!(due.ids.len() <= 500 && due.term == 1);
        if due.ids.is_empty() {
            break;
        }
        seen.extend(due.ids);
    }
    let expiry = |id: &i64| 10 + id % 7 + if id % 3 == 1 { 5 } else { 0 };
    assert!(seen.is_sorted_by_key(expiry));
    seen.sort_unstable();
    assert_eq!(seen, (1..=5000).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_expired_lease_cannot_be_renewed_and_its_renewal_waits_for_the_end() {
    let mut bench = Bench::leading();
    bench.grant(7, 10);
    bench.grant(8, 10);
    bench.wait(10.0);
    let expired = |id| match bench.lessor.renew(id) {
        Ok(Renewal::Expired(ending)) => ending,
        other => panic!("{other:?}"),
    };
    let (revoked, demoted) = (expired(7), expired(8));
    let mut revoked = Box::pin(revoked.reached());
    assert!(futures_are_pending(&mut revoked).await);
    bench.revoke(7);
    revoked.await;
    assert!(matches!(bench.lessor.renew(7), Err(Error::NotFound)));
    let mut demoted = Box::pin(demoted.reached());
    assert!(futures_are_pending(&mut demoted).await);
    bench.lessor.step_down();
    demoted.await;
    assert!(matches!(bench.lessor.renew(8), Err(Error::NotPrimary)));
}

/// Whether a future is not ready when it is polled.
async fn futures_are_pending(future: &mut (impl Future<Output = ()> + Unpin)) -> bool {
    tokio::select! {
        biased;
        () = future => false,
        () = std::future::ready(()) => true,
    }
}

#[test]
fn only_the_member_that_leads_knows_when_a_lease_expires() {
    let mut bench = Bench::new();
    bench.grant(7, 2);
    bench.wait(100.0);
    assert!(bench.lessor.due(500, RETRY).ids.is_empty());
    assert!(matches!(bench.lessor.renew(7), Err(Error::NotPrimary)));
    assert!(matches!(bench.lessor.time_to_live(7), Err(Error::NotPrimary)));
    assert!(matches!(bench.lessor.time_to_live(8), Err(Error::NotFound)));
    assert_eq!((bench.lessor.ids(), bench.lessor.term()), (vec![7], None));
}

#[test]
fn a_new_leader_lets_every_lease_live_for_its_whole_time_and_the_election() {
    let mut bench = Bench::leading();
    bench.grant(7, 10);
    bench.wait(9.0);
    bench.lead(1);
    assert_eq!(bench.left(7), 1, "it led already");
    bench.lessor.step_down();
    bench.wait(100.0);
    bench.lead(2);
    assert_eq!(bench.left(7), 11);
    bench.wait(10.9);
    assert!(bench.due().is_empty());
    bench.wait(0.1);
    let due = bench.lessor.due(500, RETRY);
    assert_eq!((due.ids, due.term), (vec![7], 2));
    // Led anew at once, without anybody having said that it does not any more.
    bench.lead(3);
    assert_eq!((bench.left(7), bench.due()), (11, vec![]));
    // A renewal before the clocks were looked at counts from now, without the election.
    bench.lead(4);
    assert!(bench.is_renewed(7));
    assert_eq!(bench.left(7), 10);
    bench.wait(10.0);
    assert_eq!(bench.due(), [7]);
}

#[test]
fn a_renewal_right_after_an_election_can_let_a_lease_expire_earlier() {
    let mut bench = Bench::new();
    bench.grant(7, 10);
    bench.lead(2);
    assert!(bench.due().is_empty());
    assert!(bench.is_renewed(7));
    bench.wait(10.0);
    assert_eq!(bench.due(), [7]);
}

#[test]
fn leases_that_a_new_leader_finds_do_not_pile_up() {
    let mut bench = Bench::new();
    for id in 1..=4000 {
        bench.grant(id, 10);
    }
    bench.lead(2);
    assert!(bench.due().is_empty());
    let mut expired = 0;
    for second in 0..20 {
        bench.wait(1.0);
        let now = bench.lessor.due(5000, RETRY * 100).ids.len();
        assert!(now <= 751, "{now} in second {second}");
        assert!(now == 0 || second >= 10);
        expired += now;
    }
    assert_eq!(expired, 4000);
}

#[test]
fn leases_are_listed_by_their_expiry_where_it_is_known() {
    let mut bench = Bench::new();
    bench.grant(3, 10);
    bench.grant(-5, 30);
    bench.grant(1, 20);
    assert_eq!(bench.lessor.ids(), [-5, 1, 3]);
    bench.lead(1);
    assert_eq!(bench.lessor.ids(), [3, 1, -5]);
    bench.wait(15.0);
    assert!(matches!(bench.lessor.renew(3), Ok(Renewal::Expired(_))));
    assert!(bench.is_renewed(1));
    assert_eq!(bench.lessor.ids(), [3, -5, 1]);
}

#[test]
fn what_is_left_of_long_leases_is_noted_for_the_next_leader() {
    let mut bench = Bench::new();
    let interval = Duration::from_secs(300);
    bench.grant(7, 1000);
    bench.grant(8, 300);
    let lead = |bench: &Bench, term| {
        bench.lessor.lead(Leadership {
            term,
            extension: EXTENSION,
            checkpoint_interval: Some(interval),
        });
        assert!(bench.due().is_empty());
    };
    lead(&bench, 1);
    bench.grant(9, 2000);
    assert!(bench.lessor.due_checkpoints(10).is_empty());
    bench.wait(300.0);
    assert_eq!(bench.lessor.due_checkpoints(1), [(7, 701)]);
    assert_eq!(bench.lessor.due_checkpoints(10), [(9, 1700)]);
    assert!(bench.lessor.due_checkpoints(10).is_empty());
    bench.change(|writer, batch| {
        writer.checkpoint(7, 701, batch);
        writer.checkpoint(6, 1, batch);
    });
    assert_eq!((bench.left(7), bench.lessor.remaining_at_checkpoint(7)), (701, 701));
    bench.wait(300.0);
    assert_eq!(bench.lessor.due_checkpoints(10), [(7, 401)]);
    bench.change(|writer, batch| writer.checkpoint(7, 401, batch));
    bench.reopen(&[]);
    lead(&bench, 2);
    assert_eq!((bench.left(7), bench.left(9)), (402, 2001));
    // Zero is the whole again.
    bench.change(|writer, batch| writer.checkpoint(7, 0, batch));
    lead(&bench, 3);
    assert_eq!(bench.left(7), 1001);
    assert_eq!(bench.lessor.remaining_at_checkpoint(8), 0);
}

#[test]
fn a_snapshot_replaces_all_leases_and_stops_the_clocks() {
    let mut bench = Bench::leading();
    bench.grant(7, 10);
    bench.writer.attach(7, b"a");
    let other = Bench::new();
    let mut batch = Batch::new();
    let row = leasepb::Lease { id: 8, ttl: 20, remaining_ttl: 5 };
    batch.put(Table::Lease, &8i64.to_be_bytes(), &row.encode_to_vec());
    other.storage.commit(batch).expect("the storage works");
    let leased = [(Bytes::from_static(b"b"), 8)];
    bench.writer.reload(&other.storage, leased).expect("leases");
    assert_eq!((bench.lessor.ids(), bench.lessor.term()), (vec![8], None));
    assert_eq!(bench.lessor.keys(8), ["b"]);
    bench.lead(2);
    assert_eq!(bench.left(8), 6);
}

#[test]
fn a_row_that_is_no_lease_is_told() {
    let bench = Bench::new();
    for (key, value) in [(&b"12345678"[..], &b"\xff"[..]), (b"12345678", b"\x08\x01")] {
        let mut batch = Batch::new();
        batch.put(Table::Lease, key, value);
        bench.storage.commit(batch).expect("the storage works");
        let opened = Lessor::open(&bench.storage, [], Clock::by_hand());
        assert!(matches!(opened, Err(Error::Damaged(_))));
    }
}

/// One step of a random life.
#[derive(Debug, Clone)]
enum Step {
    Grant(i64, i64),
    Revoke(i64),
    Renew(i64),
    Wait(u64),
    Lead,
    Follow,
}

fn step() -> impl Strategy<Value = Step> {
    let id = 1..6i64;
    prop_oneof![
        (id.clone(), 2..20i64).prop_map(|(id, ttl)| Step::Grant(id, ttl)),
        id.clone().prop_map(Step::Revoke),
        id.prop_map(Step::Renew),
        (1..8000u64).prop_map(Step::Wait),
        Just(Step::Lead),
        Just(Step::Follow),
    ]
}

/// When every lease of the model expires, in microseconds; `None` while nobody leads here.
#[derive(Debug, Default)]
struct Model {
    now: u64,
    term: u64,
    is_leading: bool,
    leases: BTreeMap<i64, (u64, Option<u64>)>,
}

impl Model {
    fn expired(&self) -> Vec<i64> {
        let expired = self.leases.iter().filter(|(_, (_, expiry))| *expiry <= Some(self.now));
        expired.filter(|(_, (_, expiry))| expiry.is_some()).map(|(id, _)| *id).collect()
    }

    /// Does the same here and on the bench, and compares.
    fn follow(&mut self, bench: &mut Bench, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Grant(id, ttl) if !self.leases.contains_key(&id) => {
                bench.grant(id, ttl);
                let ttl = ttl as u64 * 1_000_000;
                let expiry = self.is_leading.then_some(self.now + ttl);
                self.leases.insert(id, (ttl, expiry));
            }
            Step::Grant(..) => {}
            Step::Revoke(id) => {
                if self.leases.remove(&id).is_some() {
                    bench.revoke(id);
                }
            }
            Step::Renew(id) => {
                let lives = self.is_leading && !self.expired().contains(&id);
                let lease = self.leases.get_mut(&id).filter(|_| lives);
                let lives = lease.is_some();
                if let Some((ttl, expiry)) = lease {
                    *expiry = Some(self.now + *ttl);
                }
                prop_assert_eq!(bench.is_renewed(id), lives);
            }
            Step::Wait(milliseconds) => {
                self.now += milliseconds * 1000;
                bench.clock.advance(Duration::from_millis(milliseconds));
            }
            Step::Lead => {
                self.term += 1;
                self.is_leading = true;
                let now = self.now;
                self.set_all(|ttl| Some(now + 1_000_000 + ttl));
                bench.lead(self.term);
            }
            Step::Follow => {
                self.is_leading = false;
                self.set_all(|_| None);
                bench.lessor.step_down();
            }
        }
        // Tried again so soon that every expired lease is told each time.
        self.now += 1;
        bench.clock.advance(Duration::from_micros(1));
        let mut due = bench.lessor.due(500, Duration::from_nanos(1)).ids;
        due.sort_unstable();
        prop_assert_eq!(due, self.expired());
        Ok(())
    }

    fn set_all(&mut self, expiry: impl Fn(u64) -> Option<u64>) {
        for (ttl, at) in self.leases.values_mut() {
            *at = expiry(*ttl);
        }
    }
}

#[test]
fn whatever_happens_leases_expire_when_they_must() {
    let bench = RefCell::new(Bench::new());
    let lives = prop::collection::vec(step(), 0..80);
    let outcome = TestRunner::default().run(&lives, |steps| {
        let mut bench = bench.borrow_mut();
        bench.clear();
        let mut model = Model::default();
        steps.into_iter().try_for_each(|step| model.follow(&mut bench, step))
    });
    outcome.expect("bench and model agree");
}
