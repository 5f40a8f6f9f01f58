//! What must have happened to each lease and its keys, held against what was seen.

use crate::ledger::{Lease, Ledger};
use crate::reigns::Reign;
use crate::witness::Seen;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// A new leader lets all leases live for their whole time again, and for so much longer: its
/// election timeout, in which nobody could renew them.
const EXTENSION: Duration = Duration::from_secs(1);

/// Within this time of its end a lease is revoked, and whoever watches its keys knows: leaders look
/// twice a second, and after a change let no more than 750 leases end in a second.
const ROUND: Duration = Duration::from_secs(2);

/// How much the clocks of a client and of a leader may go apart meanwhile.
const SLACK: Duration = Duration::from_millis(100);

/// What came of the leases.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Leases that live.
    pub(crate) kept: usize,
    /// When the others ended.
    pub(crate) ended: Vec<Instant>,
    pub(crate) renewals: u64,
    /// Leases whose clients were not answered in time.
    pub(crate) starved: usize,
    /// The longest time from one answer to a lease's client to the next.
    pub(crate) longest_gap: Duration,
    /// The same as a part of the lease's time to live.
    pub(crate) tightest: f64,
    /// How long after its time the last to go went.
    pub(crate) latest: Duration,
}

/// When a lease that is renewed no more must be gone, if nothing but these reigns happened: its
/// time begins anew with each leader that comes before it is over.
pub(crate) fn last_moment(lease: &Lease, reigns: &[Reign]) -> Instant {
    let mut end = lease.touched + lease.ttl + ROUND;
    for change in reigns.windows(2) {
        if change[0].last_seen > end {
            break;
        }
        end = end.max(change[1].first_seen + EXTENSION + lease.ttl + ROUND);
    }
    end
}

/// Checks all of it.
#[track_caller]
pub(crate) fn check(ledger: &Ledger, reigns: &[Reign], events: &[Seen]) -> Outcome {
    check_no_gap(events);
    let mut of_keys: BTreeMap<&str, Vec<&Seen>> = BTreeMap::new();
    for event in events {
        of_keys.entry(&event.key).or_default().push(event);
    }
    let mut outcome = Outcome {
        kept: 0,
        ended: Vec::new(),
        renewals: 0,
        starved: 0,
        longest_gap: Duration::ZERO,
        tightest: 0.0,
        latest: Duration::ZERO,
    };
    let mut end_revisions = BTreeSet::new();
    let mut wrong = Vec::new();
    for (id, lease) in &ledger.leases() {
        outcome.renewals += lease.renewals;
        outcome.starved += usize::from(lease.starved);
        outcome.longest_gap = outcome.longest_gap.max(lease.longest_gap);
        let tight = lease.longest_gap.as_secs_f64() / lease.ttl.as_secs_f64();
        outcome.tightest = outcome.tightest.max(tight);
        let ends = ends(lease, &of_keys);
        let result = match (ledger.is_left(lease, Instant::now()), &ends[..]) {
            (false, []) => {
                outcome.kept += 1;
                Ok(())
            }
            (false, _) => Err("its client renews it, and it is gone"),
            (true, ends) => check_end(lease, ends, reigns),
        };
        if let Err(what) = result {
            wrong.push(format!("lease {id}: {what}: {}", history(lease, &ends, reigns)));
        } else if let Some(end) = ends.first() {
            let is_first = end_revisions.insert(end.revision);
            assert!(is_first, "lease {id} went together with another: {end:?}");
            outcome.ended.push(end.at);
            let due = last_moment(lease, reigns) - ROUND;
            outcome.latest = outcome.latest.max(end.at.saturating_duration_since(due));
        }
    }
    assert!(wrong.is_empty(), "{} leases: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
    outcome
}

/// What happened to a lease, in seconds from its last renewal on.
fn history(lease: &Lease, ends: &[&Seen], reigns: &[Reign]) -> String {
    let start = lease.renewed;
    let at = |moment: Instant| match moment.checked_duration_since(start) {
        Some(after) => format!("{:.2}", after.as_secs_f64()),
        None => format!("-{:.2}", (start - moment).as_secs_f64()),
    };
    let ends: Vec<_> = ends.iter().map(|end| (at(end.at), end.revision)).collect();
    let reigns = reigns.iter().filter(|reign| reign.last_seen >= start);
    let reigns: Vec<_> = reigns
        .map(|reign| format!("{}: {} to {}", reign.term, at(reign.first_seen), at(reign.last_seen)))
        .collect();
    let touched = at(lease.touched);
    format!("{:?}, renewed until {touched}; ended {ends:?}; terms {reigns:?}; {lease:?}", lease.ttl)
}

/// A lease that its client has left goes at its time, with all its keys at once.
fn check_end(lease: &Lease, ends: &[&Seen], reigns: &[Reign]) -> Result<(), &'static str> {
    let Some(end) = ends.first() else { return Err("it is there still") };
    if ends.len() != lease.keys.len() || ends.iter().any(|other| other.revision != end.revision) {
        return Err("its keys did not all go in one revision");
    }
    if end.at + SLACK < lease.renewed + lease.ttl {
        return Err("it went before its time");
    }
    if end.at > last_moment(lease, reigns) {
        return Err("it went too late");
    }
    Ok(())
}

