//! The service Lock: one holder of a name at a time, the others wait in the order of their coming.

use std::sync::Arc;

use bytes::Bytes;
use etcd_proto::etcdserverpb::request_op::Request as Operation;
use etcd_proto::v3lockpb::lock_server::Lock;
use etcd_proto::v3lockpb::{LockRequest, LockResponse, UnlockRequest, UnlockResponse};
use tonic::{Request, Response, Status};

use crate::Api;
use crate::recipe::{Recipe, first_created, found, key_of, only, prefix_of, put};

/// The key that waited for the lock went with its lease.
const EXPIRED: &str = "mutex: session is expired";

/// Answers for locks.
pub(crate) struct LockService {
    api: Arc<Api>,
}

impl LockService {
    pub(crate) fn new(api: Arc<Api>) -> LockService {
        LockService { api }
    }
}

/// A key that waits for its turn. Unless it is kept it is deleted: nobody would use the turn.
struct Place {
    recipe: Arc<Recipe>,
    key: Option<Bytes>,
}

impl Place {
    fn keep(mut self) {
        self.key = None;
    }

    async fn give_up(mut self) {
        if let Some(key) = self.key.take() {
            // If this fails the lease ends it.
            let _ = self.recipe.delete(key).await;
        }
    }
}

impl Drop for Place {
    /// The caller went away.
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if let Some(key) = self.key.take() {
            let recipe = self.recipe.clone();
            runtime.spawn(async move { recipe.delete(key).await });
        }
    }
}

#[tonic::async_trait]
impl Lock for LockService {
    async fn lock(&self, request: Request<LockRequest>) -> Result<Response<LockResponse>, Status> {
        let (recipe, LockRequest { name, lease }) = Recipe::begin(&self.api, request);
        let lease = recipe.session(lease).await?;
        let prefix = prefix_of(&name);
        let key = key_of(&prefix, lease);
        let own = Operation::RequestRange(only(key.clone()));
        let first = Operation::RequestRange(first_created(&prefix));
        let came = vec![put(&key, &Bytes::new(), lease), first.clone()];
        let response = recipe.if_created_at(&key, 0, came, vec![own, first]).await?;
        let revision = match response.succeeded {
            true => response.header.as_ref().map_or(0, |header| header.revision),
            false => found(&response, 0).map_or(0, |own| own.create_revision),
        };
        if found(&response, 1).is_none_or(|first| first.create_revision == revision) {
            return Ok(Response::new(LockResponse { header: response.header, key }));
        }
        let place = Place { recipe: recipe.clone(), key: Some(key.clone()) };
        let turn = async {
            recipe.wait_for_deletes(&prefix, revision - 1).await?;
            recipe.range(only(key.clone())).await
        };
        match turn.await {
            Ok(own) => {
                place.keep();
                if own.kvs.is_empty() {
                    return Err(Status::unknown(EXPIRED));
                }
                Ok(Response::new(LockResponse { header: own.header, key }))
            }
            Err(status) => {
                place.give_up().await;
                Err(status)
            }
        }
    }

    async fn unlock(
        &self,
        request: Request<UnlockRequest>,
    ) -> Result<Response<UnlockResponse>, Status> {
        let (recipe, UnlockRequest { key }) = Recipe::begin(&self.api, request);
        let response = recipe.delete(key).await?;
        Ok(Response::new(UnlockResponse { header: response.header }))
    }
}
