//! What a running member does though no request asks for it.

use std::time::Duration;

use etcd_api::Api;
use etcd_config::{Clustering, Member, Tuning};
use etcd_membership::MemberId;
use etcd_transport::Dialer;

use super::Server;
use crate::corruption::Checker;
use crate::versions::Versions;
use crate::{Error, publish, settings};

impl Server {
    /// Tells the cluster who this member is and where it serves, and takes part, unless it was
    /// removed.
    pub(super) async fn publish(
        self,
        id: MemberId,
        member: &Member,
        clustering: &Clustering,
        attempt: Duration,
    ) -> Result<Server, Error> {
        let urls = clustering.advertise_client_urls.iter().map(|url| url.as_str().to_owned());
        let urls = urls.collect();
        let publishing = async {
            publish::attributes(&self.raft, id, member.name.clone(), urls, attempt).await;
            publish::vote(&self.raft).await;
        };
        tokio::select! {
            () = publishing => {}
            () = self.removed() => {
                self.stop().await;
                return Err(Error::Removed);
            }
        }
        Ok(self)
    }

    /// Does what nobody asks for.
    pub(super) fn work(&self, api: &Api, clustering: &Clustering) -> Result<(), Error> {
        self.spawn_until_stop(etcd_api::expire_leases(api.clone()));
        self.spawn_until_stop(etcd_api::raise_alarms(api.clone()));
        self.spawn_until_stop(etcd_api::reap_tokens(self.views.auth.clone()));
        if let Some(retention) = settings::retention(clustering)? {
            self.spawn_until_stop(etcd_api::compact_by_itself(api.clone(), retention));
        }
        Ok(())
    }

    /// Compares keys with the other members, if that is wanted.
    pub(super) fn compare(
        &self,
        checker: Checker,
        member: &Member,
        tuning: &Tuning,
        limit: Duration,
    ) {
        let period = tuning.corrupt_check_time;
        if !period.is_zero() {
            let checker = checker.clone();
            self.spawn_until_stop(checker.check_always(self.raft.clone(), period, limit));
        }
        if member.feature_gates.compact_hash_check {
            let period = tuning.compact_hash_check_time;
            self.spawn_until_stop(checker.check_compactions(self.raft.clone(), period, limit));
        }
    }

    /// Spawns what would go on for ever, until clients are served no longer.
    pub(super) fn spawn_until_stop(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.clients.clone();
        self.client_tasks.spawn(async move { stop.run_until_cancelled(work).await });
    }

    /// Settles the version of the cluster while this member leads.
    pub(super) fn settle_version(
        &self,
        dialer: Dialer,
        attempt: Duration,
        downgrade_check: Duration,
    ) {
        let (raft, views) = (self.raft.clone(), self.views.clone());
        let versions = Versions { raft, views, dialer, attempt };
        self.spawn_until_stop(versions.clone().settle());
        self.spawn_until_stop(versions.end_downgrade(downgrade_check));
    }
}
