//! How long a request may take, and who says so.

use std::time::Duration;

use tokio::time::Instant;
use tonic::metadata::MetadataMap;

/// The name of gRPC's own time limit among a request's metadata.
const GRPC_TIMEOUT: &str = "grpc-timeout";
/// The most digits that gRPC allows for it.
const GRPC_TIMEOUT_DIGITS: usize = 8;

/// A request's time, and its end: the client's or the member's limit, whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deadline {
    /// When it began.
    pub(crate) begun: Instant,
    pub(crate) at: Instant,
    pub(crate) set_by: SetBy,
}

/// Whose limit a deadline is: the client is told something else when it is the member's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetBy {
    Client,
    Member,
}

impl Deadline {
    /// The deadline of a request that arrives now; `limit` is the member's.
    pub(crate) fn of(metadata: &MetadataMap, limit: Duration) -> Deadline {
        Deadline::after(Instant::now(), metadata, limit)
    }

    /// The same end, for what begins only now.
    pub(crate) fn begun_now(self) -> Deadline {
        Deadline { begun: Instant::now(), ..self }
    }

    fn after(now: Instant, metadata: &MetadataMap, limit: Duration) -> Deadline {
        let timeout = metadata.get(GRPC_TIMEOUT).and_then(|value| parse(value.to_str().ok()?));
        match timeout {
            Some(timeout) if timeout < limit => {
                Deadline { begun: now, at: now + timeout, set_by: SetBy::Client }
            }
            _ => Deadline { begun: now, at: now + limit, set_by: SetBy::Member },
        }
    }
}

/// Reads gRPC's notation: a number and a unit. Anything else is no limit.
fn parse(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let digits = text.strip_suffix(unit)?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || digits.len() > GRPC_TIMEOUT_DIGITS {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        'H' => Some(Duration::from_secs(number * 3600)),
        'M' => Some(Duration::from_secs(number * 60)),
        'S' => Some(Duration::from_secs(number)),
        'm' => Some(Duration::from_millis(number)),
        'u' => Some(Duration::from_micros(number)),
        'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_a_number_and_a_unit() {
        let minute = Duration::from_secs(60);
        assert_eq!(parse("2H"), Some(120 * minute));
        assert_eq!(parse("3M"), Some(3 * minute));
        assert_eq!(parse("5S"), Some(Duration::from_secs(5)));
        assert_eq!(parse("99999999m"), Some(Duration::from_millis(99_999_999)));
        assert_eq!(parse("7u"), Some(Duration::from_micros(7)));
        assert_eq!(parse("8n"), Some(Duration::from_nanos(8)));
        for wrong in ["", "S", "5", "5s", "+5S", "-5S", "100000000m", "5\u{e9}"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn the_earlier_limit_counts() {
        let (now, limit) = (Instant::now(), Duration::from_secs(7));
        let with = |timeout: &'static str| {
            let mut metadata = MetadataMap::new();
            metadata.insert(GRPC_TIMEOUT, timeout.parse().expect("ASCII"));
            Deadline::after(now, &metadata, limit)
        };
        let at = |seconds, set_by| Deadline {
            begun: now,
            at: now + Duration::from_secs(seconds),
            set_by,
        };
        assert_eq!(with("5S"), at(5, SetBy::Client));
        assert_eq!(with("9S"), at(7, SetBy::Member));
        assert_eq!(with("soon"), at(7, SetBy::Member));
        assert_eq!(Deadline::after(now, &MetadataMap::new(), limit), at(7, SetBy::Member));
    }
}
