//! Who led when, as far as it can be seen from outside.

use etcd_proto::etcdserverpb as pb;
use pb::maintenance_client::MaintenanceClient;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tonic::transport::{Channel, Endpoint};

/// How often a member is asked whether it leads.
const PACE: Duration = Duration::from_millis(50);
/// How long it has to answer.
const ANSWER: Duration = Duration::from_millis(500);

/// The reigns so far, the first one first. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Reigns {
    seen: Arc<Mutex<Vec<Reign>>>,
}

/// One leader's time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reign {
    pub(crate) term: u64,
    /// When it was there for sure; it began before.
    pub(crate) first_seen: Instant,
    /// When it was still there for sure.
    pub(crate) last_seen: Instant,
}

impl Reigns {
    /// Asks one member again and again; ends with its runtime.
    pub(crate) async fn follow(self, url: String) {
        let endpoint = Endpoint::from_shared(url).expect("a URL").connect_timeout(ANSWER);
        let mut client = MaintenanceClient::new(endpoint.connect_lazy());
        let mut ticks = tokio::time::interval(PACE);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Some(term) = term_if_leading(&mut client).await {
                self.saw(term);
            }
        }
    }

    fn saw(&self, term: u64) {
        let now = Instant::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.last_mut() {
            Some(reign) if reign.term == term => reign.last_seen = now,
            // Somebody who does not know yet that he was replaced.
            Some(reign) if reign.term > term => {}
            _ => seen.push(Reign { term, first_seen: now, last_seen: now }),
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Reign> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn term_if_leading(client: &mut MaintenanceClient<Channel>) -> Option<u64> {
    let answer = tokio::time::timeout(ANSWER, client.status(pb::StatusRequest {})).await;
    let status = answer.ok()?.ok()?.into_inner();
    let member = status.header?.member_id;
    (status.leader == member).then_some(status.raft_term)
}
