//! One running member: everything composed, started in order, stopped in order.

use std::sync::Arc;
use std::time::Duration;

use etcd_api::{Api, Authentication, Leases, Metrics, Stopping, Versions};
use etcd_apply::{Applier, Reply, Views};
use etcd_config::{Auth, Clustering, Config, Discovery, Member, Security, Tuning};
use etcd_gateway::{Access, Facts, Gateway, Looks};
use etcd_membership::MemberId;
use etcd_mvcc::{Compactor, CompactorOptions};
use etcd_raft::Raft;
use etcd_transport::{Dialer, PeerListener};
use prometheus::Registry;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bootstrap::{self, Beginning};
use crate::client_doors::ClientDoors;
use crate::corruption::Checker;
use crate::data_directory::{DataDirectory, Identity};
use crate::slow_apply::TimedApplier;
use crate::version::{CLUSTER_VERSION, ETCD_VERSION};
use crate::{Error, authentication, memory, publish, settings, tls};

/// The part of a request's time limit that has nothing to do with elections (etcd: 5 s).
const REQUEST_TIME: Duration = Duration::from_secs(5);
/// How long a stopping member lets commands finish that are under way.
const SETTLE_LIMIT: Duration = Duration::from_millis(200);
/// How long a stopping leader tries to hand over.
const HAND_OVER_LIMIT: Duration = Duration::from_millis(500);

/// A running member. Dropping it without [`Server::stop`] leaves clients to find out.
pub struct Server {
    raft: Raft<Reply>,
    views: Views,
    compactor: Arc<Compactor>,
    compacting: std::thread::JoinHandle<()>,
    watch_progress_interval: Duration,
    authentication: Authentication,
    /// Where calls are counted.
    metrics: Metrics,
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
        let Config { monitoring, logging, tuning, hazards, .. } = config;
        memory::lock_if_wanted(&member)?;
        let authentication = authentication::open(&auth, security.client.client_cert_auth)?;
        let doors = tls::open(&security, &member)?;
        let peer_options = settings::peer_options(&member, doors.peer);
        let peer_listener = PeerListener::bind(peer_options, doors.san_check)?;
        let mut client_doors = ClientDoors::bind(&member, &monitoring, doors.client)?;
        let dialer = Dialer::new(settings::dial_options(&member, doors.dialer));

        let places = settings::places(&member, &hazards);
        let mut data = blocking(move || DataDirectory::open(&places)).await?;
        let returns = data.identity.is_some();
        let beginning = begin(&mut data, &member, &clustering, &discovery, &dialer).await?;
        let identity = beginning.identity;
        tracing::info!(
            local_member_id = %identity.member, cluster_id = %identity.cluster,
            name = member.name, "starting local member");

