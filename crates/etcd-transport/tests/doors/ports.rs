//! What is spoken on one port.

use std::sync::Arc;

use bytes::Bytes;
use etcd_transport::{ClientListener, Error};
use etcd_visitors::Authority;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::certificates::{showing, trusting};
use crate::journal::Journal;
use crate::member::{Member, check_health, dialer, listen, who};

#[tokio::test]
async fn grpc_and_http_share_a_plain_port() {
    let member = Member::client_door(listen(&["http://127.0.0.1:0"], None));
    let (dialer, url) = (dialer(None), member.url("http"));
    check_health(&dialer, std::slice::from_ref(&url)).await.expect("gRPC");
    assert_eq!(
        who(&dialer, &url).await.expect("HTTP/1.1"),
        "127.0.0.1 via http://127.0.0.1:0 as None"
    );
    member.stop().await;
}

#[tokio::test]
async fn plain_and_tls_share_a_port() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new(directory.path(), "ca");
    let server = authority.issue("server", &["127.0.0.1"]);
    let urls = ["http://127.0.0.1:0", "https://127.0.0.1:0"];
    let member = Member::client_door(listen(&urls, Some(showing(&server))));
    let dialer = dialer(Some(trusting(&authority, &server)));
    for scheme in ["http", "https"] {
        let url = member.url(scheme);
        let answer = who(&dialer, &url).await.expect("HTTP/1.1");
        assert!(answer.contains(&format!("via {scheme}://127.0.0.1:0")), "{answer}");
        check_health(&dialer, &[url]).await.expect("gRPC");
    }
    member.stop().await;
}

#[tokio::test]
async fn plain_and_tls_stand_side_by_side_on_different_ports() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new(directory.path(), "ca");
    let server = authority.issue("server", &["localhost", "127.0.0.1"]);
    let options = listen(&["http://localhost:0", "https://127.0.0.1:0"], Some(showing(&server)));
    let listener = ClientListener::bind(options).expect("bound");
    let [plain, secure] = listener.local_addresses()[..] else { panic!("two addresses") };
    assert_eq!(plain.ip().to_string(), "127.0.0.1", "localhost is the IPv4 loopback address");
    let serving = tokio::spawn(listener.serve(
        crate::member::grpc(),
        crate::member::http(),
        tokio_util::sync::CancellationToken::new(),
    ));
    let dialer = dialer(Some(trusting(&authority, &server)));
    who(&dialer, &format!("http://{plain}")).await.expect("plain");
    who(&dialer, &format!("https://localhost:{}", secure.port())).await.expect("TLS by name");
    who(&dialer, &format!("https://{plain}")).await.expect_err("no TLS on the plain port");
    serving.abort();
}

#[tokio::test]
async fn http2_that_is_not_grpc_reaches_the_http_router() {
    let member = Member::client_door(listen(&["http://127.0.0.1:0"], None));
    let stream = TcpStream::connect(member.address).await.expect("connected");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("HTTP/2");
    let connection = tokio::spawn(connection);
    for (path, status) in [("/who", StatusCode::OK), ("/nowhere", StatusCode::NOT_FOUND)] {
        let request = Request::get(format!("http://{}{path}", member.address))
            .body(Empty::<Bytes>::new())
            .expect("a request");
        let answer = sender.send_request(request).await.expect("an answer");
        assert_eq!(answer.status(), status);
    }
    drop(sender);
    connection.await.expect("no panic").expect("closed in order");
    member.stop().await;
}

