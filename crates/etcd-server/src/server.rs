//! One running member: everything composed, started in order, stopped in order.

mod compacting;
mod duties;
mod serving;

use std::time::Duration;

use etcd_api::{Authentication, Metrics, Stopping};
use etcd_apply::{Applier, Reply, Views};
use etcd_config::{Auth, Clustering, Config, Discovery, Logging, Member, Monitoring, Tuning};
use etcd_gateway::{Facts, Looks, Profiling};
use etcd_raft::Raft;
use etcd_spans::Spans;
use etcd_transport::{Dialer, PeerListener};
use prometheus::Registry;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::compacting::Compacting;
use crate::bootstrap;
use crate::client_doors::ClientDoors;
use crate::corruption::Checker;
use crate::data_directory::{Beginning, DataDirectory, Identity};
use crate::noted_applier::NotedApplier;
use crate::spans::Looked;
use crate::version::ETCD_VERSION;
use crate::{Error, authentication, memory, settings, spans, tls, versions};

/// The part of a request's time limit that has nothing to do with elections (etcd: 5 s).
const REQUEST_TIME: Duration = Duration::from_secs(5);
/// How long a stopping member lets commands finish that are under way.
const SETTLE_LIMIT: Duration = Duration::from_millis(200);
/// How long a stopping leader tries to hand over.
const HAND_OVER_LIMIT: Duration = Duration::from_millis(500);

/// How long a member that was removed goes on (etcd: 1 s).
const REMOVAL_DELAY: Duration = Duration::from_secs(1);

/// A running member. Dropping it without [`Server::stop`] leaves clients to find out.
pub struct Server {
    raft: Raft<Reply>,
    views: Views,
    compacting: Compacting,
    watch_progress_interval: Duration,
    authentication: Authentication,
    /// Where calls are counted.
    metrics: Metrics,
    /// Where requests are looked at, if somebody wants to.
    spans: Option<Spans>,
    /// Tells requests under way that they will get no answer.
    stopping: Stopping,
    /// Ends the client listeners, then the rest.
    clients: CancellationToken,
    peers: CancellationToken,
    client_tasks: TaskTracker,
    peer_tasks: TaskTracker,
}

