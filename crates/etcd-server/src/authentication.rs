//! Tokens, passwords and certificate names, from the configuration's words to the services'.

use std::time::Duration;

use etcd_api::AuthenticationOptions;
use etcd_auth::{Jwt, JwtOptions, TokenKind};
use etcd_config::{Auth, AuthToken};

use crate::Error;

/// How long an unused simple token lives.
pub(crate) fn token_ttl(auth: &Auth) -> Duration {
    Duration::from_secs(auth.auth_token_ttl)
}

/// Reads the keys that tokens are signed with; `by_certificate` is whether certificates name their
/// clients.
pub(crate) fn open(auth: &Auth, by_certificate: bool) -> Result<AuthenticationOptions, Error> {
    let tokens = match auth.token().map_err(Error::Configuration)? {
        AuthToken::None => TokenKind::None,
        AuthToken::Simple => TokenKind::Simple,
        AuthToken::Jwt(options) => TokenKind::Jwt(Box::new(open_jwt(options)?)),
    };
    let bcrypt_cost = u32::try_from(auth.bcrypt_cost);
    let bcrypt_cost = bcrypt_cost.map_err(|error| Error::Configuration(error.to_string()))?;
    Ok(AuthenticationOptions { tokens, bcrypt_cost, by_certificate })
}

fn open_jwt(options: etcd_config::JwtOptions) -> Result<Jwt, Error> {
    if !options.unknown.is_empty() {
        tracing::warn!(keys = options.unknown.join(","), "unknown JWT options");
    }
    let options = JwtOptions {
        sign_method: options.sign_method,
        public_key: options.public_key,
        private_key: options.private_key,
        ttl: options.ttl,
    };
    Ok(Jwt::open(&options)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(auth_token: &str) -> String {
        let auth_token = auth_token.to_owned();
        let auth = Auth { auth_token, bcrypt_cost: 10, auth_token_ttl: 300 };
        match open(&auth, false) {
            Ok(options) => format!("{:?}", options.tokens),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_start_needs_keys_that_can_be_used() {
        assert_eq!(check(""), "None");
        assert_eq!(check("simple"), "Simple");
        assert_eq!(check("other"), "auth: invalid auth options");
        assert_eq!(check("jwt,sign-method=RS256"), "auth: missing key data");
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("secret");
        let hmac = format!("jwt,sign-method=HS256,priv-key={}", file.display());
        let nothing = check(&hmac);
        assert!(nothing.starts_with("auth: cannot read the key file"), "{nothing}");
        std::fs::write(&file, "s").expect("a file is written");
        assert_eq!(check(&hmac), "Jwt(Jwt { method: \"HS256\", .. })");
        let rsa = check(&hmac.replace("HS256", "RS256"));
        assert!(rsa.ends_with("holds no private RSA key of 2048 to 8192 bits in PEM"), "{rsa}");
    }
}
