//! gRPC's own health service: whether this member serves.

use std::collections::HashMap;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;

use etcd_proto::healthpb::health_check_response::ServingStatus;
use etcd_proto::healthpb::health_server;
use etcd_proto::healthpb::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
};
use futures_util::{Stream, stream};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::{Api, Error};

/// The one service that is known: the server with all its services.
const SERVER: &str = "";

/// What the health service says while the storage is defragmented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defragmenting {
    /// That the member serves, which it does.
    Serving,
    /// That it does not, so that clients go elsewhere (gate `StopGRPCServiceOnDefrag`).
    NotServing,
}

/// What the health service says. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Health {
    status: Arc<watch::Sender<ServingStatus>>,
    defragmenting: Defragmenting,
}

/// While it lives the storage is being defragmented.
pub(crate) struct Defragmentation<'h>(&'h Health);

impl Health {
    /// Clients are let in only when the member serves: it does from the start.
    pub fn new(defragmenting: Defragmenting) -> Health {
        let (status, _) = watch::channel(ServingStatus::Serving);
        Health { status: Arc::new(status), defragmenting }
    }

    pub(crate) fn begin_defragmentation(&self) -> Defragmentation<'_> {
        if self.defragmenting == Defragmenting::NotServing {
            self.tell(ServingStatus::NotServing);
        }
        Defragmentation(self)
    }

    fn tell(&self, status: ServingStatus) {
        if self.status.send_replace(status) != status {
            tracing::info!(status = status.as_str_name(), "grpc service status changed");
        }
    }
}

impl Drop for Defragmentation<'_> {
    fn drop(&mut self) {
        self.0.tell(ServingStatus::Serving);
    }
}

/// Answers for the member's health.
pub(crate) struct HealthService {
    api: Arc<Api>,
}

impl HealthService {
    pub(crate) fn new(api: Arc<Api>) -> HealthService {
        HealthService { api }
    }
}

#[tonic::async_trait]
impl health_server::Health for HealthService {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        match request.get_ref().service.as_str() {
            SERVER => Ok(Response::new(response(*self.api.health.status.borrow()))),
            _ => Err(Status::not_found("unknown service")),
        }
    }

    async fn list(
        &self,
        _: Request<HealthListRequest>,
    ) -> Result<Response<HealthListResponse>, Status> {
        let status = *self.api.health.status.borrow();
        let statuses = HashMap::from([(SERVER.to_owned(), response(status))]);
        Ok(Response::new(HealthListResponse { statuses }))
    }

    /// Tells the status first, then every other one. A service that nobody knows might come.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let is_known = request.get_ref().service == SERVER;
        let watch = Watch {
            status: is_known.then(|| self.api.health.status.subscribe()),
            told: None,
            api: self.api.clone(),
        };
        let statuses = stream::unfold(Some(watch), async |watch| {
            let mut watch = watch?;
            match watch.next().await {
                Ok(status) => Some((Ok(response(status)), Some(watch))),
                Err(error) => Some((Err(error.into()), None)),
            }
        });
        Ok(Response::new(Box::pin(statuses)))
    }
}

/// One call of Watch.
struct Watch {
    /// None for a service that nobody knows.
    status: Option<watch::Receiver<ServingStatus>>,
    told: Option<ServingStatus>,
    api: Arc<Api>,
}

impl Watch {
    /// The next status that is another one.
    async fn next(&mut self) -> Result<ServingStatus, Error> {
        let told = self.told;
        let next = async {
            match &mut self.status {
                Some(status) => {
                    let other = status.wait_for(|status| Some(*status) != told).await;
                    *other.expect("the sender is held by the api")
                }
                None if told.is_none() => ServingStatus::ServiceUnknown,
                None => pending().await,
            }
        };
        let status = tokio::select! {
            status = next => status,
            () = self.api.stopping.stopped() => return Err(Error::Stopped),
        };
        self.told = Some(status);
        Ok(status)
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status as i32 }
}
