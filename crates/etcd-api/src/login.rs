//! A password for a token.

use etcd_apply::{Answer, AuthAnswer};
use etcd_auth::{Identity, SimpleTokens, Token, TokenKind};
use etcd_proto::etcdserverpb::{
    AuthenticateRequest, AuthenticateResponse, InternalAuthenticateRequest, InternalRaftRequest,
};
use tokio::time::timeout_at;
use tonic::Status;

use crate::caller::Caller;
use crate::deadline::{Deadline, SetBy};
use crate::kv::unexpected;
use crate::{Api, Error};

impl Api {
    /// Lets a user in who knows its password. The password stays here: what goes through the log is
    /// that this member found it right.
    pub(crate) async fn authenticate(
        &self,
        caller: &Caller,
        request: AuthenticateRequest,
    ) -> Result<AuthenticateResponse, Status> {
        let deadline = || Deadline::of(caller.metadata(), self.limits.request_timeout);
        let first = deadline();
        self.read_barrier(first).await?;
        loop {
            // Under a flood of logins only the client says how long its own may wait.
            let checked = self.check_password(&request);
            let revision = match first.set_by {
                SetBy::Member => checked.await?,
                SetBy::Client => {
                    timeout_at(first.at, checked).await.map_err(|_| Error::DeadlineExceeded)??
                }
            };
            let left = match first.set_by {
                SetBy::Member => deadline(),
                SetBy::Client => first,
            };
            let response = self.hand_out(&request.name, left).await?;
            // The password was right before what changed since: it may be another one now.
            if self.views.auth.store().revision() == revision {
                return Ok(response);
            }
        }
    }

    /// Whether the password is right, and at which revision of the store it was.
    async fn check_password(&self, request: &AuthenticateRequest) -> Result<u64, Error> {
        let store = self.views.auth.store();
        let hash = store.password_hash(&request.name)?;
        if !self.authentication.fits(request.password.clone(), hash).await? {
            tracing::warn!(user = request.name.as_str(), "invalid authentication was requested");
            return Err(Error::AuthFailed);
        }
        Ok(store.revision())
    }

    /// Tells every member that a user is in, and gives it a token.
    async fn hand_out(
        &self,
        name: &str,
        deadline: Deadline,
    ) -> Result<AuthenticateResponse, Status> {
        let simple_token = match self.authentication.tokens() {
            TokenKind::Simple => SimpleTokens::random_prefix(),
            TokenKind::None | TokenKind::Jwt(_) => String::new(),
        };
        let authenticate = InternalAuthenticateRequest {
            name: name.to_owned(),
            simple_token,
            ..InternalAuthenticateRequest::default()
        };
        let command =
            InternalRaftRequest { authenticate: Some(authenticate), ..Default::default() };
        let answer = self.propose(&command, deadline.begun_now()).await?;
        let Answer::Auth(AuthAnswer::Authenticated { token, identity }, revision) = answer else {
            return Err(unexpected());
        };
        let token = match token {
            Some(Token(simple)) => simple,
            None => self.sign(identity).await?,
        };
        Ok(AuthenticateResponse { header: Some(self.header(revision)), token })
    }

    async fn sign(&self, identity: Identity) -> Result<String, Error> {
        let authentication = self.authentication.clone();
        let sign = move || match authentication.tokens() {
            TokenKind::Jwt(jwt) => Ok(jwt.sign(&identity)?),
            TokenKind::None | TokenKind::Simple => Err(Error::AuthFailed),
        };
        self.authentication.work(sign).await?
    }
}
