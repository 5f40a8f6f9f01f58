//! Who leads, as far as this member can tell.

use std::sync::Arc;

use etcd_membership::MemberId;
use openraft::Instant as _;
use openraft::metrics::RaftServerMetrics;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::StateMachine;
use crate::contact::Contact;
use crate::metrics::{Ended, Metrics, ServerMetrics};
use crate::openraft_types::{OpenRaft, TypeConfig};
use crate::tasks::Tasks;

/// Where commands and read indexes are to be had.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Leader {
    /// This member believes to lead.
    This,
    /// Another member does.
    Other {
        /// Its id.
        member: u64,
        /// Where it is reached.
        urls: Arc<[String]>,
    },
    /// Nobody that this member knows of.
    #[default]
    Unknown,
}

impl Leader {
    /// Whether it is the same member, wherever it is reached.
    fn is_same(&self, other: &Leader) -> bool {
        match (self, other) {
            (Leader::Other { member, .. }, Leader::Other { member: other, .. }) => member == other,
            _ => self == other,
        }
    }
}

/// The leader, and its changes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct LeaderWatch {
    pub(crate) metrics: Metrics,
    pub(crate) servers: ServerMetrics,
    contact: Contact,
    known: watch::Receiver<Known>,
}

/// What this member has learned of leaders so far.
#[derive(Default)]
struct Known {
    /// The last one; it may have fallen silent.
    leader: Leader,
    /// Tells its reigns apart: its term, and the spell of contact with it.
    reign: (u64, u64),
    /// How often a leader became known.
    changes: u64,
    /// When this member last became the leader.
    elected: Option<Instant>,
    /// When openraft last named nobody any more.
    lost: Option<Instant>,
}

impl LeaderWatch {
    /// Follows what openraft says of the leader, and what is heard of it.
    pub(crate) fn start<M: StateMachine>(
        raft: &OpenRaft<M>,
        contact: Contact,
        tasks: &Tasks,
    ) -> LeaderWatch {
        let (tell, known) = watch::channel(Known::default());
        let servers = ServerMetrics::of_servers(raft);
        tasks.spawn(follow(servers.clone(), contact.clone(), tell));
        LeaderWatch { metrics: Metrics::of(raft), servers, contact, known }
    }

    /// The leader, if it was heard, or confirmed by a quorum, within the time limit: one that was
    /// not takes no command and confirms no read.
    pub(crate) fn current(&self) -> Leader {
        let known = self.known.borrow();
        if self.is_alive_since(&known, Instant::now()) {
            known.leader.clone()
        } else {
            Leader::Unknown
        }
    }

    /// The id of [`LeaderWatch::current`].
    pub(crate) fn alive(&self) -> Option<u64> {
        self.alive_in(&self.known.borrow())
    }

    /// The current term, and the leader of that very term. Openraft publishes its term and its
    /// leader one after the other: in between, a new leader would seem to lead in the old term.
    pub(crate) fn term_and_leader(&self) -> (u64, Option<u64>) {
        let known = self.known.borrow();
        let leader = self.alive_in(&known).map(|member| (member, known.reign.0));
        leader_in_term(self.metrics.with(|metrics| metrics.current_term), leader)
    }

    /// Whether a leader was known at some moment since then.
    pub(crate) fn was_alive_since(&self, moment: Instant) -> bool {
        let known = self.known.borrow();
        known.lost.is_some_and(|lost| lost >= moment) || self.is_alive_since(&known, moment)
    }

    fn alive_in(&self, known: &Known) -> Option<u64> {
        let member = match known.leader {
            Leader::Unknown => return None,
            Leader::This => self.metrics.with(|metrics| metrics.id),
            Leader::Other { member, .. } => member,
        };
        self.is_alive_since(known, Instant::now()).then_some(member)
    }

    fn is_alive_since(&self, known: &Known, moment: Instant) -> bool {
        match known.leader {
            Leader::Unknown => false,
            Leader::Other { member, .. } => self.contact.was_recent_since(member, moment),
            Leader::This => self.metrics.with(|metrics| {
                let alone = metrics.membership_config.voter_ids().count() <= 1;
                let acked = metrics.last_quorum_acked.as_ref();
                alone
                    || acked.is_some_and(|acked| {
                        self.contact.covers(Instant::now() - acked.elapsed(), moment)
                    })
            }),
        }
    }

    /// Whether nothing was noticed to break the contact with the leader since then.
    pub(crate) fn is_unbroken_since(&self, leader: u64, moment: Instant) -> bool {
        self.contact.is_unbroken_since(leader, moment)
    }

    /// Notes that a connection to this member broke.
    pub(crate) fn broke(&self, member: u64) {
        self.contact.broke(member);
    }

    /// The voter beside `member`, which leads, whose log reaches furthest.
    pub(crate) fn successor(&self, member: MemberId) -> Option<MemberId> {
        self.metrics.with(|metrics| {
            let replication = metrics.replication.as_ref()?;
            let others = metrics.membership_config.voter_ids().filter(|id| *id != member.0);
            let reached = others.map(|id| (replication.get(&id).copied().flatten(), id));
            reached.max().map(|(_, id)| MemberId(id))
        })
    }

