//! All services of the client's door as one.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::HttpBody;
use axum::http::{Request, Response};
use bytes::Bytes;
use etcd_proto::etcdserverpb::auth_server::AuthServer;
use etcd_proto::etcdserverpb::cluster_server::ClusterServer;
use etcd_proto::etcdserverpb::kv_server::KvServer;
use etcd_proto::etcdserverpb::lease_server::LeaseServer;
use etcd_proto::etcdserverpb::maintenance_server::MaintenanceServer;
use etcd_proto::healthpb::health_server::HealthServer;
use etcd_proto::v3electionpb::election_server::ElectionServer;
use etcd_proto::v3lockpb::lock_server::LockServer;
use etcd_spans::{Incoming, Spans};
use etcd_transport::Connection;
use tonic::Status;
use tonic::body::Body;
use tower_service::Service;

use crate::auth::AuthService;
use crate::cluster::ClusterService;
use crate::counted_stream::{Sent, count_bytes, count_request};
use crate::election::ElectionService;
use crate::gate;
use crate::health::HealthService;
use crate::kv::KvService;
use crate::lease::LeaseService;
use crate::lock::LockService;
use crate::looked_at_answer::Ending;
use crate::maintenance::MaintenanceService;
use crate::methods::{BIDI_STREAM, Served, UNARY};
use crate::metrics::{Call, Method};
use crate::terms::terms;
use crate::{Api, put_route, range_route, rewording, slow, txn_route, watch};

/// The gRPC services of a member, each behind the same gate. A call of anything else is answered
/// with `Unimplemented`.
pub fn routes(api: Api) -> Services {
    let api = Arc::new(api);
    let limits = &api.limits;
    let maintenance = MaintenanceService::new(api.clone());
    Services(Arc::new(Stubs {
        kv: terms!(KvServer::new(KvService::new(api.clone())), limits),
        cluster: terms!(ClusterServer::new(ClusterService::new(api.clone())), limits),
        maintenance: terms!(MaintenanceServer::new(maintenance), limits),
        lease: terms!(LeaseServer::new(LeaseService::new(api.clone())), limits),
        auth: terms!(AuthServer::new(AuthService::new(api.clone())), limits),
        lock: terms!(LockServer::new(LockService::new(api.clone())), limits),
        election: terms!(ElectionServer::new(ElectionService::new(api.clone())), limits),
        health: terms!(HealthServer::new(HealthService::new(api.clone())), limits),
        api,
    }))
}

/// What [`routes`] makes: a service that is always ready. Cheap to clone.
#[derive(Clone)]
pub struct Services(Arc<Stubs>);

impl<B> Service<Request<B>> for Services
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<axum::BoxError> + Send + Unpin,
{
    type Response = Response<Sent>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answer {
        match &self.0.api.spans {
            None => self.0.answer(request),
            Some(spans) => self.0.answer_looked_at(spans, request),
        }
    }
}

/// The services that the .proto files declare, before the gate.
struct Stubs {
    api: Arc<Api>,
    kv: KvServer<KvService>,
    cluster: ClusterServer<ClusterService>,
    maintenance: MaintenanceServer<MaintenanceService>,
    lease: LeaseServer<LeaseService>,
    auth: AuthServer<AuthService>,
    lock: LockServer<LockService>,
    election: ElectionServer<ElectionService>,
    health: HealthServer<HealthService>,
}

impl Stubs {
    /// Lets a call through or refuses it, and has it looked at if somebody wants to know of it.
    #[cold]
    fn answer_looked_at<B>(&self, spans: &Spans, mut request: Request<B>) -> Answer
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<axum::BoxError> + Send + Unpin,
    {
        // As in etcd of a method that nobody knows there is nothing to tell.
        if self.api.metrics.method(request.uri().path()).is_none() {
            return self.answer(request);
        }
        let connection = request.extensions().get::<Connection>();
        let call = Incoming {
            path: request.uri().path(),
            headers: request.headers(),
            listener: connection.map(|connection| &*connection.listener),
        };
        let Some(looked_at) = spans.begin(&call) else { return self.answer(request) };
        looked_at.remark(|| match connection {
            Some(connection) => format!("from {}", connection.remote),
            None => "from this member's JSON gateway".to_owned(),
        });
        request.extensions_mut().insert(looked_at.clone());
        let answer = self.answer(request);
        Answer(State::LookedAt(Box::new(answer), Some(Ending(looked_at))))
    }

