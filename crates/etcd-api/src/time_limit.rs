//! The refusal of a time limit that is none, in the words of the gRPC library that etcd uses.

use axum::http::HeaderMap;
use tonic::Status;

/// gRPC's name for it.
const GRPC_TIMEOUT: &str = "grpc-timeout";
/// A digit at least, eight at most, and a unit.
const LENGTHS: std::ops::RangeInclusive<usize> = 2..=9;
/// Hours to nanoseconds.
const UNITS: &[u8] = b"HMSmun";

/// Why the call cannot be taken; `None` when it has no time limit or a proper one.
pub(crate) fn refusal(headers: &HeaderMap) -> Option<Status> {
    let value = headers.get(GRPC_TIMEOUT)?;
    let text = String::from_utf8_lossy(value.as_bytes());
    let reason = fault(&text)?;
    Some(Status::internal(format!("malformed grpc-timeout: {reason}")))
}

fn fault(text: &str) -> Option<String> {
    if text.len() < *LENGTHS.start() {
        return Some(format!("transport: timeout string is too short: {text:?}"));
    }
    if text.len() > *LENGTHS.end() {
        return Some(format!("transport: timeout string is too long: {text:?}"));
    }
    let (unit, digits) = text.as_bytes().split_last()?;
    if !UNITS.contains(unit) {
        return Some(format!("transport: timeout unit is not recognized: {text:?}"));
    }
    if digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = String::from_utf8_lossy(digits);
    Some(format!("strconv.ParseUint: parsing {digits:?}: invalid syntax"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_limit_is_a_number_with_a_unit() {
        for proper in ["1H", "20M", "300S", "4000m", "50000u", "12345678n", "0S"] {
            assert_eq!(fault(proper), None, "{proper}");
        }
        let reason = |text| fault(text).expect("a fault");
        assert_eq!(reason("S"), "transport: timeout string is too short: \"S\"");
        assert_eq!(reason(""), "transport: timeout string is too short: \"\"");
        assert_eq!(reason("123456789S"), "transport: timeout string is too long: \"123456789S\"");
        assert_eq!(reason("10s"), "transport: timeout unit is not recognized: \"10s\"");
        assert_eq!(reason("10"), "transport: timeout unit is not recognized: \"10\"");
        assert_eq!(reason("-1S"), "strconv.ParseUint: parsing \"-1\": invalid syntax");
        assert_eq!(reason("+1S"), "strconv.ParseUint: parsing \"+1\": invalid syntax");
    }

    #[test]
    fn calls_without_a_time_limit_are_taken() {
        assert!(refusal(&HeaderMap::new()).is_none());
    }
}
