//! Somebody who asks all the time whether what must live does.

use crate::ledger::{Lease, Ledger};
use etcd_proto::etcdserverpb as pb;
use pb::kv_client::KvClient;
use pb::lease_client::LeaseClient;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tonic::transport::{Channel, Endpoint};

/// How often it asks.
const PACE: Duration = Duration::from_millis(20);
/// Members without a leader do not answer; it comes back later.
const ANSWER: Duration = Duration::from_secs(1);

/// Asks one member. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Visitor {
    ledger: Ledger,
    answers: Arc<AtomicU64>,
}

impl Visitor {
    pub(crate) fn new(ledger: &Ledger) -> Visitor {
        Visitor { ledger: ledger.clone(), answers: Arc::default() }
    }

    /// How many answers came.
    pub(crate) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// Asks for random ones of so many leases; ends with its runtime.
    pub(crate) async fn ask(self, url: String, leases: usize, seed: u64) {
        let mut random = StdRng::seed_from_u64(seed);
        let endpoint = Endpoint::from_shared(url).expect("a URL").connect_timeout(ANSWER);
        let channel = endpoint.connect_lazy();
        let mut ticks = tokio::time::interval(PACE);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Some((id, lease)) = self.ledger.nth(random.random_range(0..leases)) else {
                continue;
            };
            if self.ledger.is_left(&lease, Instant::now()) {
                continue;
            }
            let (told, count) = tokio::join!(
                tokio::time::timeout(ANSWER, time_to_live(&channel, id)),
                tokio::time::timeout(ANSWER, count(&channel, &lease.keys[0])),
            );
            if lease.renewed.elapsed() >= lease.ttl {
                // Nobody promised anything but its client, who is late.
                continue;
            }
            if let Ok(Some(told)) = told {
                self.check_time(&lease, &told);
            }
            if let Ok(Some(count)) = count {
                self.answers.fetch_add(1, Ordering::Relaxed);
                if count != 1 {
                    self.ledger.complain(format!("{:?} is gone", lease.keys[0]));
                }
            }
        }
    }

    fn check_time(&self, lease: &Lease, told: &pb::LeaseTimeToLiveResponse) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        let granted = i64::try_from(lease.ttl.as_secs()).expect("it was one");
        let mut keys: Vec<&[u8]> = told.keys.iter().map(|key| &key[..]).collect();
        keys.sort_unstable();
        let expected: Vec<&[u8]> = lease.keys.iter().map(String::as_bytes).collect();
        if told.ttl <= 0 || told.granted_ttl != granted || keys != expected {
            self.ledger.complain(format!("{lease:?} is told {told:?}"));
        }
    }
}

async fn time_to_live(channel: &Channel, id: i64) -> Option<pb::LeaseTimeToLiveResponse> {
    let request = pb::LeaseTimeToLiveRequest { id, keys: true };
    let answer = LeaseClient::new(channel.clone()).lease_time_to_live(request).await;
    answer.ok().map(tonic::Response::into_inner)
}

/// How many keys of this name there are, by a linearizable read.
async fn count(channel: &Channel, key: &str) -> Option<i64> {
    let request = pb::RangeRequest {
        key: bytes::Bytes::copy_from_slice(key.as_bytes()),
        count_only: true,
        ..pb::RangeRequest::default()
    };
    let answer = KvClient::new(channel.clone()).range(request).await;
    answer.ok().map(|answer| answer.into_inner().count)
}
