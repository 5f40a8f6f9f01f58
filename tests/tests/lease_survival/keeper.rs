//! Clients that keep leases alive, each over one stream, on another member when theirs is gone.

use crate::ledger::{Lease, Ledger};
use etcd_proto::etcdserverpb as pb;
use pb::kv_client::KvClient;
use pb::lease_client::LeaseClient;
use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

/// Who hears nothing for so long tries another member.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Who was refused tries another member after this time.
const AFTER_FAILURE: Duration = Duration::from_millis(50);
/// Renewals for each time to live, as in etcd's client.
const RENEWALS_IN_TTL: u32 = 3;

/// What a client wants of a lease.
pub(crate) struct Wish {
    pub(crate) ttl_seconds: i64,
    pub(crate) keys: Vec<String>,
    /// See [`Lease::leaves_after`].
    pub(crate) leaves_after: Option<Duration>,
}

/// One client.
pub(crate) struct Keeper {
    ledger: Ledger,
    urls: Vec<String>,
    /// The place in `urls` of the member that it is at.
    at: usize,
    /// Whose turn is when.
    turns: BTreeSet<(Instant, i64)>,
    /// Asked and not answered, the first one first.
    asked: VecDeque<(i64, Instant)>,
}

/// The stream is of no use any more.
struct Lost;

impl Keeper {
    pub(crate) fn new(ledger: &Ledger, urls: &[String], at: usize) -> Keeper {
        Keeper {
            ledger: ledger.clone(),
            urls: urls.to_vec(),
            at,
            turns: BTreeSet::new(),
            asked: VecDeque::new(),
        }
    }

    /// Grants itself leases with their keys, in a healthy cluster, and meanwhile and afterwards
    /// keeps them alive. Says so when it has them all, and ends with its runtime.
    pub(crate) async fn run(mut self, wishes: Vec<Wish>, has_all: mpsc::Sender<()>) {
        let (tell, mut granted) = mpsc::channel(wishes.len().max(1));
        let room = wishes.len().max(1);
        let (ledger, url) = (self.ledger.clone(), self.urls[self.at].clone());
        tokio::spawn(async move {
            let channel = Endpoint::from_shared(url).expect("a URL").connect().await;
            let channel = channel.expect("a healthy member");
            for wish in wishes {
                let id = grant(&ledger, &channel, wish).await;
                tell.send(id).await.expect("the keeper outlives this");
            }
            has_all.send(()).await.expect("somebody waits for this");
        });
        loop {
            // Its headers may come with the first answer only.
            while self.turns.is_empty() {
                let Some(id) = granted.recv().await else { return };
                self.turns.insert((Instant::now(), id));
            }
            let (at, _) = self.turns.first().expect("there is one");
            sleep_until((*at).into()).await;
            let Err(Lost) = self.renew_at_one_member(room, &mut granted).await;
            for (id, _) in std::mem::take(&mut self.asked) {
                self.ledger.gave_up(id);
                self.turns.insert((Instant::now(), id));
            }
            self.at = (self.at + 1) % self.urls.len();
            tokio::time::sleep(AFTER_FAILURE).await;
        }
    }

    /// Renews until the stream breaks, or an answer takes too long.
    async fn renew_at_one_member(
        &mut self,
        room: usize,
        granted: &mut mpsc::Receiver<i64>,
    ) -> Result<std::convert::Infallible, Lost> {
        let endpoint = Endpoint::from_shared(self.urls[self.at].clone()).expect("a URL");
        let channel = soon(endpoint.connect()).await?;
        let (requests, stream) = mpsc::channel(room);
        self.ask_for_due(&requests);
        let mut client = LeaseClient::new(channel);
        let answers = soon(client.lease_keep_alive(ReceiverStream::new(stream))).await?;
        let mut answers: Streaming<pb::LeaseKeepAliveResponse> = answers.into_inner();
        let mut heard = Instant::now();
        loop {
            let turn = self.turns.first().map(|(at, _)| *at);
            let patience = self.asked.front().map(|(_, asked)| heard.max(*asked) + PATIENCE);
            tokio::select! {
                answer = answers.message() => match answer {
                    Ok(Some(answer)) => {
                        heard = Instant::now();
                        self.take(&answer);
                    }
                    Ok(None) | Err(_) => return Err(Lost),
                },
                Some(id) = granted.recv() => {
                    self.turns.insert((Instant::now(), id));
                }
                () = until(turn) => self.ask_for_due(&requests),
                () = until(patience) => return Err(Lost),
            }
        }
    }

    fn ask_for_due(&mut self, requests: &mpsc::Sender<pb::LeaseKeepAliveRequest>) {
        let now = Instant::now();
        while let Some(&(at, id)) = self.turns.first().filter(|(at, _)| *at <= now) {
            self.turns.remove(&(at, id));
            if !self.ledger.has_left(id) {
                let asked = requests.try_send(pb::LeaseKeepAliveRequest { id });
                // There is room for all leases, unless the stream has ended, which comes to light.
                if asked.is_ok() {
                    self.asked.push_back((id, Instant::now()));
                } else {
                    self.turns.insert((now + PATIENCE, id));
                }
            }
        }
    }

    fn take(&mut self, answer: &pb::LeaseKeepAliveResponse) {
        let Some((id, asked)) = self.asked.pop_front() else {
            return self.ledger.complain(format!("nobody asked for {answer:?}"));
        };
        if answer.id != id {
            return self.ledger.complain(format!("{answer:?} is no answer to {id}"));
        }
        if answer.ttl == 0 {
            return self.ledger.lost(id);
        }
        let ttl = self.ledger.renewed(id, asked);
        if u64::try_from(answer.ttl) != Ok(ttl.as_secs()) {
            return self.ledger.complain(format!("a lease of {ttl:?} is told {answer:?}"));
        }
        self.turns.insert((Instant::now() + ttl / RENEWALS_IN_TTL, id));
    }
}

/// Grants a lease and puts its keys.
async fn grant(ledger: &Ledger, channel: &Channel, wish: Wish) -> i64 {
    let asked = Instant::now();
    let request = pb::LeaseGrantRequest { id: 0, ttl: wish.ttl_seconds };
    let granted = LeaseClient::new(channel.clone()).lease_grant(request).await;
    let granted = granted.expect("a healthy cluster").into_inner();
    assert_eq!(granted.ttl, wish.ttl_seconds);
    for key in &wish.keys {
        let put = pb::PutRequest {
            key: key.clone().into(),
            lease: granted.id,
            ..pb::PutRequest::default()
        };
        KvClient::new(channel.clone()).put(put).await.expect("a healthy cluster");
    }
    let ttl_seconds = u64::try_from(granted.ttl).expect("it is what was wished");
    let lease = Lease {
        ttl: Duration::from_secs(ttl_seconds),
        keys: wish.keys,
        leaves_after: wish.leaves_after,
        renewed: asked,
        touched: Instant::now(),
        renewals: 0,
        starved: false,
        longest_gap: Duration::ZERO,
    };
    ledger.add(granted.id, lease);
    granted.id
}

/// What comes in time and is no failure.
async fn soon<T, E>(call: impl Future<Output = Result<T, E>>) -> Result<T, Lost> {
    timeout(PATIENCE, call).await.map_err(|_| Lost)?.map_err(|_| Lost)
}

/// Resolves at this moment, if there is one.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
