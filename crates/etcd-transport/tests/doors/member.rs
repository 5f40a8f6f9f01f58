//! A running listener with two small routers, and the ways the tests talk to it.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::Request;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Extension, Router};
use etcd_transport::{
    ClientListener, ClientTls, Connection, DialOptions, Dialer, Error, ListenOptions, PeerListener,
    SanCheck, Tls,
};
use http::{StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

/// No test waits longer for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// A listener that serves.
pub(crate) struct Member {
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) task: JoinHandle<()>,
}

impl Member {
    pub(crate) fn client_door(options: ListenOptions) -> Member {
        let listener = ClientListener::bind(options).expect("bound");
        let address = first(&listener.local_addresses());
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(listener.serve(grpc(), http(), shutdown.clone()));
        Member { address, shutdown, task }
    }

    /// As for those who only look on.
    pub(crate) fn metrics_door(options: ListenOptions) -> Member {
        let listener = ClientListener::bind_checking_names(options).expect("bound");
        let address = first(&listener.local_addresses());
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(listener.serve(grpc(), http(), shutdown.clone()));
        Member { address, shutdown, task }
    }

    pub(crate) fn peer_door(options: ListenOptions, san_check: SanCheck) -> Member {
        let listener = PeerListener::bind(options, san_check).expect("bound");
        let address = first(&listener.local_addresses());
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(listener.serve(grpc(), http(), shutdown.clone()));
        Member { address, shutdown, task }
    }

    /// A client door with one `https` URL.
    pub(crate) fn secure(tls: Tls) -> Member {
        Member::client_door(listen(&["https://127.0.0.1:0"], Some(tls)))
    }

    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        timeout(PATIENCE, self.task).await.expect("in time").expect("no panic");
    }
}

fn first(addresses: &[SocketAddr]) -> SocketAddr {
    addresses.first().copied().unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)))
}

pub(crate) fn listen(urls: &[&str], tls: Option<Tls>) -> ListenOptions {
    ListenOptions {
        urls: urls.iter().map(|&url| url.to_owned()).collect(),
        tls: tls.map(|tls| tls.server().expect("good files")),
        ..ListenOptions::default()
    }
}

/// The health service and nothing else.
pub(crate) fn grpc() -> Router {
    let (_, service) = tonic_health::server::health_reporter();
    tonic::service::Routes::new(service).prepare().into_axum_router()
}

/// `/who` tells the connection the request came through; `/other` makes it one of something else
/// than HTTP.
pub(crate) fn http() -> Router {
    Router::new().route("/other", get(become_other)).route(
        "/who",
        get(async |Extension(connection): Extension<Connection>| {
            let name = connection.tls.map(|tls| tls.common_name.clone().unwrap_or_default());
            let remote = connection.remote.ip().map(|ip| ip.to_string()).unwrap_or_default();
            format!("{remote} via {} as {name:?}", connection.listener)
        }),
    )
}

/// The other protocol: everything comes back.
async fn become_other(request: Request) -> impl IntoResponse {
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async {
        let upgraded = upgrade.await.expect("a connection");
        let (mut reader, mut writer) = tokio::io::split(TokioIo::new(upgraded));
        tokio::io::copy(&mut reader, &mut writer).await
    });
    let headers = [(header::CONNECTION, "upgrade"), (header::UPGRADE, "other")];
    (StatusCode::SWITCHING_PROTOCOLS, headers)
}

pub(crate) fn dialer(tls: Option<Tls>) -> Dialer {
    let tls: Option<ClientTls> = tls.map(|tls| tls.client().expect("good files"));
    Dialer::new(DialOptions { tls, ..DialOptions::default() })
}

/// What `/who` answers.
pub(crate) async fn who(dialer: &Dialer, url: &str) -> Result<String, Error> {
    let (head, body) = dialer.get(url, "/who", PATIENCE).await?.into_parts();
    let status = head.status;
    assert_eq!(status, StatusCode::OK);
    Ok(String::from_utf8(body.to_vec()).expect("text"))
}

/// One gRPC request.
pub(crate) async fn check_health(dialer: &Dialer, urls: &[String]) -> Result<(), tonic::Status> {
    let mut client = HealthClient::new(dialer.channel(urls).expect("good URLs"));
    client.check(HealthCheckRequest::default()).await.map(drop)
}
