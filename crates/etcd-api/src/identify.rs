//! Who a caller is, and whether that is enough for what it asks for.

use etcd_apply::{Refusal, Views};
use etcd_auth::{Identity, SimpleTokens, TokenKind};
use etcd_raft::ReadError;

use crate::caller::Caller;
use crate::deadline::Deadline;
use crate::{Api, Error};

impl Api {
    /// Who a caller has proved to be: nobody without proof, and nobody at all while authentication
    /// is off, when this is one look at a flag. A token that is not good is an error, whatever else
    /// the caller could prove.
    pub(crate) async fn identify(
        &self,
        caller: &Caller,
        deadline: Deadline,
    ) -> Result<Identity, Error> {
        if !self.views.auth.is_enabled() {
            return Ok(Identity::nobody());
        }
        if let Some(token) = caller.token() {
            return match self.authentication.tokens() {
                TokenKind::None => Err(Error::InvalidAuthToken),
                // Boxed: most calls have no token, and all would have the room for it.
                TokenKind::Simple => Box::pin(self.identify_simple(token, deadline)).await,
                TokenKind::Jwt(jwt) => Ok(jwt.verify(token)?),
            };
        }
        if self.authentication.by_certificate()
            && let Some(name) = caller.certificate_name()
        {
            let revision = self.views.auth.store().revision();
            return Ok(Identity { user: name.to_owned(), revision });
        }
        Ok(Identity::nobody())
    }

    /// A token may be older here than the command that hands it out: then it is waited for.
    async fn identify_simple(&self, token: &str, deadline: Deadline) -> Result<Identity, Error> {
        let index = SimpleTokens::index(token).ok_or(Error::InvalidAuthToken)?;
        if self.views.applied().index < index {
            self.raft.applied(index, deadline.at).await.map_err(|error| match error {
                ReadError::Stopped => Error::Stopped,
                ReadError::TimedOut | ReadError::LeaderChanged => Error::InvalidAuthToken,
            })?;
        }
        // First the revision: what changes after it makes the identity too old, not too good.
        let revision = self.views.auth.store().revision();
        let user = self.views.auth.tokens().user(token).ok_or(Error::InvalidAuthToken)?;
        Ok(Identity { user: user.as_ref().to_owned(), revision })
    }

    /// Whether a caller may do something, and who it is: what is read on the strength of this must
    /// be told only after [`Api::check_unchanged`].
    pub(crate) async fn permit(
        &self,
        caller: &Caller,
        deadline: Deadline,
        check: impl FnOnce(&Views, &Identity) -> Result<(), Refusal>,
    ) -> Result<Identity, Error> {
        if !self.views.auth.is_enabled() {
            return Ok(Identity::nobody());
        }
        let identity = self.identify(caller, deadline).await?;
        check(&self.views, &identity)?;
        Ok(identity)
    }

    /// Whether a caller may read a range, as [`Api::permit`].
    pub(crate) async fn permit_read(
        &self,
        caller: &Caller,
        deadline: Deadline,
        key: &[u8],
        range_end: &[u8],
    ) -> Result<Identity, Error> {
        self.permit(caller, deadline, |views, who| views.check_range(who, key, range_end)).await
    }

    /// Whether a caller may do what only administrators do.
    pub(crate) async fn permit_admin(
        &self,
        caller: &Caller,
        deadline: Deadline,
    ) -> Result<(), Error> {
        self.permit(caller, deadline, Views::check_admin).await.map(drop)
    }

    /// Whether a caller has proved to be somebody, whoever it is.
    pub(crate) async fn permit_somebody(
        &self,
        caller: &Caller,
        deadline: Deadline,
    ) -> Result<Identity, Error> {
        self.permit(caller, deadline, Views::check_somebody).await
    }

    /// Whether what was read since a check may still be told.
    pub(crate) fn check_unchanged(&self, identity: &Identity) -> Result<(), Error> {
        Ok(self.views.check_unchanged(identity)?)
    }
}
