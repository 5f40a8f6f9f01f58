//! A connection for whole messages and any method: for what is asked before and beside a load. The
//! load itself goes over a `Line`.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use anyhow::Result;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::{Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tonic::body::Body;
use tower_service::Service;

/// Room for answers on the way: lists of many keys must not wait for the client's permission.
const WINDOW_BYTES: u32 = 8 << 20;

/// A connection; clones share it.
#[derive(Clone)]
pub(crate) struct Connection {
    sender: SendRequest<Body>,
    origin: Uri,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .handshake(TokioIo::new(stream))
            .await?;
        tokio::spawn(async move {
            // Whoever sends on it learns of its end.
            let _ = connection.await;
        });
        Ok(Connection { sender, origin: format!("http://{address}").parse()? })
    }

    /// `count` connections, in turn to each of the addresses.
    pub(crate) async fn open_many(
        addresses: &[SocketAddr],
        count: usize,
    ) -> Result<Vec<Connection>> {
        let mut connections = Vec::with_capacity(count);
        for address in addresses.iter().cycle().take(count) {
            connections.push(Connection::open(*address).await?);
        }
        Ok(connections)
    }

    /// What requests' paths are appended to.
    pub(crate) fn origin(&self) -> Uri {
        self.origin.clone()
    }
}

impl Service<Request<Body>> for Connection {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.sender.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.sender.send_request(request))
    }
}
