//! Expiries that would pile up are drawn apart.

use std::time::Duration;

use crate::clock::Moment;

/// The fewest leases that can pile up: so many can be revoked in a second (etcd's number).
pub(crate) const MANY_LEASES: usize = 1000;

/// How many may expire in a second after a change of the leader: three quarters of what can be
/// revoked (etcd's number), so that new expiries are not held up by those that piled up.
const EXPIRIES_PER_SECOND: u32 = 750;

/// Moves expiries back, never forward, until no more than [`EXPIRIES_PER_SECOND`] fall into a
/// second. The expiries must be sorted, and still are afterwards.
pub(crate) fn spread(expiries: &mut [(Moment, i64)]) {
    let distance = Duration::from_secs(1) / EXPIRIES_PER_SECOND;
    let mut free = Moment::ZERO;
    for (expiry, _) in expiries {
        *expiry = free.max(*expiry);
        free = expiry.after(distance);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Moment {
        Moment::ZERO.after(Duration::from_millis(milliseconds))
    }

    #[test]
    fn expiries_of_one_moment_are_drawn_apart() {
        let mut expiries: Vec<_> = (0..3000).map(|id| (at(10_000), id)).collect();
        spread(&mut expiries);
        assert_eq!(expiries[0].0, at(10_000));
        assert!(expiries.iter().all(|(expiry, _)| *expiry <= at(14_000)));
        for pair in expiries.windows(751) {
            assert!(pair[750].0.seconds_from_up(pair[0].0) >= 1, "more than 750 in a second");
        }
    }

    #[test]
    fn expiries_that_are_far_apart_stay() {
        let apart: Vec<_> = (0..10).map(|id| (at(id * 100), id as i64)).collect();
        let mut expiries = apart.clone();
        spread(&mut expiries);
        assert_eq!(expiries, apart);
    }
}
