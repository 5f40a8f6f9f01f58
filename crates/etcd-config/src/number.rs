//! Numbers and booleans in the forms that etcd's flags read.

/// Why a text is no number: the two cases that etcd's messages tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberFault {
    /// The text is not written as a number.
    Syntax,
    /// The number does not fit the type.
    Range,
}

/// Reads the eleven spellings of a boolean.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Reads a whole number in decimal, `0x`, `0o`, `0b` or leading-zero octal form, with `_` between
/// digits, that is at most `max`.
pub(crate) fn parse_uint(text: &str, max: u64) -> Result<u64, NumberFault> {
    let lower = text.to_ascii_lowercase();
    let (radix, digits, prefixed) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..], true),
        [b'0', b'o', ..] => (8, &lower[2..], true),
        [b'0', b'b', ..] => (2, &lower[2..], true),
        [b'0', _, ..] => (8, &lower[1..], true),
        _ => (10, lower.as_str(), false),
    };
    // A separator may stand between two digits or after a prefix, never first, last or doubled.
    let separated =
        digits.ends_with('_') || digits.contains("__") || (digits.starts_with('_') && !prefixed);
    let plain = digits.replace('_', "");
    if separated || plain.is_empty() || !plain.chars().all(|digit| digit.is_digit(radix)) {
        return Err(NumberFault::Syntax);
    }
    match u64::from_str_radix(&plain, radix) {
        Ok(number) if number <= max => Ok(number),
        Ok(_) | Err(_) => Err(NumberFault::Range),
    }
}

/// Reads a signed whole number in the forms of [`parse_uint`] behind an optional sign.
pub(crate) fn parse_int(text: &str) -> Result<i64, NumberFault> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = i128::from(parse_uint(digits, 1 << 63)?);
    let number = if negative { -magnitude } else { magnitude };
    i64::try_from(number).map_err(|_| NumberFault::Range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_have_eleven_spellings_and_no_other() {
        for text in ["1", "t", "T", "true", "TRUE", "True"] {
            assert_eq!(parse_bool(text), Some(true), "{text}");
        }
        for text in ["0", "f", "F", "false", "FALSE", "False"] {
            assert_eq!(parse_bool(text), Some(false), "{text}");
        }
        for text in ["", "yes", "tRUE", "2", " true"] {
            assert_eq!(parse_bool(text), None, "{text}");
        }
    }

    #[test]
    fn unsigned_numbers_have_five_forms() {
        for (text, number) in [
            ("0", 0),
            ("100", 100),
            ("0x1F", 31),
            ("0o17", 15),
            ("017", 15),
            ("0b101", 5),
            ("1_000", 1000),
            ("0x_f", 15),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_uint(text, u64::MAX), Ok(number), "{text}");
        }
    }

    #[test]
    fn a_bad_number_is_told_from_a_large_one() {
        for text in ["", "-1", "+1", "x", "1.5", "08", "_1", "1_", "1__0", "0x", " 1"] {
            assert_eq!(parse_uint(text, u64::MAX), Err(NumberFault::Syntax), "{text}");
        }
        assert_eq!(parse_uint("18446744073709551616", u64::MAX), Err(NumberFault::Range));
        assert_eq!(parse_uint("4294967296", u64::from(u32::MAX)), Err(NumberFault::Range));
    }

    #[test]
    fn signed_numbers_reach_both_ends() {
        assert_eq!(parse_int("-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(parse_int("+9223372036854775807"), Ok(i64::MAX));
        assert_eq!(parse_int("9223372036854775808"), Err(NumberFault::Range));
        assert_eq!(parse_int("--1"), Err(NumberFault::Syntax));
    }
}
