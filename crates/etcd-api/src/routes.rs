//! All services of the client's door as one router.

use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use etcd_proto::etcdserverpb::auth_server::AuthServer;
use etcd_proto::etcdserverpb::cluster_server::ClusterServer;
use etcd_proto::etcdserverpb::kv_server::KvServer;
use etcd_proto::etcdserverpb::lease_server::LeaseServer;
use etcd_proto::etcdserverpb::maintenance_server::MaintenanceServer;
use etcd_proto::etcdserverpb::watch_server::WatchServer;
use etcd_proto::v3electionpb::election_server::ElectionServer;
use etcd_proto::v3lockpb::lock_server::LockServer;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;

use crate::Api;
use crate::auth::AuthService;
use crate::cluster::ClusterService;
use crate::election::ElectionService;
use crate::gate::gate;
use crate::kv::KvService;
use crate::lease::LeaseService;
use crate::limits::MAX_SENT_BYTES;
use crate::lock::LockService;
use crate::maintenance::MaintenanceService;
use crate::txn_route::txn_route;
use crate::watch::WatchService;

/// A service on the terms of all: what etcd's own takes, and gzip for requests as it does. Answers
/// go out as they are, which every client takes.
macro_rules! terms {
    ($service:expr, $received:expr) => {
        $service
            .max_decoding_message_size($received)
            .max_encoding_message_size(MAX_SENT_BYTES)
            .accept_compressed(CompressionEncoding::Gzip)
    };
}

/// The gRPC services of a member, each behind the same gate. A call of anything else is answered
/// with `Unimplemented`.
pub fn routes(api: Api) -> axum::Router {
    let received = api.limits.max_message_bytes();
    let api = Arc::new(api);
    let kv = terms!(KvServer::new(KvService::new(api.clone())), received);
    let cluster = terms!(ClusterServer::new(ClusterService::new(api.clone())), received);
    let maintenance =
        terms!(MaintenanceServer::new(MaintenanceService::new(api.clone())), received);
    let watch = terms!(WatchServer::new(WatchService::new(api.clone())), received);
    let lease = terms!(LeaseServer::new(LeaseService::new(api.clone())), received);
    let auth = terms!(AuthServer::new(AuthService::new(api.clone())), received);
    let lock = terms!(LockServer::new(LockService::new(api.clone())), received);
    let election = terms!(ElectionServer::new(ElectionService::new(api.clone())), received);
    // The service named "" is serving from the start: clients are let in only when it is.
    let (_, health) = tonic_health::server::health_reporter();
    Routes::new(kv)
        .add_service(cluster)
        .add_service(maintenance)
        .add_service(watch)
        .add_service(lease)
        .add_service(lock)
        .add_service(election)
        .add_service(auth)
        .add_service(health)
        .into_axum_router()
        .merge(txn_route(api.clone()))
        .layer(from_fn_with_state(api, gate))
}