/// The answer to an HTTP/1.1 request by a client that offers these protocols in its handshake.
async fn answer_to_alpn(authority: &Authority, member: &Member, offered: &[&str]) -> String {
    let mut roots = RootCertStore::empty();
    let pem = std::fs::read(authority.file()).expect("read");
    for certificate in rustls_pemfile::certs(&mut &pem[..]) {
        roots.add(certificate.expect("PEM")).expect("a certificate");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::from(member.address.ip());
    let stream = TcpStream::connect(member.address).await.expect("connected");
    let mut stream =
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a handshake");
    let request = b"GET /who HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn clients_without_http2_in_their_handshake_are_served() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new(directory.path(), "ca");
    let member = Member::secure(showing(&authority.issue("server", &["127.0.0.1"])));
    assert_eq!(answer_to_alpn(&authority, &member, &["http/1.1"]).await, "HTTP/1.1 200 OK");
    assert_eq!(answer_to_alpn(&authority, &member, &[]).await, "HTTP/1.1 200 OK");
    member.stop().await;
}

#[tokio::test]
async fn socket_files_are_served_with_and_without_tls() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new(directory.path(), "ca");
    let server = authority.issue("server", &["localhost"]);
    let path = |name: &str| directory.path().join(name).display().to_string();
    let urls = [
        format!("unix://{}", path("plain.sock")),
        format!("unixs://{}", path("tls.sock")),
        format!("unix://{}", path("both.sock")),
        format!("unixs://{}", path("both.sock")),
    ];
    let listened: Vec<&str> = urls.iter().map(String::as_str).collect();
    let member = Member::client_door(listen(&listened, Some(showing(&server))));
    let dialer = dialer(Some(trusting(&authority, &server)));
    for url in &urls {
        let answer = who(&dialer, url).await.expect("HTTP/1.1");
        assert!(answer.contains(url), "{answer}");
        check_health(&dialer, std::slice::from_ref(url)).await.expect("gRPC");
    }
    member.stop().await;
    assert!(!directory.path().join("plain.sock").exists(), "a closed door takes its file away");
}

#[tokio::test]
async fn a_client_that_speaks_no_tls_on_a_tls_port_is_logged() {
    let mut journal = Journal::open();
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new(directory.path(), "ca");
    let member = Member::secure(showing(&authority.issue("server", &["127.0.0.1"])));
    let rejected = "rejected connection on client endpoint";
    who(&dialer(None), &member.url("http")).await.expect_err("no TLS");
    journal.line_with(&[rejected, "first record does not look like a TLS handshake"]).await;
    member.stop().await;
    assert!(journal.lines().is_empty(), "one line for one client");
}

#[tokio::test]
async fn a_client_that_only_leaves_is_not_worth_a_line() {
    let mut journal = Journal::open();
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new(directory.path(), "ca");
    let member = Member::secure(showing(&authority.issue("server", &["127.0.0.1"])));
    drop(TcpStream::connect(member.address).await.expect("connected"));
    // Connections are taken in order, so the first has been seen when the second is refused.
    who(&dialer(None), &member.url("http")).await.expect_err("no TLS");
    let rejected = "rejected connection on client endpoint";
    let line = journal.line_with(&[rejected]).await;
    assert!(line.contains("first record does not look"), "{line}");
    member.stop().await;
    assert!(!journal.lines().iter().any(|line| line.contains(rejected)));
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_it() {
    let member = Member::client_door(listen(&["http://127.0.0.1:0"], None));
    let error = ClientListener::bind(listen(&[&member.url("http")], None)).err().expect("taken");
    assert!(matches!(error, Error::Bind { .. }));
    assert_eq!(
        error.to_string(),
        format!("listen tcp {}: bind: address already in use", member.address)
    );
    let address = member.url("http");
    who(&dialer(None), &address).await.expect("one connection that lingers");
    member.stop().await;
    ClientListener::bind(listen(&[&address], None)).expect("free at once after the end");
}

#[tokio::test]
async fn a_tls_url_without_files_is_an_error() {
    let error = ClientListener::bind(listen(&["https://127.0.0.1:0"], None)).err().expect("no");
    assert_eq!(
        error.to_string(),
        "TLS key/cert (--cert-file, --key-file) must be provided for client url \
         https://127.0.0.1:0 with HTTPS scheme"
    );
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let mut options = listen(&["http://127.0.0.1:0"], None);
    options.max_connections = 1;
    let member = Member::client_door(options);
    let mut first = TcpStream::connect(member.address).await.expect("connected");
    let request = b"GET /who HTTP/1.1\r\nHost: a\r\n\r\n";
    first.write_all(request).await.expect("sent");
    let mut answered = [0; 12];
    first.read_exact(&mut answered).await.expect("answered");
    let (url, dialer) = (member.url("http"), dialer(None));
    let mut second = Box::pin(who(&dialer, &url));
    let waiting = tokio::time::timeout(std::time::Duration::from_millis(200), &mut second).await;
    assert!(waiting.is_err(), "the only place is taken");
    drop(first);
    second.await.expect("the place is free");
    member.stop().await;
}
