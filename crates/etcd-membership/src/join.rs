//! A member that joins a running cluster: its configuration against the members it finds there.

use crate::urls::{self, Resolve};
use crate::{Error, InitialCluster, Member, Members};

/// The members of a joining member's configuration with the ids of the running cluster.
///
/// `running` are the members that a peer of the running cluster reports. Each must be, by peer
/// URLs, one entry of the configuration, and there must be no other. Names come from the
/// configuration, ids and who is a learner from the running cluster.
///
/// # Errors
///
/// [`Error::CountUnequal`], [`Error::NoMatch`], [`Error::IdExists`] when two running members are
/// the same entry.
pub fn take_over_ids(
    configured: &InitialCluster,
    running: &[Member],
    resolve: &mut Resolve<'_>,
) -> Result<Members, Error> {
    let configured: Vec<(&str, Vec<String>)> =
        configured.iter().map(|(name, urls)| (name, urls.clone().into_vec())).collect();
    if running.len() != configured.len() {
        return Err(Error::CountUnequal);
    }
    let mut running: Vec<&Member> = running.iter().collect();
    running.sort_unstable_by_key(|member| member.id);
    let mut taken = Vec::with_capacity(running.len());
    for member in running {
        let mut reason = String::new();
        let entry = configured.iter().find(|(_, urls)| {
            match urls::check_same(&member.peer_urls, urls, resolve) {
                Ok(()) => true,
                Err(why) => {
                    reason = why;
                    false
                }
            }
        });
        let Some((name, peer_urls)) = entry else {
            let urls = member.peer_urls.join(" ");
            return Err(Error::NoMatch { id: member.id, urls, reason });
        };
        taken.push(Member {
            name: (*name).to_owned(),
            is_learner: member.is_learner,
            ..Member::unstarted(member.id, peer_urls.clone())
        });
    }
    Members::new(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemberId;

    fn running(id: u64, url: &str) -> Member {
        Member::unstarted(MemberId(id), vec![url.to_owned()])
    }

    fn nobody(address: &str) -> Result<String, String> {
        Err(format!("lookup {address}: no such host"))
    }

    fn configured() -> InitialCluster {
        InitialCluster::parse("a=http://127.0.0.1:1,b=http://127.0.0.1:2").expect("well-formed")
    }

    #[test]
    fn ids_and_learners_come_from_the_running_cluster_and_names_from_the_configuration() {
        let learner = Member { is_learner: true, ..running(7, "http://127.0.0.1:2") };
        let there = [learner, running(9, "http://127.0.0.1:1")];
        let members = take_over_ids(&configured(), &there, &mut nobody).expect("they match");
        let seen: Vec<_> =
            members.iter().map(|m| (m.id.0, m.name.as_str(), m.is_learner)).collect();
        assert_eq!(seen, [(7, "b", true), (9, "a", false)]);
    }

    #[test]
    fn a_cluster_of_another_size_is_refused() {
        let there = [running(9, "http://127.0.0.1:1")];
        let error = take_over_ids(&configured(), &there, &mut nobody).expect_err("one is missing");
        assert_eq!(error.to_string(), "member count is unequal");
    }

    #[test]
    fn a_running_member_that_is_not_configured_is_refused() {
        let there = [running(0x1a, "http://127.0.0.1:1"), running(0x1b, "http://127.0.0.1:3")];
        let error = take_over_ids(&configured(), &there, &mut nobody).expect_err("no such entry");
        assert_eq!(
            error.to_string(),
            "PeerURLs: no match found for existing member (1b, [http://127.0.0.1:3]), \
             last resolver error (resolved urls: \"http://127.0.0.1:3\" != \
             \"http://127.0.0.1:2\")"
        );
    }

    #[test]
    fn a_running_member_known_by_name_is_found_by_address() {
        let there = [running(1, "http://one:1"), running(2, "http://127.0.0.1:2")];
        let mut resolve = |address: &str| Ok(address.replace("one", "127.0.0.1"));
        let members = take_over_ids(&configured(), &there, &mut resolve).expect("one resolves");
        assert_eq!(members.get(MemberId(1)).map(|m| m.name.as_str()), Some("a"));
    }
}
