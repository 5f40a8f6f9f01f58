//! The `ts` field: `2006-01-02T15:04:05.000000Z`, the time in UTC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time as etcd's log lines give it.
pub(crate) fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let text = humantime::format_rfc3339_micros(UNIX_EPOCH + since);
    // Zap's layout ends in Z0700, which is a plain Z in UTC.
    text.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_six_decimals_and_ends_in_z() {
        let time = UNIX_EPOCH + Duration::new(1_700_000_000, 120_000_000);
        assert_eq!(timestamp(time), "2023-11-14T22:13:20.120000Z");
    }
}
