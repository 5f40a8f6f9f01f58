//! The replicated member set: what the log's membership changes do to it.

use crate::{Error, Member, MemberId};
use std::collections::{BTreeMap, BTreeSet};

/// The value of every record in etcd's `members_removed` bucket; its keys are ids.
pub const REMOVED_RECORD: &[u8] = b"removed";

/// All members by id, and the ids that were removed and never come back.
///
/// Every operation depends on the set and its arguments alone, so that members which apply the
/// same log hold the same set. An operation that fails changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    /// Invariant: shares no id with `removed`, and no two members share a peer URL unless they
    /// came so from a record.
    members: BTreeMap<MemberId, Member>,
    removed: BTreeSet<MemberId>,
}

impl Members {
    /// A set of these members, nobody removed.
    ///
    /// # Errors
    ///
    /// [`Error::IdExists`] when two have the same id.
    pub fn new(members: impl IntoIterator<Item = Member>) -> Result<Members, Error> {
        let mut set = Members::default();
        for member in members {
            if set.members.contains_key(&member.id) {
                return Err(Error::IdExists);
            }
            set.members.insert(member.id, member);
        }
        Ok(set)
    }

    /// Reads the set from the values of the `members` records and the keys of the
    /// `members_removed` records.
    ///
    /// # Errors
    ///
    /// [`Error::MalformedRecord`], [`Error::InvalidId`], or [`Error::IdExists`] when two records
    /// have one id.
    pub fn from_records<V: AsRef<[u8]>, K: AsRef<[u8]>>(
        members: impl IntoIterator<Item = V>,
        removed: impl IntoIterator<Item = K>,
    ) -> Result<Members, Error> {
        let members = members.into_iter().map(|value| Member::decode(value.as_ref()));
        let mut set = Members::new(members.collect::<Result<Vec<_>, _>>()?)?;
        for key in removed {
            let id = String::from_utf8_lossy(key.as_ref()).parse()?;
            set.members.remove(&id);
            set.removed.insert(id);
        }
        Ok(set)
    }

    /// All members, by ascending id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Member> {
        self.members.values()
    }

    /// The members that vote, by ascending id.
    pub fn voters(&self) -> impl Iterator<Item = &Member> {
        self.iter().filter(|member| !member.is_learner)
    }

    /// The member with this id.
    #[must_use]
    pub fn get(&self, id: MemberId) -> Option<&Member> {
        self.members.get(&id)
    }

    /// How many members there are, learners included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no member at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether a member with this id was there and was removed.
    #[must_use]
    pub fn is_removed(&self, id: MemberId) -> bool {
        self.removed.contains(&id)
    }

    /// The ids that were removed, ascending.
    pub fn removed(&self) -> impl ExactSizeIterator<Item = MemberId> {
        self.removed.iter().copied()
    }

    /// Adds a member; a learner only while there are fewer than `max_learners`.
    ///
    /// # Errors
    ///
    /// [`Error::IdRemoved`], [`Error::IdExists`], [`Error::PeerUrlExists`],
    /// [`Error::TooManyLearners`].
    pub fn add(&mut self, member: Member, max_learners: usize) -> Result<&Member, Error> {
        let id = member.id;
        self.check_not_removed(id)?;
        if self.members.contains_key(&id) {
            return Err(Error::IdExists);
        }
        self.check_urls_free(id, &member.peer_urls)?;
        let learners = self.iter().filter(|member| member.is_learner).count();
        if member.is_learner && learners >= max_learners {
            return Err(Error::TooManyLearners);
        }
        Ok(self.members.entry(id).or_insert(member))
    }

    /// Removes a member and bans its id.
    ///
    /// # Errors
    ///
    /// [`Error::IdRemoved`], [`Error::IdNotFound`].
    pub fn remove(&mut self, id: MemberId) -> Result<Member, Error> {
        self.check_not_removed(id)?;
        let member = self.members.remove(&id).ok_or(Error::IdNotFound)?;
        self.removed.insert(id);
        Ok(member)
    }

    /// Gives a member other peer URLs; everything else of it stays.
    ///
    /// # Errors
    ///
    /// [`Error::IdRemoved`], [`Error::IdNotFound`], [`Error::PeerUrlExists`].
    pub fn update_peer_urls(
        &mut self,
        id: MemberId,
        peer_urls: Vec<String>,
    ) -> Result<&Member, Error> {
        self.get_mut(id)?;
        self.check_urls_free(id, &peer_urls)?;
        let member = self.get_mut(id)?;
        member.peer_urls = peer_urls;
        Ok(member)
    }

    /// Makes a learner a voter.
    ///
    /// # Errors
    ///
    /// [`Error::IdRemoved`], [`Error::IdNotFound`], [`Error::NotLearner`].
    pub fn promote(&mut self, id: MemberId) -> Result<&Member, Error> {
        let member = self.get_mut(id)?;
        if !member.is_learner {
            return Err(Error::NotLearner);
        }
        member.is_learner = false;
        Ok(member)
    }

    /// Records what a member says of itself when it has started.
    ///
    /// # Errors
    ///
    /// [`Error::IdRemoved`], which etcd passes over with a line in its log, and
    /// [`Error::IdNotFound`], on which it stops.
    pub fn set_attributes(
        &mut self,
        id: MemberId,
        name: String,
        client_urls: Vec<String>,
    ) -> Result<&Member, Error> {
        let member = self.get_mut(id)?;
        member.name = name;
        member.client_urls = client_urls;
        Ok(member)
    }

    /// Whether enough voters have started that one more, not started, cannot cost the quorum.
    #[must_use]
    pub fn is_ready_to_add_voter(&self) -> bool {
        let (voters, started) = self.count_voters(None);
        // A cluster of one must be able to grow, though the second member has yet to start.
        (voters == 1 && started == 1) || started >= quorum(voters + 1)
    }

    /// Whether the voters that stay when this one is removed have a quorum of started members.
    #[must_use]
    pub fn is_ready_to_remove_voter(&self, id: MemberId) -> bool {
        let (voters, started) = self.count_voters(Some(id));
        started >= quorum(voters)
    }

    /// Whether enough voters have started that one more, which runs already, can be made of a
    /// learner.
    #[must_use]
    pub fn is_ready_to_promote(&self) -> bool {
        let (voters, started) = self.count_voters(None);
        started + 1 >= quorum(voters + 1)
    }

    /// Voters and started voters, without the one left out.
    fn count_voters(&self, left_out: Option<MemberId>) -> (usize, usize) {
        let counted = || self.voters().filter(|member| Some(member.id) != left_out);
        (counted().count(), counted().filter(|member| member.is_started()).count())
    }

    fn get_mut(&mut self, id: MemberId) -> Result<&mut Member, Error> {
        self.check_not_removed(id)?;
        self.members.get_mut(&id).ok_or(Error::IdNotFound)
    }

    fn check_not_removed(&self, id: MemberId) -> Result<(), Error> {
        if self.is_removed(id) { Err(Error::IdRemoved) } else { Ok(()) }
    }

    /// Refuses URLs that a member other than `id` has.
    fn check_urls_free(&self, id: MemberId, peer_urls: &[String]) -> Result<(), Error> {
        let mut others = self.iter().filter(|member| member.id != id);
        if others.any(|other| other.peer_urls.iter().any(|url| peer_urls.contains(url))) {
            return Err(Error::PeerUrlExists);
        }
        Ok(())
    }
}

fn quorum(voters: usize) -> usize {
    voters / 2 + 1
}

#[cfg(test)]
#[path = "members_tests.rs"]
mod tests;
