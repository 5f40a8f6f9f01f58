//! How clients prove to this member who they are: tokens, certificates, passwords.

use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use bytes::Bytes;
use etcd_auth::{Auth, TokenKind, password};
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval};

use crate::Error;

/// How often simple tokens that have ended are forgotten (etcd: 1 s).
const REAPING_PACE: Duration = Duration::from_secs(1);

/// What counts as proof.
#[derive(Debug)]
pub struct AuthenticationOptions {
    /// The tokens that are handed out and taken (`--auth-token`).
    pub tokens: TokenKind,
    /// The cost of hashing a password, 4 to 31 (`--bcrypt-cost`).
    pub bcrypt_cost: u32,
    /// Whether a client's certificate names it when it brings no token (`--client-cert-auth`).
    pub by_certificate: bool,
}

/// This member's ways to find out who a client is. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Authentication {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: AuthenticationOptions,
    /// How many passwords are hashed or compared at the same time.
    at_work: Arc<Semaphore>,
}

impl Authentication {
    /// Half of the machine may be busy with passwords: a flood of logins leaves the rest to
    /// everybody else.
    pub fn new(options: AuthenticationOptions) -> Authentication {
        let threads = available_parallelism().map_or(1, |threads| threads.get() / 2).max(1);
        let at_work = Arc::new(Semaphore::new(threads));
        Authentication { shared: Arc::new(Shared { options, at_work }) }
    }

    pub(crate) fn tokens(&self) -> &TokenKind {
        &self.shared.options.tokens
    }

    pub(crate) fn by_certificate(&self) -> bool {
        self.shared.options.by_certificate
    }

    /// Hashes a new password.
    pub(crate) async fn hash(&self, password: String) -> Result<String, Error> {
        let cost = self.shared.options.bcrypt_cost;
        self.work(move || password::hash(&password, cost)).await?.map_err(Error::from)
    }

    /// Whether a password is the one that was hashed.
    pub(crate) async fn fits(&self, password: String, hash: Bytes) -> Result<bool, Error> {
        self.work(move || password::fits(&password, &hash)).await
    }

    /// Does long work on a thread of its own, when it is its turn. A client that leaves before gives
    /// its place away; one that leaves later does not shorten the work.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let turn = Arc::clone(&self.shared.at_work).acquire_owned().await;
        let turn = turn.expect("the semaphore is never closed");
        let work = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        // It does not panic; its runtime may end under it.
        work.await.map_err(|_| Error::Stopped)
    }
}

/// Forgets simple tokens that have ended. Runs until it is dropped.
pub async fn reap_tokens(auth: Auth) {
    let mut rounds = interval(REAPING_PACE);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        auth.tokens().reap();
    }
}
