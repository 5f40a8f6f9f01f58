//! How a listener ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use etcd_transport::{ClientListener, ListenOptions};
use etcd_visitors::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::certificates::{showing, trusting};
use crate::member::{Member, PATIENCE, check_health, dialer, listen};

/// A listener whose `/slow` answers when told to, and whose `/endless` never ends.
struct Slow {
    address: std::net::SocketAddr,
    entered: Arc<Notify>,
    finish: Arc<Notify>,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

fn slow(grace: Duration) -> Slow {
    let options = ListenOptions { shutdown_grace: grace, ..listen(&["http://127.0.0.1:0"], None) };
    let listener = ClientListener::bind(options).expect("bound");
    let address = listener.local_addresses()[0];
    let (entered, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, wait) = (Arc::clone(&entered), Arc::clone(&finish));
    let endless = async || {
        let chunks = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::new()));
        let chunks = futures_util::StreamExt::then(chunks, async |chunk| {
            std::future::pending::<()>().await;
            chunk
        });
        Body::from_stream(chunks)
    };
    let http = Router::new()
        .route(
            "/slow",
            get(async move || {
                told.notify_one();
                wait.notified().await;
                "done"
            }),
        )
        .route("/endless", get(endless));
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(listener.serve(Router::new(), http, shutdown.clone()));
    Slow { address, entered, finish, shutdown, task }
}

async fn ask(address: std::net::SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    stream
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_end() {
    let slow = slow(PATIENCE);
    let mut stream = ask(slow.address, "/slow").await;
    slow.entered.notified().await;
    slow.shutdown.cancel();
    slow.finish.notify_one();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("in time").expect("read");
    assert!(answer.ends_with("done"), "{answer}");
    timeout(PATIENCE, slow.task).await.expect("in time").expect("no panic");
    TcpStream::connect(slow.address).await.expect_err("nobody listens any more");
}

#[tokio::test]
async fn a_stream_that_does_not_end_is_dropped_after_the_grace() {
    let slow = slow(Duration::from_millis(100));
    let mut stream = ask(slow.address, "/endless").await;
    let mut head = [0; 15];
    stream.read_exact(&mut head).await.expect("the answer has begun");
    slow.shutdown.cancel();
    timeout(PATIENCE, slow.task).await.expect("in time").expect("no panic");
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("in time").expect("read");
}

#[tokio::test]
async fn idle_connections_of_every_kind_do_not_delay_the_end() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new(directory.path(), "ca");
    let server = authority.issue("server", &["127.0.0.1"]);
    let urls = ["http://127.0.0.1:0", "https://127.0.0.1:0"];
    let mut options = listen(&urls, Some(showing(&server)));
    options.shutdown_grace = PATIENCE * 10;
    let member = Member::client_door(options);
    let dialer = dialer(Some(trusting(&authority, &server)));

    let silent = TcpStream::connect(member.address).await.expect("connected");
    let mut half = TcpStream::connect(member.address).await.expect("connected");
    half.write_all(&[0x16, 3, 1]).await.expect("a handshake begun");
    let mut idle = ask(member.address, "/who").await;
    idle.read_exact(&mut [0; 15]).await.expect("answered");
    let urls = [member.url("http"), member.url("https")];
    let channels: Vec<_> =
        urls.iter().map(|url| dialer.channel(&[url]).expect("a good URL")).collect();
    for url in urls {
        check_health(&dialer, &[url]).await.expect("gRPC");
    }

    let begun = Instant::now();
    member.stop().await;
    assert!(begun.elapsed() < PATIENCE);
    drop((silent, half, idle, channels));
}
