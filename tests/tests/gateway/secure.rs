//! JSON over TLS, by both versions of HTTP, and certificates that prove nothing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use etcd_tests::{Certificates, Cluster, Plan, web};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

const LIMIT: Duration = Duration::from_secs(10);
const H1: &[u8] = b"http/1.1";
const H2: &[u8] = b"h2";

/// Makes `root` a user and turns authentication on; a token of it.
pub(crate) fn enable_auth(url: &str) -> String {
    let post = |path: &str, body: &str| {
        let answer = web::send("POST", &format!("{url}/v3/auth/{path}"), &[], body.as_bytes());
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    };
    post("user/add", "{\"name\":\"root\",\"password\":\"secret\"}");
    post("role/add", "{\"name\":\"root\"}");
    post("user/grant", "{\"user\":\"root\",\"role\":\"root\"}");
    post("enable", "{}");
    let answer = post("authenticate", "{\"name\":\"root\",\"password\":\"secret\"}");
    let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    answer["token"].as_str().expect("a token").to_owned()
}

fn client_config(certificates: &Certificates, protocol: &[u8]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&certificates.ca).expect("PEM")).expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_root_certificates(roots);
    let certificate = CertificateDer::from_pem_file(&certificates.client).expect("PEM");
    let key = PrivateKeyDer::from_pem_file(&certificates.client_key).expect("PEM");
    let mut config = config.with_client_auth_cert(vec![certificate], key).expect("they match");
    config.alpn_protocols = vec![protocol.to_vec()];
    config
}

/// Asks for a range with the client's certificate and some token.
async fn range(cluster: &Cluster, protocol: &[u8], token: &str) -> (StatusCode, String) {
    let address = cluster.members[0].advertised_url.strip_prefix("https://").expect("TLS");
    let stream = TcpStream::connect(address).await.expect("it listens");
    let config = client_config(super::certificates(cluster), protocol);
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("TLS");
    let request = Request::post(format!("https://{address}/v3/kv/range"))
        .header("host", address)
        .header("authorization", token)
        .body(Full::new(Bytes::from_static(b"{\"key\":\"YQ==\"}")))
        .expect("a request");
    let response = if protocol == H2 {
        let io = TokioIo::new(stream);
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), io);
        let (mut sender, connection) = handshake.await.expect("HTTP/2");
        tokio::spawn(connection);
        sender.send_request(request).await
    } else {
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.expect("HTTP/1.1");
        tokio::spawn(connection);
        sender.send_request(request).await
    };
    let (head, body) = response.expect("an answer").into_parts();
    let body = body.collect().await.expect("all of it").to_bytes();
    (head.status, String::from_utf8(body.to_vec()).expect("text"))
}

#[test]
fn a_certificate_is_no_proof_and_nobody_may_think_it_is() {
    let cluster = Cluster::start(&Plan::loopback(1).client_tls().flag("--bcrypt-cost=4"));
    let runtime = Runtime::new().expect("a runtime");
    let ask = |protocol, token: &str| {
        runtime.block_on(async {
            timeout(LIMIT, range(&cluster, protocol, token)).await.expect("in time")
        })
    };
    for protocol in [H1, H2] {
        let (status, body) = ask(protocol, "");
        assert_eq!(status, StatusCode::OK, "{body}");
        assert!(body.contains("\"revision\""), "{body}");
    }
    let token = enable_auth(&cluster.members[0].client_url);
    let refusal = "CommonName of client sending a request against gateway will be ignored and not \
                   used as expected\n";
    for (protocol, token) in [(H1, ""), (H2, ""), (H1, &token)] {
        assert_eq!(ask(protocol, token), (StatusCode::BAD_REQUEST, refusal.to_owned()));
    }
}
