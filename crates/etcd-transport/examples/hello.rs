//! A door that answers `/version`, over HTTP and HTTPS on one port, with a certificate of its own
//! making.
//!
//! ```text
//! cargo run -p etcd-transport --example hello
//! curl http://127.0.0.1:2379/version
//! curl --insecure https://127.0.0.1:2379/version
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use axum::routing::get;
use axum::{Extension, Router};
use etcd_transport::{ClientListener, Connection, Error, ListenOptions, Tls};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let urls = ["http://127.0.0.1:2379", "https://127.0.0.1:2379"].map(str::to_owned).to_vec();
    let fixtures = std::env::temp_dir().join("etcd-transport-hello");
    let tls = Tls::self_signed(&fixtures, &urls, 1)?.server()?;
    let options = ListenOptions { urls, tls: Some(tls), ..ListenOptions::default() };
    let listener = ClientListener::bind(options)?;
    println!("listening at {:?}; end with Ctrl-C", listener.local_addresses());

    let http = Router::new().route("/version", get(version));
    let shutdown = CancellationToken::new();
    let asked = shutdown.clone();
    tokio::spawn(async move {
        // Without a signal handler there is no way to ask; then the door ends at once.
        let _ = tokio::signal::ctrl_c().await;
        asked.cancel();
    });
    listener.serve(Router::new(), http, shutdown).await;
    Ok(())
}

async fn version(Extension(connection): Extension<Connection>) -> String {
    println!("{} asked through {}", connection.remote, connection.listener);
    r#"{"etcdserver":"3.7.1","etcdcluster":"3.7.0"}"#.to_owned()
}
