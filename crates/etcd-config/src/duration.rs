//! Durations as etcd's flags write them: `300ms`, `1.5s`, `1h2m3s`.

use std::time::Duration;

/// The largest magnitude that a duration can have, in nanoseconds (about 292 years).
const MAX_NANOS: u128 = 1 << 63;

/// Fraction digits beyond this many are below a nanosecond for every unit.
const MAX_FRACTION_DIGITS: usize = 18;

/// Reads a signed duration into nanoseconds; the error is the text that etcd gives.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let (negative, mut rest) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (whole, after) = split_digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => split_digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {text:?}"));
        }
        let unit_nanos = unit_nanos(unit)
            .ok_or_else(|| format!("time: unknown unit {unit:?} in duration {text:?}"))?;
        total = part_nanos(whole, fraction, unit_nanos)
            .map(|part| total + part)
            .filter(|sum| *sum <= MAX_NANOS)
            .ok_or_else(invalid)?;
        rest = after;
    }
    let signed = i128::try_from(total).map(|sum| if negative { -sum } else { sum });
    signed.ok().and_then(|sum| i64::try_from(sum).ok()).ok_or_else(invalid)
}

/// Prints a duration as etcd prints it: `0s`, `300ms`, `1m30s`, `2h0m0s`.
pub(crate) fn format(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    match nanos {
        0 => return "0s".to_owned(),
        1..1_000 => return format!("{nanos}ns"),
        1_000..1_000_000 => return format!("{}µs", decimal(nanos, 1_000)),
        1_000_000..1_000_000_000 => return format!("{}ms", decimal(nanos, 1_000_000)),
        _ => {}
    }
    let seconds = decimal(nanos % 60_000_000_000, 1_000_000_000);
    let minutes = duration.as_secs() / 60;
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// Nanoseconds as a duration; a negative count, which every duration flag takes for "off", is zero.
pub(crate) fn from_nanos(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn unit_nanos(unit: &str) -> Option<u128> {
    Some(match unit {
        "ns" => 1,
        // Both the micro sign and the Greek letter are in use.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// `whole.fraction` units in nanoseconds, or `None` when that is more than a duration can hold.
fn part_nanos(whole: &str, fraction: &str, unit_nanos: u128) -> Option<u128> {
    let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
    let digits = &fraction[..fraction.len().min(MAX_FRACTION_DIGITS)];
    let below = if digits.is_empty() { 0 } else { digits.parse::<u128>().ok()? };
    let scale = 10_u128.pow(u32::try_from(digits.len()).ok()?);
    let nanos = u128::from(whole).checked_mul(unit_nanos)? + below * unit_nanos / scale;
    (nanos <= MAX_NANOS).then_some(nanos)
}

/// `nanos / unit_nanos` with as many decimals as it needs.
fn decimal(nanos: u128, unit_nanos: u128) -> String {
    let width = unit_nanos.ilog10() as usize;
    let text = format!("{}.{:0width$}", nanos / unit_nanos, nanos % unit_nanos);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_sign_and_fraction_is_read() {
        for (text, nanos) in [
            ("0", 0),
            ("-0", 0),
            ("5s", 5_000_000_000),
            ("100ms", 100_000_000),
            ("1h2m3s", 3_723_000_000_000),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("5.s", 5_000_000_000),
            ("-1m", -60_000_000_000),
            ("7us", 7_000),
            ("7µs", 7_000),
            ("9ns", 9),
            ("-2562047h47m16.854775808s", i64::MIN),
        ] {
            assert_eq!(parse(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn a_bad_duration_says_what_is_wrong() {
        for (text, message) in [
            ("", "time: invalid duration \"\""),
            ("-", "time: invalid duration \"-\""),
            (".s", "time: invalid duration \".s\""),
            ("5", "time: missing unit in duration \"5\""),
            ("5d", "time: unknown unit \"d\" in duration \"5d\""),
            ("9223372036855s", "time: invalid duration \"9223372036855s\""),
            ("2562047h47m16.854775808s", "time: invalid duration \"2562047h47m16.854775808s\""),
        ] {
            assert_eq!(parse(text), Err(message.to_owned()), "{text}");
        }
    }

    #[test]
    fn durations_print_as_etcd_prints_them() {
        for (nanos, text) in [
            (0, "0s"),
            (9, "9ns"),
            (7_500, "7.5µs"),
            (300_000_000, "300ms"),
            (1_500_000_000, "1.5s"),
            (60_000_000_000, "1m0s"),
            (7_200_000_000_000, "2h0m0s"),
            (3_723_000_000_001, "1h2m3.000000001s"),
        ] {
            assert_eq!(format(Duration::from_nanos(nanos)), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn a_printed_duration_reads_back(nanos in 0..i64::MAX) {
            proptest::prop_assert_eq!(parse(&format(from_nanos(nanos))), Ok(nanos));
        }
    }
}
