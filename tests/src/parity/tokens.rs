//! What proves users to both servers.

use std::path::Path;

/// A password of the tests need not be hard to guess: the smallest cost there is.
const BCRYPT_COST: u8 = 4;

/// The kind of tokens that servers give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tokens {
    /// Words that members remember: good until their user changes.
    Simple,
    /// Signed ones: good until any user or role changes.
    Signed,
}

impl Tokens {
    /// Every third store has signed ones.
    pub(crate) fn of_store(number: u64) -> Tokens {
        if number % 3 == 1 { Tokens::Signed } else { Tokens::Simple }
    }

    /// The flags of either server, whose key is in `home`.
    pub(crate) fn flags(self, home: &Path) -> Vec<String> {
        let mut flags = vec![format!("--bcrypt-cost={BCRYPT_COST}")];
        if self == Tokens::Signed {
            let key = home.join("key");
            std::fs::write(&key, [b'k'; 64]).expect("the folder can be written");
            let key = key.display();
            flags.push(format!("--auth-token=jwt,sign-method=HS256,priv-key={key},ttl=1h"));
        }
        flags
    }
}
