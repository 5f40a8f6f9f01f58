//! Changes of the members: what speaks against one before it is asked for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use etcd_membership::{Change, Member, MemberId, Members, PeerUrls, member_id};
use etcd_raft::ChangeError;
use tokio::time::Instant;

use crate::deadline::Deadline;
use crate::{Api, Error, Strictness};

/// How long a connection must have held to count (etcd: 5 s).
const HEALTH_INTERVAL: Duration = Duration::from_secs(5);

/// A member as it is added now, at these URLs. Its id is of this moment, which is looked at once,
/// here: what is replicated has the id.
pub(crate) fn newcomer(urls: &[String], is_learner: bool) -> Result<Member, Error> {
    let urls = PeerUrls::parse(urls).map_err(|_| Error::MemberBadUrls)?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let id = member_id(&urls, "", Some(since.as_secs()));
    Ok(Member { is_learner, ..Member::unstarted(id, urls.into_vec()) })
}

impl Api {
    /// Changes the members, and waits until this one has applied it.
    pub(crate) async fn change_members(
        &self,
        change: Change,
        deadline: Deadline,
    ) -> Result<(), Error> {
        Ok(self.raft.change_members(change, deadline.at).await?)
    }

    /// Whether a member may be added.
    pub(crate) fn may_add(&self, member: &Member) -> Result<(), Error> {
        if self.reconfiguration.strictness == Strictness::Lax {
            return Ok(());
        }
        let cluster = self.views.cluster();
        let members = &cluster.members;
        if !member.is_learner && !members.is_ready_to_add_voter() {
            return Err(Error::NotEnoughStartedMembers);
        }
        let voters = members.voters().count();
        // A cluster of one must be able to grow.
        if voters > 1 && self.connected_voters(members) <= voters.div_ceil(2) {
            return Err(Error::Unhealthy);
        }
        Ok(())
    }

    /// Whether a member may be removed.
    pub(crate) fn may_remove(&self, id: MemberId) -> Result<(), Error> {
        if self.reconfiguration.strictness == Strictness::Lax {
            return Ok(());
        }
        let cluster = self.views.cluster();
        let members = &cluster.members;
        if members.get(id).is_some_and(|member| member.is_learner) {
            return Ok(());
        }
        if !members.is_ready_to_remove_voter(id) {
            return Err(Error::NotEnoughStartedMembers);
        }
        // One that is down has no part in the quorum that there is.
        if id != self.member_id && !self.raft.is_active_since(id, Instant::now()) {
            return Ok(());
        }
        let voters = members.voters().count();
        let left = self.connected_voters(members).saturating_sub(1);
        if left < 1 + voters.saturating_sub(1) / 2 { Err(Error::Unhealthy) } else { Ok(()) }
    }

    /// The voters that this member has been connected with for long, and itself.
    fn connected_voters(&self, members: &Members) -> usize {
        let now = Instant::now();
        let since = now.checked_sub(HEALTH_INTERVAL).unwrap_or(now);
        let is_connected = |member: &&Member| {
            member.id == self.member_id || self.raft.is_active_since(member.id, since)
        };
        members.voters().filter(is_connected).count()
    }
}

impl From<ChangeError> for Error {
    fn from(error: ChangeError) -> Error {
        match error {
            ChangeError::Refused(error) => error.into(),
            // Only the client has a limit for these.
            ChangeError::TimedOut => Error::DeadlineExceeded,
            ChangeError::Stopped => Error::Stopped,
        }
    }
}

impl From<etcd_membership::Error> for Error {
    fn from(error: etcd_membership::Error) -> Error {
        use etcd_membership::Error as E;
        match error {
            E::IdRemoved | E::IdNotFound => Error::MemberNotFound,
            E::IdExists => Error::MemberExists,
            E::PeerUrlExists => Error::PeerUrlExists,
            E::NotLearner => Error::MemberNotLearner,
            E::TooManyLearners => Error::TooManyLearners,
            E::LastVoter => Error::NotEnoughStartedMembers,
            error => Error::other(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newcomer_has_sorted_urls_and_an_id_of_the_second() {
        let urls = ["http://b:1".to_owned(), " http://a:1".to_owned()];
        let before = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let newcomer = newcomer(&urls, true).expect("good URLs");
        assert_eq!(newcomer.peer_urls, ["http://a:1", "http://b:1"]);
        assert!(newcomer.is_learner && !newcomer.is_started());
        let parsed = PeerUrls::parse(&urls).expect("good URLs");
        let mut ids = (before..before + 60).map(|now| member_id(&parsed, "", Some(now)));
        assert!(ids.any(|id| id == newcomer.id));
        assert_eq!(super::newcomer(&[], false), Err(Error::MemberBadUrls));
        assert_eq!(super::newcomer(&["a:1".to_owned()], false), Err(Error::MemberBadUrls));
    }
}