/// The ends of a lease's keys: of each one at most, after its one put.
#[track_caller]
fn ends<'a>(lease: &Lease, of_keys: &BTreeMap<&str, Vec<&'a Seen>>) -> Vec<&'a Seen> {
    let mut ends = Vec::new();
    for key in &lease.keys {
        match of_keys.get(key.as_str()).map(|events| &events[..]) {
            Some([put]) if !put.is_end => {}
            Some([put, end]) if !put.is_end && end.is_end => ends.push(*end),
            other => panic!("{key} was not put once, and gone at most once: {other:?}"),
        }
    }
    ends
}

/// Nothing but puts and ends of these keys happened in the whole cluster, and all of it was seen in
/// order.
#[track_caller]
fn check_no_gap(events: &[Seen]) {
    let mut last = 1;
    for event in events {
        let is_next = event.revision == last + 1;
        assert!(is_next || event.revision == last, "after revision {last} came {event:?}");
        last = event.revision;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(5);

    /// A ledger with a lease of two keys that was left, and one that was not.
    fn ledger(start: Instant) -> Ledger {
        let ledger = Ledger::default();
        ledger.begin();
        for (id, leaves_after, keys) in [(7, Some(Duration::ZERO), "ab"), (8, None, "c")] {
            let keys = keys.chars().map(String::from).collect();
            let lease = Lease {
                ttl: TTL,
                keys,
                leaves_after,
                renewed: start,
                touched: start,
                renewals: 1,
                starved: false,
                longest_gap: Duration::ZERO,
            };
            ledger.add(id, lease);
        }
        ledger
    }

    /// Its keys are put, and these end at these revisions, so many seconds after the start.
    fn check_ends(ends: &[(&str, i64, u64)], reigns: &[(u64, u64)]) -> Outcome {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let seen = |key: &str, is_end, revision, at| Seen { key: key.into(), is_end, revision, at };
        let puts = [("a", 2), ("b", 3), ("c", 4)];
        let puts = puts.iter().map(|(key, revision)| seen(key, false, *revision, start));
        let ends = ends.iter().map(|(key, revision, after)| seen(key, true, *revision, at(*after)));
        let events: Vec<Seen> = puts.chain(ends).collect();
        let reigns = (1..).zip(reigns).map(|(term, (first, last))| Reign {
            term,
            first_seen: at(*first),
            last_seen: at(*last),
        });
        check(&ledger(start), &reigns.collect::<Vec<_>>(), &events)
    }

    #[test]
    fn an_end_in_time_is_as_it_must_be() {
        let outcome = check_ends(&[("a", 5, 6), ("b", 5, 6)], &[(0, 60)]);
        assert_eq!((outcome.kept, outcome.ended.len(), outcome.renewals), (1, 1, 2));
        assert_eq!(outcome.latest, Duration::from_secs(1));
    }

    #[test]
    fn a_change_of_the_leader_lets_it_live_once_more() {
        check_ends(&[("a", 5, 15), ("b", 5, 15)], &[(0, 6), (7, 60)]);
    }

    #[test]
    #[should_panic(expected = "it went too late")]
    fn a_change_after_its_end_comes_too_late() {
        check_ends(&[("a", 5, 15), ("b", 5, 15)], &[(0, 8), (9, 60)]);
    }

    #[test]
    #[should_panic(expected = "it went before its time")]
    fn an_early_end_is_noticed() {
        check_ends(&[("a", 5, 4), ("b", 5, 4)], &[(0, 60)]);
    }

    #[test]
    #[should_panic(expected = "it is there still")]
    fn a_lease_that_stays_is_noticed() {
        check_ends(&[], &[(0, 60)]);
    }

    #[test]
    #[should_panic(expected = "its client renews it, and it is gone")]
    fn a_lost_lease_is_noticed() {
        check_ends(&[("a", 5, 6), ("b", 5, 6), ("c", 6, 6)], &[(0, 60)]);
    }

    #[test]
    #[should_panic(expected = "did not all go in one revision")]
    fn keys_that_go_one_after_the_other_are_noticed() {
        check_ends(&[("a", 5, 6), ("b", 6, 6)], &[(0, 60)]);
    }

    #[test]
    #[should_panic(expected = "b was not put once, and gone at most once")]
    fn a_key_that_goes_twice_is_noticed() {
        check_ends(&[("a", 5, 6), ("b", 5, 6), ("b", 6, 7)], &[(0, 60)]);
    }

    #[test]
    #[should_panic(expected = "after revision 4 came")]
    fn a_revision_that_nobody_saw_is_noticed() {
        check_ends(&[("a", 6, 6), ("b", 6, 6)], &[(0, 60)]);
    }
}
