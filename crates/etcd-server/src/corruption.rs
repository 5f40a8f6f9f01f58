//! Whether the members hold the same keys: asked at the start, from time to time, after compactions.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use etcd_apply::{Reply, Views};
use etcd_membership::{ClusterId, MemberId};
use etcd_mvcc::KeyValueHash;
use etcd_proto::etcdserverpb::alarm_request::AlarmAction;
use etcd_proto::etcdserverpb::{AlarmRequest, AlarmType, InternalRaftRequest};
use etcd_raft::Raft;
use etcd_transport::Dialer;
use prost::Message as _;
use serde::Deserialize;
use tokio::time::Instant;

use crate::Error;

/// Where members tell the hash of their keys.
const PATH: &str = "/members/hashkv";
/// The header that says of which cluster the asking member is.
const CLUSTER_ID: HeaderName = HeaderName::from_static("x-etcd-cluster-id");
/// How long one may take to hash and answer (etcd: 7 s).
const ASK_LIMIT: Duration = Duration::from_secs(7);

/// Compares this member's keys with the others'.
#[derive(Clone)]
pub(crate) struct Checker {
    pub(crate) cluster: ClusterId,
    pub(crate) member: MemberId,
    pub(crate) views: Views,
    pub(crate) dialer: Dialer,
}

/// What another member says of its keys.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct PeerHash {
    header: PeerHeader,
    #[serde(default)]
    hash: u32,
    #[serde(default)]
    compact_revision: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct PeerHeader {
    #[serde(default)]
    revision: i64,
}

/// A member, and what it says or why it says nothing.
type Told = (MemberId, Result<PeerHash, String>);

impl Checker {
    /// Before a member with data takes part: whether others hold other keys at its revision. Whoever
    /// does not answer holds nobody up.
    ///
    /// # Errors
    /// Another member holds other keys.
    pub(crate) async fn check_start(&self) -> Result<(), Error> {
        let own = self.own_hash().await?;
        tracing::info!(revision = own.hash_revision, "starting initial corruption check");
        let mut differing = Vec::new();
        for (peer, told) in self.ask(own.hash_revision).await {
            match told {
                Ok(told) if told.hash == own.hash => {}
                Ok(told) if told.compact_revision == own.compact_revision => {
                    tracing::warn!(
                        remote_peer_id = %peer, local_hash = own.hash, remote_hash = told.hash,
                        revision = own.hash_revision, "found different hash values from remote peer");
                    differing.push(peer.to_string());
                }
                Ok(told) => tracing::warn!(
                    remote_peer_id = %peer,
                    local_compact_revision = own.compact_revision,
                    remote_compact_revision = told.compact_revision,
                    "found different compact revision values from remote peer"
                ),
                Err(error) => {
                    tracing::warn!(remote_peer_id = %peer, error, "cannot fetch hash from remote peer");
                }
            }
        }
        if differing.is_empty() {
            tracing::info!("initial corruption checking passed; no corruption");
            return Ok(());
        }
        Err(Error::Data(format!(
            "{} found data inconsistency with peers: its keys at revision {} are not those of {}: \
             find out which are right, then start whoever is wrong with an empty data directory",
            self.member,
            own.hash_revision,
            differing.join(", ")
        )))
    }

    /// While this member leads: compares everybody's keys, every `period`.
    pub(crate) async fn check_always(self, raft: Raft<Reply>, period: Duration, limit: Duration) {
        loop {
            tokio::time::sleep(period).await;
            if !raft.status().is_leader() {
                continue;
            }
            match self.find_corrupt(&raft, limit).await {
                Ok(None) => {}
                Ok(Some(member)) => self.raise_alarm(&raft, member, limit).await,
                Err(error) => tracing::warn!(error, "failed to check for corruption"),
            }
        }
    }