        let (applier, views) = blocking(move || Applier::open(data.storage)).await?;
        set_limits(&views, &auth, &member, &tuning);
        bootstrap::check_forced(&hazards, &views)?;
        let checker = checker(identity, &views, &dialer);
        if member.feature_gates.initial_corrupt_check && returns {
            checker.check_start().await?;
        }
        let options =
            settings::raft_options(&member, &clustering, &tuning, beginning, data.log, &dialer);
        let applier = TimedApplier::new(applier, tuning.warning_apply_duration);
        let raft = Raft::start(options, applier).await?;
        let request_timeout = REQUEST_TIME + member.election_timeout * 2;
        let registry = Registry::new();
        let facts = Facts {
            cluster: identity.cluster,
            raft: raft.clone(),
            views: views.clone(),
            request_timeout,
            looks: Looks::new(&registry),
            registry,
            profiling: settings::profiling(&monitoring, &logging),
            server_version: ETCD_VERSION,
        };
        let (compactor, compacting) = start_compactor(&views, &tuning)?;
        let server = Server {
            raft,
            views,
            compactor,
            compacting,
            watch_progress_interval: tuning.watch_progress_notify_interval,
            authentication: Authentication::new(authentication),
            metrics: Metrics::new(&facts.registry, settings::detail(&monitoring)),
            stopping: Stopping::default(),
            clients: CancellationToken::new(),
            peers: CancellationToken::new(),
            client_tasks: TaskTracker::new(),
            peer_tasks: TaskTracker::new(),
        };
        let slow_request = logging.warning_unary_request_duration;
        let api = server.api(identity, &member, &dialer, &facts, slow_request);
        Metrics::show(&facts.registry, &api, settings::features(&member));
        server.serve_peers(peer_listener, facts.clone(), api.clone());
        server.work(&api, &clustering)?;
        server.compare(checker, &member, &tuning, request_timeout);
        server.serve_metrics(&mut client_doors, &facts);
        server.publish(identity.member, &member, &clustering, dialer, request_timeout).await;
        let access = server.access(&security, &member);
        server.serve_clients(client_doors, facts, access, api, &member);
        // Without systemd there is nobody to tell.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        Ok(server)
    }

    /// Resolves with the reason when the member cannot go on.
    pub async fn failed(&self) -> Error {
        self.raft.failed().await.into()
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
        self.compactor.stop();
        let Server { views, compacting, .. } = self;
        blocking(move || {
            if compacting.join().is_err() {
                tracing::error!("the compaction thread panicked");
            }
            if let Err(error) = views.storage.flush() {
                tracing::error!(%error, "could not flush the state");
            }
        })
        .await;
        tracing::debug!("the state is flushed");
    }

    fn serve_metrics(&self, doors: &mut ClientDoors, facts: &Facts) {
        let metrics = etcd_gateway::metrics_routes(facts.clone());
        doors.serve_metrics(metrics, &self.client_tasks, &self.clients);
    }

    fn serve_peers(&self, listener: PeerListener, facts: Facts, api: Api) {
        let routes = etcd_api::add_peer_routes(api.clone(), self.raft.peer_routes());
        let grpc = routes.prepare();
        let http = etcd_gateway::peer_routes(facts);
        let serving = listener.serve(grpc, http, self.peers.clone());
        self.peer_tasks.spawn_on(serving, self.raft.thread());
    }

    /// Does what nobody asks for.
    fn work(&self, api: &Api, clustering: &Clustering) -> Result<(), Error> {
        self.spawn_until_stop(etcd_api::expire_leases(api.clone()));
        self.spawn_until_stop(etcd_api::raise_alarms(api.clone()));
        self.spawn_until_stop(etcd_api::reap_tokens(self.views.auth.clone()));
        if let Some(retention) = settings::retention(clustering)? {
            self.spawn_until_stop(etcd_api::compact_by_itself(api.clone(), retention));
        }
        Ok(())
    }

    /// Compares keys with the other members, if that is wanted.
    fn compare(&self, checker: Checker, member: &Member, tuning: &Tuning, limit: Duration) {
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
    fn spawn_until_stop(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.clients.clone();
        self.client_tasks.spawn(async move { stop.run_until_cancelled(work).await });
    }

    async fn publish(
        &self,
        id: MemberId,
        member: &Member,
        clustering: &Clustering,
        dialer: Dialer,
        attempt: Duration,
    ) {
        let urls = clustering.advertise_client_urls.iter().map(|url| url.as_str().to_owned());
        let urls = urls.collect();
        publish::attributes(&self.raft, id, member.name.clone(), urls, attempt).await;
        let versions =
            publish::cluster_version(self.raft.clone(), self.views.clone(), dialer, attempt);
        let stop = self.clients.clone();
        self.client_tasks.spawn(async move {
            // It runs until the stop.
            let _ = stop.run_until_cancelled(versions).await;
        });
    }

    fn api(
        &self,
        identity: Identity,
        member: &Member,
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
            },
            versions: Versions { server: ETCD_VERSION, storage: CLUSTER_VERSION },
            authentication: self.authentication.clone(),
            leases: Leases::new(identity.member, settings::leases(member, dialer)),
            alarming: etcd_api::Alarming::default(),
            metrics: self.metrics.clone(),
            stopping: self.stopping.clone(),
        }
    }

    fn access(&self, security: &Security, member: &Member) -> Access {
        let access = Access::new(&security.cors, &security.host_whitelist);
        match security.client.client_cert_auth && member.enable_grpc_gateway {
            true => access.refusing_names(self.views.clone()),
            false => access,
        }
    }

    fn serve_clients(
        &self,
        doors: ClientDoors,
        facts: Facts,
        access: Access,
        api: Api,
        member: &Member,
    ) {
        let grpc = etcd_api::routes(api);
        let gateway = member.enable_grpc_gateway.then(|| Gateway::new(grpc.clone()));
        let http = etcd_gateway::client_routes(facts, access, gateway);
        tracing::info!("ready to serve client requests");
        doors.serve(grpc, http, &self.client_tasks, &self.clients);
    }
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
) -> Result<Beginning, Error> {
    if let Some(identity) = data.identity {
        return Ok(bootstrap::resume(identity, clustering));
    }
    let beginning = bootstrap::decide(&member.name, clustering, discovery, dialer).await?;
    data.adopt(beginning.identity).await?;
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

fn start_compactor(
    views: &Views,
    tuning: &Tuning,
) -> Result<(Arc<Compactor>, std::thread::JoinHandle<()>), Error> {
    let options = CompactorOptions {
        batch_limit: tuning.compaction_batch_limit,
        sleep_interval: tuning.compaction_sleep_interval,
        ..CompactorOptions::default()
    };
    let compactor = Arc::new(views.mvcc.compactor(options));
    let running = compactor.clone();
    let thread = std::thread::Builder::new().name("compactor".to_owned()).spawn(move || {
        if let Err(error) = running.run() {
            tracing::error!(%error, "compaction stopped");
        }
    });
    let thread = thread.map_err(|error| Error::Data(format!("cannot start a thread: {error}")))?;
    Ok((compactor, thread))
}

/// Work that waits for the disk, away from the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let work = tokio::task::spawn_blocking(work);
    work.await.expect("the work does not panic and is not cancelled")
}
