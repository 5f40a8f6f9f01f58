//! Tokens that mean nothing by themselves: this member remembers whose they are.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use rand::RngExt as _;

/// Letters in front of a token's index.
const LETTERS: usize = 16;
/// What they are taken from.
const ALPHABET: &[u8; 52] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
/// How long a token lives unused when nothing else is said.
const DEFAULT_TTL: Duration = Duration::from_secs(300);

/// The simple tokens that were handed out, each with its user and its end.
///
/// Every member hears of all of them, since they are handed out through the log; each counts the
/// time of their uses by itself, and forgets them all when it ends. Nothing replicated depends on
/// them.
pub struct SimpleTokens {
    by_token: RwLock<HashMap<Box<str>, Held>>,
    ttl_ms: AtomicU64,
    /// Times are counted from here.
    start: Instant,
}

struct Held {
    user: Arc<str>,
    ends_ms: AtomicU64,
}

impl std::fmt::Debug for SimpleTokens {
    /// How many there are, and none of them.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let held = self.by_token.read().len();
        formatter.debug_struct("SimpleTokens").field("held", &held).finish()
    }
}

impl Default for SimpleTokens {
    fn default() -> SimpleTokens {
        SimpleTokens {
            by_token: RwLock::default(),
            ttl_ms: AtomicU64::new(milliseconds(DEFAULT_TTL)),
            start: Instant::now(),
        }
    }
}

impl SimpleTokens {
    /// The secret part of a new token; it goes through the log with the command that hands it out.
    pub fn random_prefix() -> String {
        let mut random = rand::rng();
        (0..LETTERS).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect()
    }

    /// Sets how long a token lives unused; zero is etcd's 300 s.
    pub fn set_ttl(&self, ttl: Duration) {
        let ttl = if ttl.is_zero() { DEFAULT_TTL } else { ttl };
        self.ttl_ms.store(milliseconds(ttl), Ordering::Relaxed);
    }

    /// Remembers the token that the command at `index` of the log hands out, and returns it.
    pub fn assign(&self, user: &str, prefix: &str, index: u64) -> String {
        let token = format!("{prefix}.{index}");
        let ends_ms = AtomicU64::new(self.end_of_use(self.now_ms()));
        let held = Held { user: user.into(), ends_ms };
        self.by_token.write().insert(token.as_str().into(), held);
        token
    }

    /// The index that a token waits for: before this member has applied it, the token may be good
    /// and unknown. None when it is no token at all.
    pub fn index(token: &str) -> Option<u64> {
        let (_, index) = token.split_once('.')?;
        let is_decimal = index.bytes().all(|byte| byte.is_ascii_digit());
        index.parse().ok().filter(|_| is_decimal)
    }

    /// Whose token this is; its time begins anew.
    pub fn user(&self, token: &str) -> Option<Arc<str>> {
        self.user_at(token, self.now_ms())
    }

    fn user_at(&self, token: &str, now_ms: u64) -> Option<Arc<str>> {
        let tokens = self.by_token.read();
        let held = tokens.get(token)?;
        if held.ends_ms.load(Ordering::Relaxed) <= now_ms {
            return None;
        }
        held.ends_ms.store(self.end_of_use(now_ms), Ordering::Relaxed);
        Some(held.user.clone())
    }

    /// Forgets the tokens of a user.
    pub fn forget_user(&self, user: &str) {
        self.keep_users(|held| held != user);
    }

    /// Forgets the tokens of all other users.
    pub(crate) fn keep_users(&self, is_kept: impl Fn(&str) -> bool) {
        self.by_token.write().retain(|_, held| is_kept(&held.user));
    }

    /// Forgets all tokens.
    pub fn clear(&self) {
        self.by_token.write().clear();
    }

    /// Forgets the tokens whose time is over, which count no more whether forgotten or not: only
    /// their memory is won.
    pub fn reap(&self) {
        self.reap_at(self.now_ms());
    }

    fn reap_at(&self, now_ms: u64) {
        let is_over = |held: &Held| held.ends_ms.load(Ordering::Relaxed) <= now_ms;
        if self.by_token.read().values().any(is_over) {
            self.by_token.write().retain(|_, held| !is_over(held));
        }
    }

    fn end_of_use(&self, now_ms: u64) -> u64 {
        now_ms.saturating_add(self.ttl_ms.load(Ordering::Relaxed))
    }

    fn now_ms(&self) -> u64 {
        milliseconds(self.start.elapsed())
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_sixteen_letters_and_an_index() {
        let prefix = SimpleTokens::random_prefix();
        assert_eq!(prefix.len(), LETTERS);
        assert!(prefix.bytes().all(|byte| byte.is_ascii_alphabetic()));
        assert_ne!(prefix, SimpleTokens::random_prefix());
        let token = SimpleTokens::default().assign("u", &prefix, 42);
        assert_eq!(token, format!("{prefix}.42"));
        assert_eq!(SimpleTokens::index(&token), Some(42));
    }

    #[test]
    fn what_is_no_token_has_no_index() {
        for text in
            ["", "a", "a.", "a.b", "a.+5", "a.-5", "a.0x5", "a.5.6", "a.99999999999999999999"]
        {
            assert_eq!(SimpleTokens::index(text), None, "{text:?}");
        }
        assert_eq!(SimpleTokens::index(".5"), Some(5));
    }

    #[test]
    fn only_the_very_token_is_known() {
        let tokens = SimpleTokens::default();
        let token = tokens.assign("u", "abcdefghijklmnop", 42);
        assert_eq!(tokens.user(&token).as_deref(), Some("u"));
        for other in ["abcdefghijklmnop", "abcdefghijklmnop.4", "abcdefghijklmnop.042", ".42", ""] {
            assert_eq!(tokens.user(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_token_ends_unless_it_is_used() {
        let tokens = SimpleTokens::default();
        tokens.set_ttl(Duration::from_millis(100));
        let token = tokens.assign("u", "a", 1);
        let start = tokens.now_ms();
        assert!(tokens.user_at(&token, start + 50).is_some());
        tokens.reap_at(start + 149);
        assert!(tokens.user_at(&token, start + 149).is_some(), "used at 50, it lasts until 150");
        assert_eq!(tokens.user_at(&token, start + 249), None);
        assert_eq!(tokens.by_token.read().len(), 1);
        tokens.reap_at(start + 249);
        assert_eq!(tokens.by_token.read().len(), 0);
    }

    #[test]
    fn a_user_that_changes_loses_its_tokens_alone() {
        let tokens = SimpleTokens::default();
        let (mine, other) = (tokens.assign("u", "a", 1), tokens.assign("v", "b", 2));
        tokens.forget_user("u");
        assert_eq!(tokens.user(&mine), None);
        assert!(tokens.user(&other).is_some());
        tokens.clear();
        assert_eq!(tokens.user(&other), None);
    }

    #[test]
    fn nothing_printed_holds_a_token() {
        let tokens = SimpleTokens::default();
        tokens.assign("somebody", "abcdefghijklmnop", 42);
        assert_eq!(format!("{tokens:?}"), "SimpleTokens { held: 1 }");
    }
}
