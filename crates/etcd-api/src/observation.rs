//! One call of Observe: who leads an election, and what the leader says, one after the other.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use etcd_mvcc::{KeyRange, Kind};
use etcd_proto::mvccpb::KeyValue;
use etcd_proto::v3electionpb::LeaderResponse;
use etcd_watch::{Changed, Feed, Filter, Interest, Told};
use tonic::Status;

use crate::recipe::{Recipe, end_of, first_created};

/// What is known of an election.
pub(crate) struct Observation {
    recipe: Arc<Recipe>,
    prefix: Bytes,
    /// What is said next.
    responses: VecDeque<LeaderResponse>,
    /// `None` if nobody is known to lead.
    leader: Option<Feed>,
}

impl Observation {
    pub(crate) fn new(recipe: Arc<Recipe>, prefix: Bytes) -> Observation {
        Observation { recipe, prefix, responses: VecDeque::new(), leader: None }
    }

    /// The next word of a leader. As in etcd there is none any more once something goes wrong, and
    /// nobody says what.
    pub(crate) async fn next(&mut self) -> Result<Option<LeaderResponse>, Status> {
        loop {
            if let Some(response) = self.responses.pop_front() {
                return Ok(Some(response));
            }
            if let Err(status) = self.look().await {
                let is_stopping = self.recipe.api.stopping.is_stopping();
                return if is_stopping { Err(status) } else { Ok(None) };
            }
        }
    }

    async fn look(&mut self) -> Result<(), Status> {
        let Some(feed) = &mut self.leader else { return self.find_leader().await };
        if let Told::Changed(changed) = self.recipe.told(feed).await? {
            self.hear(&changed);
        }
        Ok(())
    }

    /// The one who leads now, or the first one to come.
    async fn find_leader(&mut self) -> Result<(), Status> {
        let response = self.recipe.range(first_created(&self.prefix)).await?;
        let revision = response.header.as_ref().map_or(0, |header| header.revision);
        match response.kvs.into_iter().next() {
            Some(kv) => self.follow(kv, revision),
            None => {
                let kv = self.wait_for_candidate(revision).await?;
                let revision = kv.mod_revision;
                self.follow(kv, revision)
            }
        }
    }

    async fn wait_for_candidate(&mut self, revision: i64) -> Result<KeyValue, Status> {
        let range = KeyRange::new(self.prefix.clone(), end_of(&self.prefix));
        let filter = Filter { no_deletes: true, ..Filter::default() };
        let mut feed = self.recipe.watch(Interest { range, start_revision: revision, filter })?;
        loop {
            if let Told::Changed(changed) = self.recipe.told(&mut feed).await?
                && let Some(change) = changed.iter().next()
            {
                return Ok(change.kv.clone());
            }
        }
    }

    /// Tells of a leader as of `revision`, and listens to it from then on.
    fn follow(&mut self, kv: KeyValue, revision: i64) -> Result<(), Status> {
        let range = KeyRange::new(kv.key.clone(), Bytes::new());
        let (start_revision, filter) = (revision + 1, Filter::default());
        self.leader = Some(self.recipe.watch(Interest { range, start_revision, filter })?);
        self.tell(kv, revision);
        Ok(())
    }

    fn hear(&mut self, changed: &Changed) {
        for change in changed.iter() {
            match change.kind {
                Kind::Put => self.tell(change.kv.clone(), changed.revision),
                Kind::Tombstone => {
                    self.leader = None;
                    return;
                }
            }
        }
    }

    fn tell(&mut self, kv: KeyValue, revision: i64) {
        let header = Some(self.recipe.api.header(revision));
        self.responses.push_back(LeaderResponse { header, kv: Some(kv) });
    }
}
