//! One type for a stream over TCP and over a socket file.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::{RecvFlags, sockopt};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, UnixStream};

use crate::address::Place;

/// How often the kernel probes an idle TCP connection, as in etcd.
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);

/// A connected stream.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// A TCP connection that sends small messages at once and notices a dead other side.
    pub(crate) fn tcp(stream: TcpStream) -> io::Result<Socket> {
        stream.set_nodelay(true)?;
        sockopt::set_socket_keepalive(&stream, true)?;
        sockopt::set_tcp_keepidle(&stream, TCP_KEEPALIVE)?;
        sockopt::set_tcp_keepintvl(&stream, TCP_KEEPALIVE)?;
        Ok(Socket::Tcp(stream))
    }

    /// Connects from an address of this machine, if one is given.
    pub(crate) async fn connect(place: &Place, from: Option<IpAddr>) -> io::Result<Socket> {
        match (place, from) {
            (Place::Tcp { host, port }, None) => {
                Socket::tcp(TcpStream::connect((host.as_str(), *port)).await?)
            }
            (Place::Tcp { host, port }, Some(from)) => {
                Socket::tcp(connect_from(from, host, *port).await?)
            }
            (Place::Unix(file), _) => Ok(Socket::Unix(UnixStream::connect(file).await?)),
        }
    }

    /// The first byte the other side sent, left in the stream; none at its end.
    pub(crate) async fn peek(&self) -> io::Result<Option<u8>> {
        let mut byte = [0; 1];
        let received = match self {
            Socket::Tcp(stream) => stream.peek(&mut byte).await?,
            Socket::Unix(stream) => {
                stream
                    .async_io(Interest::READABLE, || {
                        let (_, received) = rustix::net::recv(stream, &mut byte, RecvFlags::PEEK)?;
                        Ok(received)
                    })
                    .await?
            }
        };
        Ok((received > 0).then_some(byte[0]))
    }
}

/// Tries the addresses of a host that are of the same kind, one after the other.
async fn connect_from(from: IpAddr, host: &str, port: u16) -> io::Result<TcpStream> {
    let none = format!("{host} has no address that can be reached from {from}");
    let mut failure = io::Error::new(io::ErrorKind::AddrNotAvailable, none);
    for address in tokio::net::lookup_host((host, port)).await? {
        let socket = match (address, from) {
            (SocketAddr::V4(_), IpAddr::V4(_)) => TcpSocket::new_v4()?,
            (SocketAddr::V6(_), IpAddr::V6(_)) => TcpSocket::new_v6()?,
            _ => continue,
        };
        socket.bind(SocketAddr::new(from, 0))?;
        match socket.connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// An IPv4 address that reached an IPv6 socket, as IPv4.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Socket::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Socket::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Socket::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Socket::Tcp(stream) => stream.is_write_vectored(),
            Socket::Unix(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
