//! Binds addresses: TCP as Go's network library does it, and socket files.

use std::fs;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream as BlockingUnixStream;
use std::path::{Path, PathBuf};

use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpSocket, UnixListener};

use crate::Error;
use crate::connection::Remote;
use crate::socket::{Socket, canonical};

/// How many connections may wait to be accepted; the kernel lowers it to `somaxconn`.
const BACKLOG: u32 = 4096;

/// Whether several sockets may listen on one port (`SO_REUSEPORT`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortSharing {
    Exclusive,
    Shared,
}

/// A bound address.
#[derive(Debug)]
pub(crate) enum Acceptor {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: SocketFile },
}

/// A socket file of this process, removed when it listens no more.
#[derive(Debug)]
pub(crate) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Nothing can be done about a file that is already gone or cannot be removed.
        let _ = fs::remove_file(&self.0);
    }
}

impl Acceptor {
    pub(crate) fn tcp(address: SocketAddr, sharing: PortSharing) -> Result<Acceptor, Error> {
        let listener = if address.ip().is_unspecified() {
            bind_every_address(address, sharing)
        } else {
            bind_tcp(address, sharing)
        };
        listener.map(Acceptor::Tcp).map_err(|source| Error::Bind {
            network: "tcp",
            address: address.to_string(),
            source,
        })
    }

    pub(crate) fn unix(file: &Path) -> Result<Acceptor, Error> {
        let failed =
            |source| Error::Bind { network: "unix", address: file.display().to_string(), source };
        remove_stale(file).map_err(failed)?;
        let listener = UnixListener::bind(file).map_err(failed)?;
        Ok(Acceptor::Unix { listener, _file: SocketFile(file.to_owned()) })
    }

    pub(crate) async fn accept(&self) -> io::Result<(Socket, Remote)> {
        match self {
            Acceptor::Tcp(listener) => {
                let (stream, remote) = listener.accept().await?;
                Ok((Socket::tcp(stream)?, Remote::Tcp(canonical(remote))))
            }
            Acceptor::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                Ok((Socket::Unix(stream), Remote::Unix))
            }
        }
    }

    /// The bound TCP address, with the port the system chose for port 0.
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Acceptor::Tcp(listener) => listener.local_addr().ok().map(canonical),
            Acceptor::Unix { .. } => None,
        }
    }
}

/// `0.0.0.0` and `[::]` both mean every address of the machine, IPv4 and IPv6, on one socket, as
/// they do in Go. Where IPv6 is switched off, the address is bound as it stands.
fn bind_every_address(address: SocketAddr, sharing: PortSharing) -> io::Result<TcpListener> {
    let both = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), address.port());
    match bind_tcp(both, sharing) {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse && address.is_ipv4() => {
            bind_tcp(address, sharing)
        }
        bound => bound,
    }
}

fn bind_tcp(address: SocketAddr, sharing: PortSharing) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        let socket = TcpSocket::new_v6()?;
        sockopt::set_ipv6_v6only(&socket, !address.ip().is_unspecified())?;
        socket
    };
    // A port whose old connections still linger must be free for a restart at once. On Linux this
    // never lets two listeners share a port.
    socket.set_reuseaddr(true)?;
    if sharing == PortSharing::Shared {
        socket.set_reuseport(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Removes a socket file nobody listens on any more, such as a crash leaves behind. A file that is
/// no socket, or a socket somebody answers on, stays: binding then fails as it should.
fn remove_stale(file: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(file).is_ok_and(|found| found.file_type().is_socket());
    if is_socket && BlockingUnixStream::connect(file).is_err() {
        return fs::remove_file(file);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_port_in_use(address: &str) {
        let address: SocketAddr = address.parse().expect("an address");
        let first = Acceptor::tcp(address, PortSharing::Exclusive).expect("a free port");
        let port = first.local_address().expect("a TCP address").port();
        let again = SocketAddr::new(address.ip(), port);
        let error = Acceptor::tcp(again, PortSharing::Exclusive).expect_err("a taken port");
        assert_eq!(error.to_string(), format!("listen tcp {again}: bind: address already in use"));
    }

    #[tokio::test]
    async fn a_port_in_use_is_named_in_the_error() {
        assert_port_in_use("127.0.0.1:0");
        assert_port_in_use("0.0.0.0:0");
    }

    #[tokio::test]
    async fn a_shared_port_can_be_bound_twice() {
        let address = "127.0.0.1:0".parse().expect("an address");
        let first = Acceptor::tcp(address, PortSharing::Shared).expect("a free port");
        let again = first.local_address().expect("a TCP address");
        Acceptor::tcp(again, PortSharing::Shared).expect("a shared port");
    }

    #[tokio::test]
    async fn a_stale_socket_file_is_replaced_and_a_live_one_is_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("door.sock");
        drop(std::os::unix::net::UnixListener::bind(&file).expect("a socket"));
        assert!(file.exists(), "a closed listener leaves its file behind");
        let live = Acceptor::unix(&file).expect("the stale file is replaced");
        let error = Acceptor::unix(&file).expect_err("somebody listens");
        assert_eq!(
            error.to_string(),
            format!("listen unix {}: bind: address already in use", file.display())
        );
        drop(live);
        assert!(!file.exists(), "a closed door takes its file away");
    }

    #[tokio::test]
    async fn an_ordinary_file_is_never_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("precious");
        fs::write(&file, "words").expect("written");
        Acceptor::unix(&file).expect_err("the path is taken");
        assert_eq!(fs::read_to_string(&file).expect("read"), "words");
    }
}
