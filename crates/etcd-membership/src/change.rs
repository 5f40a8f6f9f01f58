//! A change of the member set, as somebody asks for it.

use crate::{Error, Member, MemberId, Members};

/// What is to become different. It names members by id, so that asking twice does nothing twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A member joins that has not started, as a voter or a learner.
    Add(Member),
    /// A member goes; its id never comes back.
    Remove(MemberId),
    /// A member is reached at these peer URLs, taken as they are.
    UpdatePeerUrls(MemberId, Vec<String>),
    /// A learner becomes a voter.
    Promote(MemberId),
}

impl Change {
    /// Whom it is about.
    #[must_use]
    pub fn member(&self) -> MemberId {
        match self {
            Change::Add(member) => member.id,
            Change::Remove(id) | Change::UpdatePeerUrls(id, _) | Change::Promote(id) => *id,
        }
    }

    /// Whether `members` are as it makes them: for whoever does not know what became of it.
    #[must_use]
    pub fn is_done(&self, members: &Members) -> bool {
        match self {
            Change::Add(member) => members.get(member.id).is_some(),
            Change::Remove(id) => members.is_removed(*id),
            Change::UpdatePeerUrls(id, peer_urls) => {
                members.get(*id).is_some_and(|member| member.peer_urls == *peer_urls)
            }
            Change::Promote(id) => members.get(*id).is_some_and(|member| !member.is_learner),
        }
    }

    /// Whether that is what speaks against a change that was made already.
    #[must_use]
    pub fn is_refused_once_done(&self, error: &Error) -> bool {
        let expected = match self {
            Change::Add(_) => Error::IdExists,
            Change::Remove(_) => Error::IdRemoved,
            Change::Promote(_) => Error::NotLearner,
            Change::UpdatePeerUrls(..) => return false,
        };
        *error == expected
    }
}

impl Members {
    /// Makes a change, if nothing speaks against it: etcd's checks, in etcd's order. No more than
    /// `max_learners` learn at a time.
    ///
    /// # Errors
    ///
    /// Those of [`Members::add`], [`Members::remove`], [`Members::update_peer_urls`] and
    /// [`Members::promote`].
    pub fn change(&mut self, change: &Change, max_learners: usize) -> Result<(), Error> {
        match change {
            Change::Add(member) => self.add(member.clone(), max_learners).map(drop),
            Change::Remove(id) => self.remove(*id).map(drop),
            Change::UpdatePeerUrls(id, peer_urls) => {
                self.update_peer_urls(*id, peer_urls.clone()).map(drop)
            }
            Change::Promote(id) => self.promote(*id).map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: u64) -> Member {
        Member::unstarted(MemberId(id), vec![format!("http://10.0.0.{id}:2380")])
    }

    #[test]
    fn a_change_is_done_once_it_was_made_and_not_before() {
        let mut members = Members::new([member(1), member(2)]).expect("ids differ");
        let learner = Member { is_learner: true, ..member(3) };
        let moved = vec!["http://there:1".to_owned()];
        for change in [
            Change::Add(learner),
            Change::UpdatePeerUrls(MemberId(1), moved),
            Change::Promote(MemberId(3)),
            Change::Remove(MemberId(2)),
        ] {
            assert!(!change.is_done(&members), "{change:?}");
            members.change(&change, 1).expect("nothing speaks against it");
            assert!(change.is_done(&members), "{change:?}");
            // Only other URLs may be given twice.
            match members.change(&change, 1) {
                Ok(()) => assert!(matches!(change, Change::UpdatePeerUrls(..))),
                Err(error) => assert!(change.is_refused_once_done(&error), "{error}"),
            }
        }
    }

    #[test]
    fn what_speaks_against_a_change_leaves_the_members_as_they_are() {
        let members = Members::new([member(1), member(2)]).expect("ids differ");
        let learner = Member { is_learner: true, ..member(3) };
        let taken = member(1).peer_urls;
        for (change, error) in [
            (Change::Add(member(2)), Error::IdExists),
            (Change::Add(learner), Error::TooManyLearners),
            (Change::Remove(MemberId(9)), Error::IdNotFound),
            (Change::UpdatePeerUrls(MemberId(2), taken), Error::PeerUrlExists),
            (Change::Promote(MemberId(2)), Error::NotLearner),
        ] {
            let mut changed = members.clone();
            assert_eq!(changed.change(&change, 0), Err(error), "{change:?}");
            assert_eq!(changed, members, "{change:?}");
        }
    }
}