    /// Lets a call through or refuses it. As in etcd, what the gate refuses is not counted.
    fn answer<B>(&self, request: Request<B>) -> Answer
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<axum::BoxError> + Send + Unpin,
    {
        let method = self.api.metrics.method(request.uri().path());
        let shape = method.map(|method| method.shape());
        if let Err(refusal) = gate::check(&self.api, &request, shape) {
            return Answer(State::Refused(refusal));
        }
        let Some(method) = method else {
            let path = request.uri().path().to_owned();
            return Answer(match Served::at(&path) {
                Some(service) => State::Uncounted(self.call(service, request), path),
                None => State::Refused(rewording::unknown(&path)),
            });
        };
        let call = Call::start(method.clone());
        let answering = if method.kind == BIDI_STREAM {
            self.call(method.service, count_request(request, method.clone()))
        } else {
            self.timed(method, count_bytes(request, method.clone()))
        };
        Answer(State::Counted(answering, Some(call)))
    }

    /// A call that gets one message, told in the log if it takes too long.
    fn timed<B>(&self, method: &Arc<Method>, request: Request<B>) -> Answering
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<axum::BoxError> + Send + Unpin,
    {
        if method.kind != UNARY || slow::tells_itself(&method.path) {
            return self.call(method.service, request);
        }
        let connection = request.extensions().get::<Connection>();
        let remote = connection.map(|connection| connection.remote);
        let answering = self.call(method.service, request);
        slow::timed(self.api.limits.slow_request, method.clone(), remote, answering)
    }

    fn call<B>(&self, service: Served, request: Request<B>) -> Answering
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<axum::BoxError> + Send + Unpin,
    {
        let api = || self.api.clone();
        match service {
            // These have codecs of their own.
            Served::Kv => match request.uri().path() {
                range_route::RANGE => Box::pin(range_route::serve_range(api(), request)),
                range_route::RANGE_STREAM => {
                    Box::pin(range_route::serve_range_stream(api(), request))
                }
                txn_route::PATH => Box::pin(txn_route::serve(api(), request)),
                put_route::PATH => Box::pin(put_route::serve(api(), request)),
                _ => self.kv.clone().call(request),
            },
            Served::Cluster => self.cluster.clone().call(request),
            Served::Maintenance => self.maintenance.clone().call(request),
            Served::Watch => match request.uri().path() {
                watch::PATH => Box::pin(watch::serve(api(), request)),
                path => Box::pin(std::future::ready(Ok(rewording::unknown(path).into_http()))),
            },
            Served::Lease => self.lease.clone().call(request),
            Served::Auth => self.auth.clone().call(request),
            Served::Lock => self.lock.clone().call(request),
            Served::Election => self.election.clone().call(request),
            Served::Health => self.health.clone().call(request),
        }
    }
}

/// What a stub is about to answer.
pub(crate) type Answering =
    Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// The answer to a call, counted, with refusals of the gRPC library in etcd's words.
pub struct Answer(State);

enum State {
    /// No stub was asked.
    Refused(Status),
    /// By a method that etcd does not know.
    Uncounted(Answering, String),
    Counted(Answering, Option<Call>),
    /// Any of them, of which somebody wants to know how it ends.
    LookedAt(Box<Answer>, Option<Ending>),
}

impl Future for Answer {
    type Output = Result<Response<Sent>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(match &mut self.get_mut().0 {
            State::Refused(refusal) => refusal.clone().into_http().map(Sent::uncounted),
            State::Uncounted(answering, path) => {
                let response = ready!(answering.as_mut().poll(cx))?;
                rewording::reword(response, path).map(Sent::uncounted)
            }
            State::Counted(answering, call) => {
                let response = ready!(answering.as_mut().poll(cx))?;
                let call = call.take().expect("a future that is ready is not polled again");
                let response = rewording::reword(response, &call.method().path);
                call.answer(response)
            }
            State::LookedAt(answer, ending) => {
                let response = ready!(Pin::new(answer).poll(cx))?;
                let ending = ending.take().expect("a future that is ready is not polled again");
                ending.with(response)
            }
        }))
    }
}