    /// The first member that cannot have come to its keys by the same commands as this one.
    async fn find_corrupt(
        &self,
        raft: &Raft<Reply>,
        limit: Duration,
    ) -> Result<Option<MemberId>, String> {
        let before = self.own_hash().await.map_err(|error| error.to_string())?;
        let peers = self.ask(before.hash_revision).await;
        raft.read_barrier(Instant::now() + limit).await.map_err(|error| error.to_string())?;
        let after = self.own_hash().await.map_err(|error| error.to_string())?;
        let revision = self.views.mvcc.revision();
        let same_store = |hash: &KeyValueHash| (hash.hash_revision, hash.compact_revision);
        if same_store(&before) == same_store(&after) && before.hash != after.hash {
            return Ok(Some(self.member));
        }
        let answers = peers.iter().filter_map(|(id, told)| Some((*id, told.as_ref().ok()?)));
        let corrupt = answers.clone().find(|(_, told)| {
            told.header.revision > revision
                || told.compact_revision > after.compact_revision
                || (told.compact_revision == before.compact_revision && told.hash != before.hash)
        });
        let checked = answers.count();
        tracing::info!(number_of_peers_checked = checked, "finished peer corruption check");
        Ok(corrupt.map(|(id, _)| id))
    }

    /// While this member leads: compares the hashes that compactions took, every `period`.
    pub(crate) async fn check_compactions(
        self,
        raft: Raft<Reply>,
        period: Duration,
        limit: Duration,
    ) {
        // Up to here all members had the same.
        let mut checked = 0;
        loop {
            tokio::time::sleep(period).await;
            if !raft.status().is_leader() {
                continue;
            }
            let hashes = self.views.mvcc.compaction_hashes();
            let mut number = 0;
            for own in hashes.iter().take_while(|hash| hash.hash_revision > checked) {
                let peers = self.ask(own.hash_revision).await;
                number += 1;
                if peers.is_empty() || self.compare_compaction(&raft, own, &peers, limit).await {
                    checked = own.hash_revision;
                    break;
                }
            }
            tracing::info!(
                number_of_hashes_checked = number,
                number_of_hashes = hashes.len(),
                "finished compaction hash check"
            );
        }
    }

    /// Raises an alarm for every member whose hash is not the majority's; says whether all were
    /// compared.
    async fn compare_compaction(
        &self,
        raft: &Raft<Reply>,
        own: &KeyValueHash,
        peers: &[Told],
        limit: Duration,
    ) -> bool {
        let (corrupt, is_complete) = minority(self.member, own, peers);
        for member in corrupt {
            tracing::error!(%member, revision = own.hash_revision, "compaction hash mismatch");
            self.raise_alarm(raft, member, limit).await;
        }
        is_complete
    }

    async fn raise_alarm(&self, raft: &Raft<Reply>, member: MemberId, limit: Duration) {
        tracing::warn!(corrupted_peer_id = %member, "found corruption; raising an alarm");
        let alarm = AlarmRequest {
            action: AlarmAction::Activate as i32,
            member_id: member.0,
            alarm: AlarmType::Corrupt as i32,
        };
        let command = InternalRaftRequest { alarm: Some(alarm), ..Default::default() };
        let command = Bytes::from(command.encode_to_vec());
        if let Err(error) = raft.propose(command, Instant::now() + limit).await {
            tracing::warn!(%error, "the alarm could not be raised");
        }
    }

    /// The hash of all of this member's keys.
    async fn own_hash(&self) -> Result<KeyValueHash, Error> {
        let mvcc = self.views.mvcc.clone();
        let hash = tokio::task::spawn_blocking(move || mvcc.hash_kv(0)).await;
        let hash = hash.expect("hashing does not panic and is not cancelled");
        hash.map_err(|error| Error::Data(format!("cannot hash the keys: {error}")))
    }

