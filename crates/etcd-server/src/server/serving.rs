//! What a running member serves: its peers, its clients, and who reads its metrics.

use std::time::Duration;

use etcd_api::{Api, Leases};
use etcd_config::{Clustering, Member, Security};
use etcd_gateway::{Access, Facts, Gateway};
use etcd_transport::{Dialer, PeerListener};

use super::Server;
use crate::client_doors::ClientDoors;
use crate::data_directory::Identity;
use crate::settings;
use crate::version::ETCD_VERSION;

impl Server {
    pub(super) fn api(
        &self,
        identity: Identity,
        member: &Member,
        clustering: &Clustering,
        dialer: &Dialer,
        facts: &Facts,
        slow_request: Duration,
    ) -> Api {
        Api {
            raft: self.raft.clone(),
            views: self.views.clone(),
            cluster_id: identity.cluster,
            member_id: identity.member,
            limits: etcd_api::Limits {
                max_txn_ops: settings::count(member.max_txn_ops),
                max_request_bytes: settings::count(member.max_request_bytes),
                request_timeout: facts.request_timeout,
                watch_progress_interval: self.watch_progress_interval,
                slow_request,
                overload: settings::overload(member),
            },
            versions: etcd_api::Versions { server: ETCD_VERSION },
            authentication: self.authentication.clone(),
            leases: Leases::new(identity.member, settings::leases(member, dialer)),
            reconfiguration: settings::reconfiguration(clustering, dialer),
            alarming: etcd_api::Alarming::default(),
            health: etcd_api::Health::new(settings::defragmenting(member)),
            metrics: self.metrics.clone(),
            spans: self.spans.clone(),
            stopping: self.stopping.clone(),
        }
    }

    pub(super) fn access(&self, security: &Security, member: &Member) -> Access {
        let access = Access::new(&security.cors, &security.host_whitelist);
        match security.client.client_cert_auth && member.enable_grpc_gateway {
            true => access.refusing_names(self.views.clone()),
            false => access,
        }
    }

    pub(super) fn serve_clients(
        &self,
        doors: ClientDoors,
        facts: Facts,
        access: Access,
        api: Api,
        member: &Member,
    ) {
        let grpc = etcd_api::routes(api);
        let gateway = member.enable_grpc_gateway.then(|| Gateway::new(grpc.clone()));
        let recent = facts.recent.clone();
        let http = etcd_gateway::client_routes(facts, access, gateway);
        tracing::info!("ready to serve client requests");
        if let Some(recent) = &recent {
            recent.journal.note("ready to serve client requests");
        }
        doors.serve(grpc, http, &self.client_tasks, &self.clients);
    }

    pub(super) fn serve_metrics(&self, doors: &mut ClientDoors, facts: &Facts) {
        let metrics = etcd_gateway::metrics_routes(facts.clone());
        doors.serve_metrics(metrics, &self.client_tasks, &self.clients);
    }

    pub(super) fn serve_peers(&self, listener: PeerListener, facts: Facts, api: Api) {
        let routes = etcd_api::add_peer_routes(api.clone(), self.raft.peer_routes());
        let grpc = routes.prepare();
        let http = etcd_gateway::peer_routes(facts, etcd_api::promoter(api));
        let serving = listener.serve(grpc, http, self.peers.clone());
        self.peer_tasks.spawn_on(serving, self.raft.thread());
    }
}
