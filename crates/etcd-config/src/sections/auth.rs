//! Section Auth: what proves a user, and how passwords are kept.

use serde::{Deserialize, Serialize};

use crate::flag::Flag;
use crate::kind::Kind;

/// The bcrypt cost where the given one is out of range.
pub(crate) const DEFAULT_BCRYPT_COST: u64 = 10;
/// The bcrypt costs that there are.
pub(crate) const BCRYPT_COSTS: std::ops::RangeInclusive<u64> = 4..=31;

/// What proves a user, and how passwords are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Auth {
    /// The tokens: `simple`, `jwt,...` or empty for none; see [`Auth::token`].
    pub auth_token: String,
    /// The cost of hashing passwords, 4 to 31.
    pub bcrypt_cost: u64,
    /// How long an unused simple token is valid, in seconds.
    pub auth_token_ttl: u64,
}

/// The kind of token that a user gets for a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthToken {
    /// None: users cannot authenticate.
    None,
    /// Random words that this member remembers.
    Simple,
    /// Signed tokens, with their options (`sign-method`, `pub-key`, `priv-key`, `ttl`) in order.
    Jwt(Vec<(String, String)>),
}

/// The algorithms that can sign a token.
const SIGN_METHODS: &[&str] = &[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "HS256",
    "HS384", "HS512", "EdDSA",
];

impl Auth {
    /// The kind of token; the error is etcd's text for options that it refuses, which a loaded
    /// configuration does not have.
    pub fn token(&self) -> Result<AuthToken, String> {
        token(&self.auth_token)
    }
}

/// See [`Auth::token`].
pub(crate) fn token(text: &str) -> Result<AuthToken, String> {
    let bad_options = || "auth: invalid auth options".to_owned();
    let mut words = text.split(',');
    let kind = words.next().unwrap_or_default();
    let mut options: Vec<(String, String)> = Vec::new();
    for word in words {
        let (name, value) = word.split_once('=').ok_or_else(bad_options)?;
        if options.iter().any(|(given, _)| given == name) {
            return Err(bad_options());
        }
        options.push((name.to_owned(), value.to_owned()));
    }
    match kind {
        "" => Ok(AuthToken::None),
        "simple" => Ok(AuthToken::Simple),
        "jwt" => {
            let option = |name: &str| {
                options.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
            };
            if option("ttl").is_some_and(|ttl| crate::duration::parse(ttl).is_err()) {
                return Err(bad_options());
            }
            if !option("sign-method").is_some_and(|method| SIGN_METHODS.contains(&method)) {
                return Err("auth: invalid auth signature method".to_owned());
            }
            Ok(AuthToken::Jwt(options))
        }
        _ => Err(bad_options()),
    }
}

pub(crate) const FLAGS: &[Flag] = &[
    Flag::new(
        "auth-token",
        Kind::Text,
        "simple",
        "Tokens of users: 'simple' or 'jwt,sign-method=...,pub-key=...,priv-key=...,ttl=...'.",
    ),
    Flag::new("bcrypt-cost", Kind::Uint, "10", "Cost of hashing passwords, 4 to 31."),
    Flag::new("auth-token-ttl", Kind::Uint, "300", "Seconds that an unused token is valid."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_none_simple_or_signed() {
        assert_eq!(token(""), Ok(AuthToken::None));
        assert_eq!(token("simple"), Ok(AuthToken::Simple));
        let options = vec![
            ("sign-method".to_owned(), "RS256".to_owned()),
            ("ttl".to_owned(), "10m".to_owned()),
        ];
        assert_eq!(token("jwt,sign-method=RS256,ttl=10m"), Ok(AuthToken::Jwt(options)));
    }

    #[test]
    fn bad_options_and_bad_methods_are_told_apart() {
        for text in ["other", "jwt,ttl", "jwt,ttl=1m,ttl=2m", "jwt,sign-method=RS256,ttl=x"] {
            assert_eq!(token(text), Err("auth: invalid auth options".to_owned()), "{text}");
        }
        for text in ["jwt", "jwt,sign-method=none"] {
            let message = "auth: invalid auth signature method".to_owned();
            assert_eq!(token(text), Err(message), "{text}");
        }
    }
}