    /// The other members' hashes up to a revision.
    async fn ask(&self, revision: i64) -> Vec<Told> {
        let cluster = self.views.cluster();
        let mut hashes = Vec::new();
        for peer in cluster.members.iter().filter(|peer| peer.id != self.member) {
            let mut told = Err("it has no peer URL".to_owned());
            for url in &peer.peer_urls {
                told = self.ask_at(url, revision).await;
                if told.is_ok() {
                    break;
                }
            }
            hashes.push((peer.id, told));
        }
        hashes
    }

    async fn ask_at(&self, url: &str, revision: i64) -> Result<PeerHash, String> {
        let cluster = HeaderValue::from_str(&self.cluster.to_string());
        let cluster = cluster.expect("an id is hexadecimal");
        let headers = HeaderMap::from_iter([(CLUSTER_ID, cluster)]);
        let body = Bytes::from(format!("{{\"revision\":{revision}}}"));
        let answer = self.dialer.get_with(url, PATH, headers, body, ASK_LIMIT).await;
        let answer = answer.map_err(|error| error.to_string())?;
        if !answer.status().is_success() {
            let text = String::from_utf8_lossy(answer.body());
            return Err(format!("{} {}", answer.status(), text.trim()));
        }
        serde_json::from_slice(answer.body()).map_err(|error| error.to_string())
    }
}

/// The members whose hash is not the majority's, id 0 for those of whom it cannot be told; and
/// whether all were compared.
fn minority(local: MemberId, own: &KeyValueHash, peers: &[Told]) -> (Vec<MemberId>, bool) {
    let mut by_hash = BTreeMap::from([(own.hash, vec![local])]);
    let mut compared = 0;
    for (id, told) in peers {
        if let Ok(told) = told
            && told.compact_revision == own.compact_revision
        {
            by_hash.entry(told.hash).or_default().push(*id);
            compared += 1;
        }
    }
    let is_complete = compared == peers.len();
    if by_hash.len() == 1 {
        return (Vec::new(), is_complete);
    }
    // More than half of all, this member among them.
    let quorum = peers.len().div_ceil(2) + 1;
    let majority = by_hash.iter().find(|(_, members)| members.len() >= quorum);
    let majority = majority.map(|(hash, _)| *hash);
    let Some(majority) = majority else { return (vec![MemberId(0)], is_complete) };
    let others = by_hash.into_iter().filter(|(hash, _)| *hash != majority);
    (others.flat_map(|(_, members)| members).collect(), is_complete)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(hash: u32, compact_revision: i64) -> KeyValueHash {
        KeyValueHash { hash, compact_revision, hash_revision: 9 }
    }

    fn told(id: u64, hash: u32, compact_revision: i64) -> Told {
        let header = PeerHeader { revision: 9 };
        (MemberId(id), Ok(PeerHash { header, hash, compact_revision }))
    }

    fn blamed(peers: &[Told]) -> (Vec<u64>, bool) {
        let (members, is_complete) = minority(MemberId(1), &hash(7, 5), peers);
        (members.into_iter().map(|member| member.0).collect(), is_complete)
    }

    #[test]
    fn the_minority_is_blamed_whoever_leads() {
        assert_eq!(blamed(&[told(2, 7, 5), told(3, 7, 5)]), (vec![], true));
        assert_eq!(blamed(&[told(2, 7, 5), told(3, 8, 5)]), (vec![3], true));
        assert_eq!(blamed(&[told(2, 8, 5), told(3, 8, 5)]), (vec![1], true));
    }

    #[test]
    fn without_a_majority_nobody_is_blamed_by_name() {
        assert_eq!(blamed(&[told(2, 8, 5)]), (vec![0], true));
        assert_eq!(blamed(&[told(2, 8, 5), told(3, 9, 5)]), (vec![0], true));
    }

    #[test]
    fn who_says_nothing_or_compacted_elsewhere_is_not_compared() {
        let silent = (MemberId(2), Err("no answer".to_owned()));
        assert_eq!(blamed(&[silent, told(3, 7, 5)]), (vec![], false));
        assert_eq!(blamed(&[told(2, 8, 4), told(3, 7, 5)]), (vec![], false));
    }
}
