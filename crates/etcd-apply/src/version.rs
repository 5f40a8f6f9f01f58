//! Versions as clusters and storages have them: a major and a minor number.

use std::fmt;

/// A version of which only the first two numbers count. It is written with a zero as the third:
/// "3.7.0".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Changes when nothing fits any more.
    pub major: u64,
    /// Changes with what is stored and what is said.
    pub minor: u64,
}

/// The first version whose storage says which version it is.
const FIRST_STORED: Version = Version { major: 3, minor: 6 };

impl Version {
    /// Reads "3.7.1", also with a pre-release and with build metadata behind it. Anything else is
    /// none.
    pub fn parse(text: &str) -> Option<Version> {
        let (text, metadata) = text.split_once('+').unwrap_or((text, ""));
        let (numbers, pre_release) = text.split_once('-').unwrap_or((text, ""));
        if !is_identifier(pre_release) || !is_identifier(metadata) {
            return None;
        }
        let mut numbers = numbers.split('.').map(number);
        let (major, minor, _patch) = (numbers.next()??, numbers.next()??, numbers.next()??);
        numbers.next().is_none().then_some(Version { major, minor })
    }

    /// The one that a cluster of this one can be brought down to.
    pub fn below(self) -> Option<Version> {
        Some(Version { minor: self.minor.checked_sub(1)?, ..self })
    }

    /// That of the storage in a cluster of this one, if such storages have any.
    pub fn of_storage(self) -> Option<Version> {
        (self >= FIRST_STORED).then_some(self)
    }

    /// Its two numbers alone: "3.7".
    pub fn short(self) -> String {
        format!("{}.{}", self.major, self.minor)
    }
}

/// As etcd's library of versions reads a number: in decimal, in 63 bits.
fn number(text: &str) -> Option<u64> {
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = text.parse().ok().filter(|_| is_decimal)?;
    u64::try_from(number).ok()
}

fn is_identifier(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.0", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let parsed = Version::parse(text).map(|version| version.to_string());
        assert_eq!(parsed.as_deref(), expected, "{text:?}");
    }

    #[test]
    fn versions_are_read_as_etcds_library_reads_them() {
        check("3.7.1", Some("3.7.0"));
        check("3.10.0-rc.1+build-7", Some("3.10.0"));
        check("03.07.00", Some("3.7.0"));
        for text in ["", "3", "3.7", "3.7.", "3.7.1.0", "v3.7.1", "3.-7.1", "3.7.x", "3.7.1-_"] {
            check(text, None);
        }
        check("3.99999999999999999999.0", None);
    }

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        let version = |text| Version::parse(text).expect("a version");
        assert!(version("3.10.0") > version("3.7.1"));
        assert_eq!(version("3.7.1"), version("3.7.0"));
        assert_eq!(version("3.7.1").below(), Some(version("3.6.9")));
        assert_eq!(version("4.0.0").below(), None);
        assert_eq!(version("3.5.0").of_storage(), None);
        assert_eq!(version("3.6.0").of_storage(), Some(version("3.6.0")));
        assert_eq!(version("3.6.4").short(), "3.6");
    }
}
