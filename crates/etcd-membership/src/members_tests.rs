//! What changes do to the member set.

use super::*;

fn member(id: u64) -> Member {
    Member::unstarted(MemberId(id), vec![format!("http://10.0.0.{id}:2380")])
}

fn learner(id: u64) -> Member {
    Member { is_learner: true, ..member(id) }
}

fn started(id: u64) -> Member {
    Member { name: format!("m{id}"), ..member(id) }
}

fn set(members: impl IntoIterator<Item = Member>) -> Members {
    Members::new(members).expect("ids differ")
}

#[test]
fn a_member_is_added_once_and_never_after_its_removal() {
    let mut members = set([member(1)]);
    assert_eq!(members.add(member(2), 1), Ok(&member(2)));
    assert_eq!(members.add(member(2), 1), Err(Error::IdExists));
    assert_eq!(members.remove(MemberId(2)), Ok(member(2)));
    assert_eq!(members.add(member(2), 1), Err(Error::IdRemoved));
    assert_eq!(members.remove(MemberId(2)), Err(Error::IdRemoved));
    assert_eq!(members.remove(MemberId(3)), Err(Error::IdNotFound));
    assert!(members.is_removed(MemberId(2)));
    assert_eq!(members, {
        let mut only = set([member(1), member(2)]);
        only.remove(MemberId(2)).expect("it is there");
        only
    });
}

#[test]
fn no_two_members_share_a_peer_url() {
    let mut members = set([member(1), member(2)]);
    let thief = Member { peer_urls: member(1).peer_urls, ..member(3) };
    assert_eq!(members.add(thief, 1), Err(Error::PeerUrlExists));
    let urls = member(1).peer_urls;
    assert_eq!(members.update_peer_urls(MemberId(2), urls.clone()), Err(Error::PeerUrlExists));
    assert_eq!(members.update_peer_urls(MemberId(1), urls), Ok(&member(1)), "its own");
    assert_eq!(members, set([member(1), member(2)]));
}

#[test]
fn other_peer_urls_leave_the_rest_of_a_member_alone() {
    let mut members = set([Member { client_urls: vec!["http://c:1".to_owned()], ..learner(1) }]);
    let moved = members.update_peer_urls(MemberId(1), vec!["http://d:1".to_owned()]);
    let moved = moved.expect("it is there");
    assert!(moved.is_learner);
    assert_eq!(moved.peer_urls, ["http://d:1"]);
    assert_eq!(moved.client_urls, ["http://c:1"]);
    assert_eq!(members.update_peer_urls(MemberId(9), Vec::new()), Err(Error::IdNotFound));
}

#[test]
fn learners_are_few_and_only_they_are_promoted() {
    let mut members = set([member(1)]);
    members.add(learner(2), 1).expect("the first learner");
    assert_eq!(members.add(learner(3), 1), Err(Error::TooManyLearners));
    members.add(learner(3), 2).expect("a higher limit");
    assert_eq!(members.promote(MemberId(1)), Err(Error::NotLearner));
    assert_eq!(members.promote(MemberId(9)), Err(Error::IdNotFound));
    assert_eq!(members.promote(MemberId(2)), Ok(&member(2)));
    assert_eq!(members.promote(MemberId(2)), Err(Error::NotLearner));
    assert_eq!(members.voters().count(), 2);
}

#[test]
fn attributes_are_set_on_members_only() {
    let mut members = set([member(1), member(2)]);
    members.remove(MemberId(2)).expect("it is there");
    let urls = vec!["http://c:1".to_owned()];
    let now = members.set_attributes(MemberId(1), "m1".to_owned(), urls.clone());
    assert_eq!(now, Ok(&Member { client_urls: urls, ..started(1) }));
    let removed = members.set_attributes(MemberId(2), String::new(), Vec::new());
    assert_eq!(removed, Err(Error::IdRemoved));
    let unknown = members.set_attributes(MemberId(3), String::new(), Vec::new());
    assert_eq!(unknown, Err(Error::IdNotFound));
}

#[test]
fn a_set_is_read_back_from_its_records() {
    let mut members = set([started(1), learner(2), member(3)]);
    members.remove(MemberId(3)).expect("it is there");
    let records: Vec<_> = members.iter().map(Member::encode).collect();
    let removed: Vec<_> = members.removed().map(|id| id.to_string()).collect();
    assert_eq!(Members::from_records(records, removed), Ok(members));
    let twice = Members::from_records([member(1).encode(), member(1).encode()], [""; 0]);
    assert_eq!(twice, Err(Error::IdExists));
    let wrong = Members::from_records([[0; 0]; 0], ["x"]);
    assert_eq!(wrong, Err(Error::InvalidId("x".to_owned())));
}

#[test]
fn a_voter_is_added_only_while_the_new_quorum_has_started() {
    assert!(set([started(1)]).is_ready_to_add_voter(), "one may grow to two");
    assert!(!set([member(1)]).is_ready_to_add_voter());
    assert!(!set([started(1), member(2)]).is_ready_to_add_voter());
    assert!(!set([started(1), started(2), member(3)]).is_ready_to_add_voter());
    assert!(set([started(1), started(2), started(3)]).is_ready_to_add_voter());
    assert!(set([started(1), learner(2)]).is_ready_to_add_voter(), "learners do not count");
}

#[test]
fn a_voter_is_removed_only_while_the_others_have_a_started_quorum() {
    assert!(!set([started(1)]).is_ready_to_remove_voter(MemberId(1)), "never the last");
    assert!(set([started(1), member(2)]).is_ready_to_remove_voter(MemberId(2)));
    assert!(!set([started(1), member(2)]).is_ready_to_remove_voter(MemberId(1)));
    let three = set([started(1), started(2), member(3)]);
    assert!(three.is_ready_to_remove_voter(MemberId(3)));
    assert!(!three.is_ready_to_remove_voter(MemberId(1)));
}

#[test]
fn a_learner_is_promoted_only_while_a_quorum_has_started() {
    assert!(set([started(1), learner(2)]).is_ready_to_promote());
    assert!(set([started(1), member(2), learner(3)]).is_ready_to_promote());
    assert!(!set([started(1), member(2), member(3), learner(4)]).is_ready_to_promote());
}
