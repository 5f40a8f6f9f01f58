//! Times that leases have left, which depend on two servers' clocks.
//!
//! Both grant and renew a lease one right after the other; so their times differ by what the slower
//! one took, and by a second since they are whole. A lock or an election of a real etcd may or may
//! not renew its lease in passing: of such a lease it is compared only that it has time left.

use super::answer::Answer;
use super::told::Told;
use std::collections::BTreeSet;

/// By so many seconds the times of both servers may differ.
const TOLERANCE_SECONDS: i64 = 3;

/// Makes answers alike that differ by so little. `renewed` are leases of locks and elections.
pub(crate) fn level(renewed: &BTreeSet<i64>, reference: &Answer, subject: &mut Answer) {
    let (
        Answer::Told(Told::LeaseTimeToLive(reference)),
        Answer::Told(Told::LeaseTimeToLive(subject)),
    ) = (reference, subject)
    else {
        return;
    };
    // A lease that is gone has a time below zero, on both.
    let both_live = reference.granted_ttl > 0 && subject.granted_ttl > 0;
    let is_close = reference.ttl.abs_diff(subject.ttl) <= TOLERANCE_SECONDS.unsigned_abs();
    let is_renewed = renewed.contains(&reference.id) && reference.ttl >= 0 && subject.ttl >= 0;
    if both_live && (is_close || is_renewed) {
        subject.ttl = reference.ttl;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etcd_proto::etcdserverpb::LeaseTimeToLiveResponse;

    fn of(id: i64, ttl: i64, granted_ttl: i64) -> Answer {
        let response = LeaseTimeToLiveResponse { id, ttl, granted_ttl, ..Default::default() };
        Answer::Told(Told::LeaseTimeToLive(response))
    }

    fn are_alike(reference: &Answer, mut subject: Answer) -> bool {
        level(&BTreeSet::from([9]), reference, &mut subject);
        *reference == subject
    }

    #[test]
    fn times_that_are_left_differ_by_little() {
        assert!(are_alike(&of(1, 600, 600), of(1, 598, 600)));
        assert!(!are_alike(&of(1, 600, 600), of(1, 590, 600)));
        assert!(!are_alike(&of(1, -1, 0), of(1, 1, 600)));
        assert!(!are_alike(&of(1, -1, 0), of(1, 0, 0)));
        assert!(are_alike(&of(9, 600, 600), of(9, 400, 600)));
    }
}
