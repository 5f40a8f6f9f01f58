//! Whole numbers as JSON may write them: also `1.0`, `12e3` and `"12"`.

/// A number of JSON at the beginning of a text, if one stands there and a delimiter behind it.
pub(crate) fn leading(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut end = usize::from(bytes.first() == Some(&b'-'));
    end += match bytes.get(end)? {
        b'0' => 1,
        b'1'..=b'9' => digits(end),
        _ => return None,
    };
    if bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) && bytes.len() > end + 1 {
        end += 1 + usize::from(matches!(bytes[end + 1], b'+' | b'-'));
        if end == bytes.len() {
            return None;
        }
        end += digits(end);
    }
    let is_delimited = bytes.get(end).is_none_or(|byte| {
        !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'+' | b'.' | b'_')
    });
    is_delimited.then(|| &text[..end])
}

/// The digits of a number of JSON if it is whole, whatever its notation.
pub(crate) fn whole(number: &str) -> Option<String> {
    /// The largest number of 64 bits has as many.
    const MAX_DIGITS: i64 = 20;
    let (sign, rest) = match number.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", number),
    };
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, ""));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let integer = if integer == "0" { "" } else { integer };
    let fraction = fraction.trim_end_matches('0');
    if integer.is_empty() && fraction.is_empty() {
        return Some("0".to_owned());
    }
    let exponent: i32 = if exponent.is_empty() { 0 } else { exponent.parse().ok()? };
    let size = i64::try_from(integer.len()).ok()?;
    if exponent < 0 {
        let end = usize::try_from(size + i64::from(exponent)).ok()?;
        let (kept, dropped) = integer.split_at(end);
        let is_whole = fraction.is_empty() && dropped.bytes().all(|digit| digit == b'0');
        return is_whole.then(|| format!("{sign}{kept}"));
    }
    let zeros = usize::try_from(exponent).ok()?.checked_sub(fraction.len())?;
    let is_possible = size + i64::from(exponent) <= MAX_DIGITS;
    is_possible.then(|| format!("{sign}{integer}{fraction}{}", "0".repeat(zeros)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_have_many_notations() {
        for (number, expected) in [
            ("0", "0"),
            ("-0", "0"),
            ("0e99999999999", "0"),
            ("12", "12"),
            ("-12", "-12"),
            ("1.0", "1"),
            ("1.50e1", "15"),
            ("12e3", "12000"),
            ("12E+3", "12000"),
            ("1200e-2", "12"),
            ("0.05e2", "05"),
            ("18446744073709551615", "18446744073709551615"),
        ] {
            assert_eq!(whole(number).as_deref(), Some(expected), "{number}");
        }
        for number in ["1.5", "12e-1", "1e-5", "1e99999999999", "1e25", "1e+"] {
            assert_eq!(whole(number), None, "{number}");
        }
    }

    #[test]
    fn a_number_in_a_text_ends_at_a_delimiter() {
        for (text, number) in
            [("12", "12"), ("12 x", "12"), ("-1.5e-3,", "-1.5e-3"), ("0}", "0"), ("1e ", "1e")]
        {
            assert_eq!(leading(text), Some(number), "{text}");
        }
        for text in ["", "-", "a", "012", "12x", "1.", "1e", "1e+", "+1", " 1", ".5"] {
            assert_eq!(leading(text), None, "{text}");
        }
    }
}
