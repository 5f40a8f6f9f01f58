//! Passwords: hashed once, compared at every login. Both take tens of milliseconds by intent.

use bcrypt::Version;

use crate::{Error, Refusal};

/// The most bytes of a password that a hash can be made of.
const MAX_BYTES: usize = 72;

/// Hashes a password, at a cost of 4 to 31, into bcrypt's text in the version that etcd writes.
///
/// # Errors
/// `PasswordTooLong`; `Random` when the system gives no salt.
pub fn hash(password: &str, cost: u32) -> Result<String, Error> {
    if password.len() > MAX_BYTES {
        return Err(Refusal::PasswordTooLong.into());
    }
    match bcrypt::hash_with_result(password, cost) {
        Ok(parts) => Ok(parts.format_for_version(Version::TwoA)),
        Err(error) => Err(Error::Random(error.to_string())),
    }
}

/// Whether a password is the one that was hashed. Bytes beyond the most that count do not, and a
/// hash that is none fits no password; both as in etcd.
pub fn fits(password: &str, hash: &[u8]) -> bool {
    std::str::from_utf8(hash).is_ok_and(|hash| bcrypt::verify(password, hash).unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: u32 = 4;

    #[test]
    fn the_password_fits_its_hash_and_no_other_does() {
        for password in ["secret", "", "\0", "p\u{e4}ss"] {
            let hash = hash(password, CHEAP).expect("a hash");
            assert!(hash.starts_with("$2a$04$") && hash.len() == 60, "{hash}");
            assert!(fits(password, hash.as_bytes()), "{password:?}");
            assert!(!fits("secret2", hash.as_bytes()), "{password:?}");
        }
    }

    #[test]
    fn a_hash_made_by_go_is_read() {
        // bcrypt of "p2" as etcd 3.7.1 stored it.
        let hash = b"$2a$04$evMusRa7DMofyPJnwCLNEuORA4O60ihUOdCzA8mgoA4F.Xse//PlK";
        assert!(fits("p2", hash) && !fits("p3", hash));
    }

    #[test]
    fn only_seventy_two_bytes_are_hashed_and_compared() {
        let longest = "x".repeat(72);
        let stored = hash(&longest, CHEAP).expect("a hash");
        assert!(fits(&longest, stored.as_bytes()));
        assert!(fits(&"x".repeat(90), stored.as_bytes()));
        assert!(!fits(&"x".repeat(71), stored.as_bytes()));
        let refused = hash(&"x".repeat(73), CHEAP).expect_err("refused");
        assert_eq!(refused.to_string(), "bcrypt: password length exceeds 72 bytes");
    }

    #[test]
    fn what_is_no_hash_fits_nothing() {
        for hash in [
            &b""[..],
            b"hello",
            b"\xff",
            b"$2a$99$evMusRa7DMofyPJnwCLNEuORA4O60ihUOdCzA8mgoA4F.Xse//PlK",
        ] {
            assert!(!fits("", hash) && !fits("hello", hash));
        }
    }
}
