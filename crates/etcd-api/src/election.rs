//! The service Election: one leader of a name at a time, who says something to all that listen.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use etcd_proto::etcdserverpb::ResponseHeader;
use etcd_proto::etcdserverpb::request_op::Request as Operation;
use etcd_proto::v3electionpb::election_server::Election;
use etcd_proto::v3electionpb::{
    CampaignRequest, CampaignResponse, LeaderKey, LeaderRequest, LeaderResponse, ProclaimRequest,
    ProclaimResponse, ResignRequest, ResignResponse,
};
use futures_util::stream;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use crate::Api;
use crate::observation::Observation;
use crate::recipe::{Recipe, delete, first_created, found, key_of, only, prefix_of, put};

const NOT_LEADER: &str = "election: not leader";
const NO_LEADER: &str = "election: no leader";
const LEADER_MISSING: &str = "\"leader\" field must be provided";

/// What a call of Observe answers with.
pub(crate) type Leaders = Pin<Box<dyn Stream<Item = Result<LeaderResponse, Status>> + Send>>;

/// Answers for elections.
pub(crate) struct ElectionService {
    api: Arc<Api>,
}

impl ElectionService {
    pub(crate) fn new(api: Arc<Api>) -> ElectionService {
        ElectionService { api }
    }
}

/// A candidate's key, and the revision that makes it this candidate's.
#[derive(Clone)]
struct Candidacy {
    recipe: Arc<Recipe>,
    key: Bytes,
    revision: i64,
    lease: i64,
}

impl Candidacy {
    /// Says something else, if the key is still this candidate's.
    async fn proclaim(&self, value: &Bytes) -> Result<Option<ResponseHeader>, Status> {
        let say = vec![put(&self.key, value, self.lease)];
        let response = self.recipe.if_created_at(&self.key, self.revision, say, vec![]).await?;
        match response.succeeded {
            true => Ok(response.header),
            false => Err(Status::unknown(NOT_LEADER)),
        }
    }

    /// Gives the key up, if it is still this candidate's; if not that is no error.
    async fn resign(&self) -> Result<Option<ResponseHeader>, Status> {
        let go = vec![delete(&self.key)];
        let response = self.recipe.if_created_at(&self.key, self.revision, go, vec![]).await?;
        Ok(response.header)
    }

    /// Waits until all who came before are gone. If the caller goes away meanwhile the candidate
    /// resigns.
    async fn wait_for_turn(&self, prefix: &Bytes) -> Result<(), Status> {
        let mut departure = Departure { candidacy: Some(self.clone()) };
        let turn = self.recipe.wait_for_deletes(prefix, self.revision - 1).await;
        departure.candidacy = None;
        turn
    }
}

/// Resigns for a caller that goes away.
struct Departure {
    candidacy: Option<Candidacy>,
}

impl Drop for Departure {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if let Some(candidacy) = self.candidacy.take() {
            runtime.spawn(async move { candidacy.resign().await });
        }
    }
}

/// The candidacy that a caller says it has.
async fn resumed(recipe: Arc<Recipe>, leader: Option<LeaderKey>) -> Result<Candidacy, Status> {
    let LeaderKey { key, rev, lease, .. } =
        leader.ok_or_else(|| Status::unknown(LEADER_MISSING))?;
    let lease = recipe.session(lease).await?;
    Ok(Candidacy { recipe, key, revision: rev, lease })
}

#[tonic::async_trait]
impl Election for ElectionService {
    type ObserveStream = Leaders;

    async fn campaign(
        &self,
        request: Request<CampaignRequest>,
    ) -> Result<Response<CampaignResponse>, Status> {
        let (recipe, CampaignRequest { name, lease, value }) = Recipe::begin(&self.api, request);
        let lease = recipe.session(lease).await?;
        let prefix = prefix_of(&name);
        let key = key_of(&prefix, lease);
        let come = vec![put(&key, &value, lease)];
        let look = vec![Operation::RequestRange(only(key.clone()))];
        let response = recipe.if_created_at(&key, 0, come, look).await?;
        let header = response.header;
        let mut candidacy = Candidacy { recipe, key, revision: 0, lease };
        match found(&response, 0) {
            None => candidacy.revision = header.as_ref().map_or(0, |header| header.revision),
            Some(own) => {
                candidacy.revision = own.create_revision;
                if own.value != value
                    && let Err(status) = candidacy.proclaim(&value).await
                {
                    // What this comes to changes nothing for the caller.
                    let _ = candidacy.resign().await;
                    return Err(status);
                }
            }
        }
        candidacy.wait_for_turn(&prefix).await?;
        let Candidacy { key, revision: rev, .. } = candidacy;
        let leader = Some(LeaderKey { name, key, rev, lease });
        Ok(Response::new(CampaignResponse { header, leader }))
    }

    async fn proclaim(
        &self,
        request: Request<ProclaimRequest>,
    ) -> Result<Response<ProclaimResponse>, Status> {
        let (recipe, ProclaimRequest { leader, value }) = Recipe::begin(&self.api, request);
        let header = resumed(recipe, leader).await?.proclaim(&value).await?;
        Ok(Response::new(ProclaimResponse { header }))
    }

    async fn leader(
        &self,
        request: Request<LeaderRequest>,
    ) -> Result<Response<LeaderResponse>, Status> {
        let (recipe, LeaderRequest { name }) = Recipe::begin(&self.api, request);
        let response = recipe.range(first_created(&prefix_of(&name))).await?;
        let kv = response.kvs.into_iter().next().ok_or_else(|| Status::unknown(NO_LEADER))?;
        Ok(Response::new(LeaderResponse { header: response.header, kv: Some(kv) }))
    }

    async fn observe(&self, request: Request<LeaderRequest>) -> Result<Response<Leaders>, Status> {
        let (recipe, LeaderRequest { name }) = Recipe::begin(&self.api, request);
        let observation = Observation::new(recipe, prefix_of(&name));
        let leaders = stream::unfold(Some(observation), async |observation| {
            let mut observation = observation?;
            match observation.next().await.transpose()? {
                Ok(leader) => Some((Ok(leader), Some(observation))),
                Err(status) => Some((Err(status), None)),
            }
        });
        Ok(Response::new(Box::pin(leaders)))
    }

    async fn resign(
        &self,
        request: Request<ResignRequest>,
    ) -> Result<Response<ResignResponse>, Status> {
        let (recipe, ResignRequest { leader }) = Recipe::begin(&self.api, request);
        let header = resumed(recipe, leader).await?.resign().await?;
        Ok(Response::new(ResignResponse { header }))
    }
}