    /// When this member last became the leader.
    pub(crate) fn elected(&self) -> Option<Instant> {
        self.known.borrow().elected
    }

    /// How often a leader became known. The same one counts again when it was lost meanwhile; its
    /// loss does not.
    pub(crate) fn changes(&self) -> u64 {
        self.known.borrow().changes
    }

    /// Resolves when a leader became known after the first `changes` times; an error when raft has
    /// stopped.
    pub(crate) async fn changed_since(&mut self, changes: u64) -> Result<(), Ended> {
        let changed = self.known.wait_for(|known| known.changes > changes).await;
        changed.map(|_| ()).map_err(|_| Ended)
    }

    /// Resolves when another member leads than `leader` says, or none; an error when raft has
    /// stopped. Mere silence does not resolve it.
    pub(crate) async fn changed_from(&mut self, leader: &Leader) -> Result<(), Ended> {
        loop {
            self.known.mark_unchanged();
            if !self.current().is_same(leader) {
                return Ok(());
            }
            self.known.changed().await.map_err(|_| Ended)?;
        }
    }
}

/// Learns of leaders until raft stops.
async fn follow(mut servers: ServerMetrics, contact: Contact, tell: watch::Sender<Known>) {
    loop {
        let now = servers.look(|metrics| look(metrics, &contact));
        tell.send_if_modified(|known| known.learn(now));
        tokio::select! {
            changed = servers.changed() => if changed.is_err() {
                return;
            },
            () = contact.renewed() => {}
        }
    }
}

/// The later one of openraft's `term` and that of a `leader` beside it, and whoever leads in it.
fn leader_in_term(term: u64, leader: Option<(u64, u64)>) -> (u64, Option<u64>) {
    match leader {
        Some((member, reign)) if reign >= term => (reign, Some(member)),
        _ => (term, None),
    }
}

/// The leader with its reign, if openraft names one and it was heard in that term.
fn look(
    metrics: &RaftServerMetrics<TypeConfig>,
    contact: &Contact,
) -> Option<(Leader, (u64, u64))> {
    let member = metrics.current_leader?;
    let term = metrics.vote.leader_id.term;
    if member == metrics.id {
        return Some((Leader::This, (term, 0)));
    }
    let spell = contact.spell(member, term)?;
    // A leader that no membership names yet cannot be reached, and counts as none.
    let node = metrics.membership_config.get_node(&member)?;
    let urls = node.peer_urls.as_slice().into();
    Some((Leader::Other { member, urls }, (term, spell)))
}

impl Known {
    /// Whether this is news.
    fn learn(&mut self, now: Option<(Leader, (u64, u64))>) -> bool {
        let Some((leader, reign)) = now else {
            let is_loss = std::mem::take(&mut self.leader) != Leader::Unknown;
            if is_loss {
                self.lost = Some(Instant::now());
            }
            return is_loss;
        };
        let was_known = self.leader != Leader::Unknown;
        let is_new = !was_known || self.reign != reign;
        if is_new {
            self.changes += 1;
            if leader == Leader::This {
                self.elected = Some(Instant::now());
            }
        }
        // Its URLs may have changed.
        let is_news = is_new || self.leader != leader;
        self.leader = leader;
        self.reign = reign;
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other(member: u64) -> Leader {
        Leader::Other { member, urls: ["http://there".to_owned()].into() }
    }

    #[test]
    fn nobody_leads_in_another_term_than_his_own() {
        assert_eq!(leader_in_term(3, Some((7, 3))), (3, Some(7)));
        assert_eq!(leader_in_term(3, Some((7, 4))), (4, Some(7)), "elected just now");
        assert_eq!(leader_in_term(4, Some((7, 3))), (4, None), "replaced, by nobody known yet");
        assert_eq!(leader_in_term(4, None), (4, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_that_becomes_known_is_a_change_and_its_loss_is_none() {
        let mut known = Known::default();
        let mut learn = |now| (known.learn(now), known.changes);
        assert_eq!(learn(None), (false, 0));
        assert_eq!(learn(Some((other(1), (5, 1)))), (true, 1));
        assert_eq!(learn(Some((other(1), (5, 1)))), (false, 1), "nothing new");
        assert_eq!(learn(None), (true, 1), "the loss is news, but no change");
        assert_eq!(learn(Some((other(1), (5, 1)))), (true, 2), "the same one after none");
        assert_eq!(learn(Some((other(1), (5, 2)))), (true, 3), "the same one after a silence");
        assert_eq!(learn(Some((other(2), (6, 3)))), (true, 4));
        let moved = Leader::Other { member: 2, urls: ["http://elsewhere".to_owned()].into() };
        assert_eq!(learn(Some((moved, (6, 3)))), (true, 4), "its address is no change");
        assert_eq!(known.elected, None);
        known.learn(Some((Leader::This, (7, 0))));
        assert_eq!(known.elected, Some(Instant::now()));
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        known.learn(Some((Leader::This, (7, 0))));
        assert!(known.elected < Some(Instant::now()), "it leads since before");
    }
}
