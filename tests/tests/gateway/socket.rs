//! Calls through a WebSocket.

use std::time::Duration;

use etcd_tests::{Cluster, Plan};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

const LIMIT: Duration = Duration::from_secs(10);

/// An open socket.
struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Opens one, and the protocol that the member chose.
    async fn open(url: &str, path: &str, headers: &[(&str, &str)]) -> (Socket, String) {
        let address = url.strip_prefix("http://").expect("without TLS");
        let request = format!("ws://{address}/v3/{path}").into_client_request();
        let mut request = request.expect("a request");
        for (name, value) in headers {
            let name = http::HeaderName::try_from(*name).expect("a name");
            request.headers_mut().insert(name, value.parse().expect("a value"));
        }
        let stream = TcpStream::connect(address).await.expect("it listens");
        let opened = timeout(LIMIT, client_async(request, stream)).await.expect("in time");
        let (socket, response) = opened.expect("a WebSocket");
        let protocol = response.headers().get("sec-websocket-protocol");
        let protocol = protocol.map(|name| name.to_str().expect("text").to_owned());
        (Socket(socket), protocol.unwrap_or_default())
    }

    async fn say(&mut self, json: &Value) {
        self.0.send(Message::text(json.to_string())).await.expect("it is open");
    }

    /// The next message; none when the socket is closed.
    async fn hear(&mut self) -> Option<Value> {
        match timeout(LIMIT, self.0.next()).await.expect("in time")? {
            Ok(Message::Text(text)) => Some(serde_json::from_str(&text).expect("JSON")),
            Ok(Message::Close(_))
            | Err(Error::ConnectionClosed | Error::Protocol(_) | Error::Io(_)) => None,
            other => panic!("neither text nor the end: {other:?}"),
        }
    }
}

fn run(test: impl AsyncFnOnce(&Cluster)) {
    let cluster = Cluster::start(&Plan::loopback(1).flag("--bcrypt-cost=4"));
    Runtime::new().expect("a runtime").block_on(test(&cluster));
}

/// Off the runtime's threads: the client blocks.
async fn put(cluster: &Cluster, key: &'static str) {
    let client = cluster.members[0].client();
    let put = tokio::task::spawn_blocking(move || client.put(key, "value").map(drop));
    put.await.expect("no panic").expect("put");
}

#[test]
fn a_watch_goes_both_ways() {
    run(async |cluster| {
        let url = &cluster.members[0].client_url;
        let (mut socket, protocol) = Socket::open(url, "watch", &[]).await;
        assert_eq!(protocol, "");
        socket.say(&json!({"create_request": {"key": "YQ=="}})).await;
        assert_eq!(socket.hear().await.expect("open")["result"]["created"], true);
        put(cluster, "a").await;
        let event = socket.hear().await.expect("open");
        assert_eq!(event["result"]["events"][0]["kv"]["key"], "YQ==");
        socket.say(&json!({"create_request": {"key": "Yg==", "watch_id": "9"}})).await;
        assert_eq!(socket.hear().await.expect("open")["result"]["watch_id"], "9");
        socket.say(&json!({"cancel_request": {"watch_id": "9"}})).await;
        assert_eq!(socket.hear().await.expect("open")["result"]["canceled"], true);
        socket.0.close(None).await.expect("closed");
        assert_eq!(socket.hear().await, None);
    });
}

#[test]
fn what_nobody_knows_is_refused_and_the_socket_closed() {
    run(async |cluster| {
        let url = &cluster.members[0].client_url;
        let (mut socket, _) = Socket::open(url, "nothing", &[]).await;
        let refusal = json!({"code": 5, "message": "Not Found"});
        assert_eq!(socket.hear().await, Some(refusal));
        assert_eq!(socket.hear().await, None);
    });
}

#[test]
fn leases_are_kept_alive() {
    run(async |cluster| {
        let url = &cluster.members[0].client_url;
        let (mut socket, _) = Socket::open(url, "lease/keepalive", &[]).await;
        for _ in 0..3 {
            socket.say(&json!({"ID": 5})).await;
            assert_eq!(socket.hear().await.expect("open")["result"]["ID"], "5");
        }
    });
}

#[test]
fn a_page_proves_who_it_is_by_protocol_or_cookie() {
    run(async |cluster| {
        let url = cluster.members[0].client_url.clone();
        let token = tokio::task::spawn_blocking(move || super::secure::enable_auth(&url));
        let token = token.await.expect("no panic");
        let url = &cluster.members[0].client_url;
        let bearer = format!("Bearer, {token}");
        let cookie = format!("x=y; token={token}");
        let ways = [("sec-websocket-protocol", &*bearer), ("cookie", &*cookie)];
        for (name, value) in ways {
            let (mut socket, protocol) = Socket::open(url, "watch", &[(name, value)]).await;
            assert_eq!(protocol, if name == "cookie" { "" } else { "Bearer" });
            socket.say(&json!({"create_request": {"key": "YQ=="}})).await;
            let answer = socket.hear().await.expect("open");
            assert!(answer["result"].get("canceled").is_none(), "{answer}");
        }
        let (mut socket, _) = Socket::open(url, "watch", &[]).await;
        socket.say(&json!({"create_request": {"key": "YQ=="}})).await;
        let answer = socket.hear().await.expect("open");
        assert_eq!(answer["result"]["canceled"], true, "{answer}");
    });
}