impl Server {
    /// Starts a member and returns once it serves clients, which needs a quorum of its cluster.
    ///
    /// # Errors
    /// The configuration does not fit the machine or the cluster, or the data cannot be used. What
    /// was readable before still is.
    pub async fn start(config: Config) -> Result<Server, Error> {
        tell(&config);
        let Config { member, clustering, discovery, security, auth, .. } = config;
        let Config { monitoring, logging, tracing, tuning, hazards, .. } = config;
        memory::lock_if_wanted(&member)?;
        let profiling = begin_profiling(&monitoring, &logging).await;
        let authentication = authentication::open(&auth, security.client.client_cert_auth)?;
        let doors = tls::open(&security, &member)?;
        let peer_options = settings::peer_options(&member, doors.peer);
        let peer_listener = PeerListener::bind(peer_options, doors.san_check)?;
        let mut client_doors = ClientDoors::bind(&member, &monitoring, doors.client)?;
        let dialer = Dialer::new(settings::dial_options(&member, &clustering, doors.dialer));

        let places = settings::places(&member, &hazards);
        let mut data = blocking(move || DataDirectory::open(&places)).await?;
        let returns = data.identity.is_some();
        let max_learners = tuning.max_learners;
        let beginning =
            begin(&mut data, &member, &clustering, &discovery, &dialer, max_learners).await?;
        let identity = beginning.identity;
        tracing::info!(
            local_member_id = %identity.member, cluster_id = %identity.cluster,
            name = member.name, "starting local member");

        if hazards.force_new_cluster {
            etcd_raft::make_alone(&data.log, &data.storage, identity.member).await?;
        }
        let (applier, views) = blocking(move || Applier::open(data.storage)).await?;
        set_limits(&views, &auth, &member, &tuning);
        versions::check(&views)?;
        let checker = checker(identity, &views, &dialer);
        if member.feature_gates.initial_corrupt_check && returns {
            checker.check_start().await?;
        }
        let options =
            settings::raft_options(&member, &clustering, &tuning, beginning, data.log, &dialer);
        let Looked { spans, recent } = spans::start(&tracing, &logging);
        let raft = Raft::start(options, NotedApplier::new(applier, spans.as_ref())).await?;
        let request_timeout = REQUEST_TIME + member.election_timeout * 2;
        let registry = Registry::new();
        let metrics = Metrics::new(&registry, settings::detail(&monitoring));
        let facts = Facts {
            cluster: identity.cluster,
            raft: raft.clone(),
            views: views.clone(),
            request_timeout,
            looks: Looks::new(&registry),
            registry,
            recent,
            profiling,
            server_version: ETCD_VERSION,
        };
        let authentication = Authentication::new(authentication);
        let server = Server::new(raft, views, authentication, metrics, spans, &tuning)?;
        let slow_request = logging.warning_unary_request_duration;
        let api = server.api(identity, &member, &clustering, &dialer, &facts, slow_request);
        Metrics::show(&facts.registry, &api, settings::features(&member));
        server.serve_peers(peer_listener, facts.clone(), api.clone());
        server.work(&api, &clustering)?;
        server.compare(checker, &member, &tuning, request_timeout);
        server.serve_metrics(&mut client_doors, &facts);
        let server = server.publish(identity.member, &member, &clustering, request_timeout).await?;
        server.settle_version(dialer, request_timeout, tuning.downgrade_check_time);
        let access = server.access(&security, &member);
        server.serve_clients(client_doors, facts, access, api, &member);
        // Without systemd there is nobody to tell.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        if !member.memory_mlock {
            // Nobody waits for it: the member serves, and from here on a signal stops it in order.
            server.spawn_until_stop(memory::give_back_start());
        }
        Ok(server)
    }

    fn new(
        raft: Raft<Reply>,
        views: Views,
        authentication: Authentication,
        metrics: Metrics,
        spans: Option<Spans>,
        tuning: &Tuning,
    ) -> Result<Server, Error> {
        let compacting = Compacting::start(&views, tuning)?;
        Ok(Server {
            raft,
            views,
            compacting,
            watch_progress_interval: tuning.watch_progress_notify_interval,
            authentication,
            metrics,
            spans,
            stopping: Stopping::default(),
            clients: CancellationToken::new(),
            peers: CancellationToken::new(),
            client_tasks: TaskTracker::new(),
            peer_tasks: TaskTracker::new(),
        })
    }

    /// Resolves with the reason when the member cannot go on.
    pub async fn failed(&self) -> Error {
        tokio::select! {
            error = self.raft.failed() => error.into(),
            error = self.compacting.failed() => error,
        }
    }

    /// Resolves when the member was removed from its cluster, a moment after that: whoever has
    /// removed it may wait for its answer.
    pub async fn removed(&self) {
        self.raft.removed().await;
        tracing::info!("the member has been permanently removed from the cluster");
        tokio::time::sleep(REMOVAL_DELAY).await;
        tracing::warn!("data-dir used by this member must be removed");
    }

    /// Stops in order: clients are told to go away, a leader hands over, raft stops, the state is
    /// flushed so that the next start has nothing to apply again.
    pub async fn stop(self) {
        self.stopping.stop();
        self.clients.cancel();
        // While leadership moves commands are turned away: those under way come first.
        let _ = tokio::time::timeout(SETTLE_LIMIT, self.raft.settled()).await;
        if let Some(successor) = self.raft.successor() {
            let deadline = Instant::now() + HAND_OVER_LIMIT;
            match self.raft.transfer_leader(successor, deadline).await {
                Ok(()) => tracing::info!(transferee = %successor, "transferred leadership"),
                Err(error) => tracing::warn!(%error, "leadership was not transferred"),
            }
        }
        self.raft.shutdown().await;
        tracing::debug!("raft has stopped");
        self.peers.cancel();
        self.client_tasks.close();
        self.peer_tasks.close();
        self.client_tasks.wait().await;
        self.peer_tasks.wait().await;
        tracing::debug!("the listeners have closed");
        self.compacting.stop();
        spans::stop(self.spans).await;
        let Server { views, compacting, .. } = self;
        blocking(move || {
            compacting.join();
            if let Err(error) = views.storage.flush() {
                tracing::error!(%error, "could not flush the state");
            }
        })
        .await;
        tracing::debug!("the state is flushed");
    }
}

/// Has profiles made from now on, if somebody wants them.
async fn begin_profiling(monitoring: &Monitoring, logging: &Logging) -> Profiling {
    let profiling = settings::profiling(monitoring, logging);
    if profiling == Profiling::On {
        etcd_gateway::sample_memory().await;
    }
    profiling
}

/// The whole configuration, in one line of the log.
fn tell(config: &Config) {
    let fields = serde_json::Value::Object(config.fields()).to_string();
    tracing::info!(
        configuration = fields.as_str(),
        etcd_version = ETCD_VERSION,
        "starting an etcd server"
    );
}

/// What the member is, which its data say from now on.
async fn begin(
    data: &mut DataDirectory,
    member: &Member,
    clustering: &Clustering,
    discovery: &Discovery,
    dialer: &Dialer,
    max_learners: usize,
) -> Result<Beginning, Error> {
    if let Some(identity) = data.identity {
        // The founders count only if it stopped before its log held anything.
        return Ok(Beginning { identity, founders: data.founders.clone() });
    }
    let beginning =
        bootstrap::decide(&member.name, clustering, discovery, dialer, max_learners).await?;
    data.adopt(&beginning).await?;
    Ok(beginning)
}

fn checker(identity: Identity, views: &Views, dialer: &Dialer) -> Checker {
    Checker {
        cluster: identity.cluster,
        member: identity.member,
        views: views.clone(),
        dialer: dialer.clone(),
    }
}

/// Tells the state what this member alone is told, before the first command is applied.
fn set_limits(views: &Views, auth: &Auth, member: &Member, tuning: &Tuning) {
    views.figures.call_slow(tuning.warning_apply_duration);
    views.auth.tokens().set_ttl(authentication::token_ttl(auth));
    views.quota.limit_to(member.quota_backend_bytes);
}

/// Work that waits for the disk, away from the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let work = tokio::task::spawn_blocking(work);
    work.await.expect("the work does not panic and is not cancelled")
}
