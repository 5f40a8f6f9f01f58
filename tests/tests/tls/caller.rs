//! A client that speaks exactly the TLS it is told to.

use bytes::{BufMut, Bytes, BytesMut};
use etcd_proto::etcdserverpb::PutRequest;
use etcd_transport::AnyServer;
use etcd_visitors::{Authority, Identity};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{CipherSuite, ClientConfig, RootCertStore, SupportedProtocolVersion};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Builder;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// No exchange takes longer, unless nobody answers.
const LIMIT: Duration = Duration::from_secs(15);

/// How to call. Every call is a connection of its own.
#[derive(Clone)]
pub(crate) struct Caller {
    roots: Option<Arc<RootCertStore>>,
    shown: Option<Identity>,
    offered: Vec<Vec<u8>>,
    versions: Vec<&'static SupportedProtocolVersion>,
    suites: Vec<CipherSuite>,
}

impl Caller {
    /// Trusts an authority and shows nothing.
    pub(crate) fn of(authority: &Authority) -> Caller {
        let mut caller = Caller::credulous();
        caller.trust(&authority.file());
        caller
    }

    /// Believes any server.
    pub(crate) fn credulous() -> Caller {
        Caller {
            roots: None,
            shown: None,
            offered: Vec::new(),
            versions: rustls::ALL_VERSIONS.to_vec(),
            suites: Vec::new(),
        }
    }

    /// Trusts one more authority.
    pub(crate) fn trust(&mut self, file: &Path) {
        let mut roots = self.roots.as_deref().cloned().unwrap_or_else(RootCertStore::empty);
        let certificate = CertificateDer::from_pem_file(file).expect("a PEM file");
        roots.add(certificate).expect("an authority");
        self.roots = Some(Arc::new(roots));
    }

    pub(crate) fn showing(&self, identity: &Identity) -> Caller {
        Caller { shown: Some(identity.clone()), ..self.clone() }
    }

    pub(crate) fn offering(&self, protocols: &[&str]) -> Caller {
        let offered = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Caller { offered, ..self.clone() }
    }

    pub(crate) fn speaking(&self, version: &'static SupportedProtocolVersion) -> Caller {
        Caller { versions: vec![version], ..self.clone() }
    }

    pub(crate) fn with_suite(&self, suite: CipherSuite) -> Caller {
        Caller { suites: vec![suite], ..self.clone() }
    }

    /// The answer to `GET path` over HTTP/1.1, and from which port it was asked.
    pub(crate) fn get_from(&self, port: u16, path: &str) -> (SocketAddr, Result<String, String>) {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("a listener");
            let own = socket.local_addr().expect("an address");
            let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
            let answer = async { ask(self.handshake(socket, name).await?, path).await };
            (own, in_time(answer).await)
        })
    }

    /// The answer to `GET path` over HTTP/1.1.
    pub(crate) fn get(&self, port: u16, path: &str) -> Result<String, String> {
        self.get_from(port, path).1
    }

    /// The answer to `GET path` through a socket file, by the server's name `localhost`.
    pub(crate) fn get_by_file(&self, file: &Path, path: &str) -> Result<String, String> {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(in_time(async {
            let socket = UnixStream::connect(file).await.map_err(|error| error.to_string())?;
            let name = ServerName::try_from("localhost").expect("a name");
            ask(self.handshake(socket, name).await?, path).await
        }))
    }

    /// Puts keys over gRPC, on one connection.
    pub(crate) fn put(&self, port: u16, keys: &[String]) -> Result<(), String> {
        let caller = self.offering(&["h2"]);
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(in_time(async {
            let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
            let socket = socket.map_err(|error| format!("connect: {error}"))?;
            let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
            put_all(caller.handshake(socket, name).await?, port, keys).await
        }))
    }

    async fn handshake<S>(
        &self,
        socket: S,
        name: ServerName<'static>,
    ) -> Result<TlsStream<S>, String>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let connector = TlsConnector::from(Arc::new(self.config()));
        connector.connect(name, socket).await.map_err(|error| format!("handshake: {error}"))
    }

    fn config(&self) -> ClientConfig {
        let mut provider = aws_lc_rs::default_provider();
        if !self.suites.is_empty() {
            provider.cipher_suites.retain(|suite| self.suites.contains(&suite.suite()));
        }
        let provider = Arc::new(provider);
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&self.versions)
            .expect("versions and suites that fit");
        let builder = match &self.roots {
            Some(roots) => builder.with_root_certificates(Arc::clone(roots)),
            None => {
                let any = Arc::new(AnyServer::new(provider));
                builder.dangerous().with_custom_certificate_verifier(any)
            }
        };
        let mut config = match &self.shown {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain = CertificateDer::from_pem_file(&identity.certificate).expect("PEM");
                let key = PrivateKeyDer::from_pem_file(&identity.key).expect("PEM");
                builder.with_client_auth_cert(vec![chain], key).expect("a pair")
            }
        };
        config.alpn_protocols.clone_from(&self.offered);
        config.resumption = Resumption::disabled();
        config
    }
}

async fn in_time<T>(exchange: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    timeout(LIMIT, exchange).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
}

async fn ask<S>(mut stream: TlsStream<S>, path: &str) -> Result<String, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    // Who was refused may learn it only when he reads.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(body.to_owned()),
        _ => Err(format!("no answer but {answer:?}, {:?}", read.err())),
    }
}

async fn put_all<S>(stream: TlsStream<S>, port: u16, keys: &[String]) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let failed = |error: hyper::Error| format!("HTTP/2: {error}");
    let connected = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = connected.map_err(failed)?;
    tokio::spawn(connection);
    for key in keys {
        let key = Bytes::from(key.clone());
        let message = PutRequest { value: key.clone(), key, ..PutRequest::default() };
        let message = message.encode_to_vec();
        let mut frame = BytesMut::new();
        frame.put_u8(0);
        frame.put_u32(u32::try_from(message.len()).expect("a short message"));
        frame.put_slice(&message);
        let request = Request::post(format!("https://127.0.0.1:{port}/etcdserverpb.KV/Put"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::new(frame.freeze()))
            .expect("a request");
        sender.ready().await.map_err(failed)?;
        let (head, body) = sender.send_request(request).await.map_err(failed)?.into_parts();
        let body = body.collect().await.map_err(failed)?;
        let trailers = body.trailers().cloned().unwrap_or_default();
        let status = trailers.get("grpc-status").or_else(|| head.headers.get("grpc-status"));
        if status.is_none_or(|status| status != "0") {
            return Err(format!("put: {status:?} {:?}", trailers.get("grpc-message")));
        }
    }
    Ok(())
}
