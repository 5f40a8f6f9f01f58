//! Section Auth: what proves a user, and how passwords are kept.

use std::path::PathBuf;
use std::time::Duration;

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
    /// Signed tokens.
    Jwt(JwtOptions),
}

/// How tokens are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtOptions {
    /// The method, as `RS256`.
    pub sign_method: String,
    /// The file of the key that checks them.
    pub public_key: Option<PathBuf>,
    /// The file of the key that signs them.
    pub private_key: Option<PathBuf>,
    /// How long a token is good; a negative time is none.
    pub ttl: Duration,
    /// Options that nobody knows.
    pub unknown: Vec<String>,
}

/// How long a signed token is good when nothing else is said.
const DEFAULT_JWT_TTL: Duration = Duration::from_secs(300);

/// What etcd says to options that it does not understand.
const BAD_OPTIONS: &str = "auth: invalid auth options";

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
    let bad_options = || BAD_OPTIONS.to_owned();
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
        "jwt" => Ok(AuthToken::Jwt(jwt(options)?)),
        _ => Err(bad_options()),
    }
}

fn jwt(options: Vec<(String, String)>) -> Result<JwtOptions, String> {
    let mut jwt = JwtOptions {
        sign_method: String::new(),
        public_key: None,
        private_key: None,
        ttl: DEFAULT_JWT_TTL,
        unknown: Vec::new(),
    };
    for (name, value) in options {
        match name.as_str() {
            "sign-method" => jwt.sign_method = value,
            "pub-key" => jwt.public_key = Some(value.into()),
            "priv-key" => jwt.private_key = Some(value.into()),
            "ttl" => {
                let nanoseconds = crate::duration::parse(&value).map_err(|_| BAD_OPTIONS)?;
                jwt.ttl = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0));
            }
            _ => jwt.unknown.push(name),
        }
    }
    match SIGN_METHODS.contains(&jwt.sign_method.as_str()) {
        true => Ok(jwt),
        false => Err(BAD_OPTIONS.to_owned()),
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
        let plain = JwtOptions {
            sign_method: "RS256".to_owned(),
            public_key: None,
            private_key: None,
            ttl: Duration::from_secs(300),
            unknown: Vec::new(),
        };
        assert_eq!(token("jwt,sign-method=RS256"), Ok(AuthToken::Jwt(plain.clone())));
        let all = JwtOptions {
            public_key: Some("a.pub".into()),
            private_key: Some("a.key".into()),
            ttl: Duration::from_secs(600),
            unknown: vec!["x".to_owned()],
            ..plain.clone()
        };
        let text = "jwt,pub-key=a.pub,priv-key=a.key,sign-method=RS256,ttl=10m,x=y";
        assert_eq!(token(text), Ok(AuthToken::Jwt(all)));
        let none = JwtOptions { ttl: Duration::ZERO, ..plain };
        assert_eq!(token("jwt,sign-method=RS256,ttl=-5s"), Ok(AuthToken::Jwt(none)));
    }

    #[test]
    fn bad_options_and_bad_methods_are_refused() {
        for text in [
            "other",
            "jwt",
            "jwt,sign-method=none",
            "jwt,ttl",
            "jwt,ttl=1m,ttl=2m",
            "jwt,sign-method=RS256,ttl=x",
        ] {
            assert_eq!(token(text), Err("auth: invalid auth options".to_owned()), "{text}");
        }
    }
}
