//! All services of the client's door as one router.

use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use etcd_proto::etcdserverpb::cluster_server::ClusterServer;
use etcd_proto::etcdserverpb::kv_server::KvServer;
use etcd_proto::etcdserverpb::maintenance_server::MaintenanceServer;
use tonic::service::Routes;

use crate::Api;
use crate::cluster::ClusterService;
use crate::gate::gate;
use crate::kv::KvService;
use crate::maintenance::MaintenanceService;

/// The most bytes of a message that is sent, as etcd allows.
const MAX_SENT_BYTES: usize = i32::MAX as usize;

/// The gRPC services of a member, each behind the same gate. A call of anything else is answered
/// with `Unimplemented`.
pub fn routes(api: Api) -> axum::Router {
    let received = api.limits.max_message_bytes();
    let api = Arc::new(api);
    let kv = KvServer::new(KvService::new(api.clone()))
        .max_decoding_message_size(received)
        .max_encoding_message_size(MAX_SENT_BYTES);
    let cluster = ClusterServer::new(ClusterService::new(api.clone()))
        .max_decoding_message_size(received)
        .max_encoding_message_size(MAX_SENT_BYTES);
    let maintenance = MaintenanceServer::new(MaintenanceService::new(api.clone()))
        .max_decoding_message_size(received)
        .max_encoding_message_size(MAX_SENT_BYTES);
    // The service named "" is serving from the start: clients are let in only when it is.
    let (_, health) = tonic_health::server::health_reporter();
    Routes::new(kv)
        .add_service(cluster)
        .add_service(maintenance)
        .add_service(health)
        .into_axum_router()
        .layer(from_fn_with_state(api, gate))
}
