//! Which values share a bucket: four buckets for each power of two.

/// Buckets for one power of two, as a power of two itself.
const SPLIT_BITS: u32 = 2;
/// Values below have a bucket each.
const EXACT: u64 = 1 << SPLIT_BITS;

/// The number of a value's bucket.
pub(crate) fn of(value: u64) -> usize {
    if value < EXACT {
        return value as usize;
    }
    let power = value.ilog2();
    let within = (value >> (power - SPLIT_BITS)) & (EXACT - 1);
    let powers_before = u64::from(power - SPLIT_BITS + 1);
    ((powers_before << SPLIT_BITS) | within) as usize
}

/// The least value of a bucket.
pub(crate) fn least(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < EXACT {
        return bucket;
    }
    let shift = (bucket >> SPLIT_BITS) - 1;
    (EXACT | (bucket & (EXACT - 1))) << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_the_bucket_that_begins_at_or_before_it() {
        let near_powers = (0..64).flat_map(|power| {
            let value = 1u64 << power;
            [value - 1, value, value + 1, value + value / 4, value + value / 2]
        });
        for value in near_powers.chain([u64::MAX]) {
            let bucket = of(value);
            assert!(least(bucket) <= value, "{value}");
            assert!(bucket == of(u64::MAX) || least(bucket + 1) > value, "{value}");
        }
    }

    #[test]
    fn buckets_begin_in_ascending_order() {
        let begins: Vec<u64> = (0..=of(u64::MAX)).map(least).collect();
        assert!(begins.is_sorted_by(|one, next| one < next));
    }
}
