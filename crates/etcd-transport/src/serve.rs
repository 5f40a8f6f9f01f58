//! Accepts connections and serves HTTP on them until the shutdown.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::attendance::{Arrivals, Attendance};
use crate::bind::Acceptor;
use crate::connection::{Connection, Remote};
use crate::error::with_sources;
use crate::gathering::gather;
use crate::half_open::HalfOpen;
use crate::handshake::{Established, Refused, Terms, establish};
use crate::lenient::Lenient;
use crate::mux::{Mux, Routers};
use crate::opening::Opening;
use crate::options::ListenOptions;
use crate::refusals::{Refusals, Role};
use crate::socket::Socket;

/// How many bytes a client may send on one stream before it must wait for us: the largest request
/// of etcd's default limits and most batches then need no waiting for a round trip. HTTP/2's own
/// 64 KiB would hold a client 1 ms away at 64 MB/s, and one 50 ms away at 1.3 MB/s.
pub(crate) const STREAM_WINDOW: u32 = 2 << 20;
/// The same for all streams of a connection together: a few large requests side by side.
pub(crate) const CONNECTION_WINDOW: u32 = 8 << 20;
/// The largest HTTP/2 frame taken: fewer headers for large messages than with 16 KiB.
const MAX_FRAME_SIZE: u32 = 64 << 10;
/// The largest header list taken: room for a long token and its company.
const MAX_HEADER_LIST_SIZE: u32 = 64 << 10;

/// The pauses after an accept that failed, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(5);
const ACCEPT_PAUSE_LIMIT: Duration = Duration::from_secs(1);

/// One bound address and whom it lets in.
pub(crate) struct Door {
    pub(crate) acceptor: Acceptor,
    pub(crate) terms: Terms,
}

/// What holds for every connection of a listener.
pub(crate) struct Limits {
    header_read_timeout: Duration,
    max_concurrent_streams: u32,
    keepalive_interval: Option<Duration>,
    keepalive_timeout: Duration,
    shutdown_grace: Duration,
    max_connections: usize,
    max_handshakes: usize,
}

impl Limits {
    pub(crate) fn new(options: &ListenOptions) -> Limits {
        Limits {
            header_read_timeout: options.header_read_timeout,
            max_concurrent_streams: options.max_concurrent_streams,
            keepalive_interval: options.keepalive_interval,
            keepalive_timeout: options.keepalive_timeout,
            shutdown_grace: options.shutdown_grace,
            max_connections: options.max_connections.min(Semaphore::MAX_PERMITS),
            max_handshakes: options.max_handshakes,
        }
    }

    /// HTTP for one connection, whose requests go to `arrivals`.
    fn http(&self, arrivals: Arrivals) -> Builder<Arrivals> {
        let mut http = Builder::new(arrivals);
        http.http1().timer(TokioTimer::new()).header_read_timeout(self.header_read_timeout);
        http.http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.max_concurrent_streams)
            .keep_alive_interval(self.keepalive_interval)
            .keep_alive_timeout(self.keepalive_timeout)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(MAX_FRAME_SIZE)
            .max_header_list_size(MAX_HEADER_LIST_SIZE);
        http
    }
}

/// What the tasks of a listener share.
struct Shared {
    limits: Limits,
    refusals: Arc<Refusals>,
    routers: Arc<Routers>,
    tasks: TaskTracker,
    /// No more connections and requests.
    shutdown: CancellationToken,
    /// The time for open requests is over.
    drop_now: CancellationToken,
}

/// Serves all doors until `shutdown`, then waits for what is open, and at last drops it.
pub(crate) async fn serve(
    doors: Vec<Door>,
    limits: Limits,
    role: Role,
    routers: Arc<Routers>,
    shutdown: CancellationToken,
) {
    // When the caller drops this future, the guards end what it started.
    let shutdown = shutdown.child_token();
    let drop_now = CancellationToken::new();
    let _guards = (shutdown.clone().drop_guard(), drop_now.clone().drop_guard());
    let grace = limits.shutdown_grace;
    let shared = Arc::new(Shared {
        limits,
        refusals: Refusals::new(role),
        routers,
        tasks: TaskTracker::new(),
        shutdown: shutdown.clone(),
        drop_now: drop_now.clone(),
    });
    for door in doors {
        log_door(&door, role);
        shared.tasks.spawn(accept_all(door, Arc::clone(&shared)));
    }
    shutdown.cancelled().await;
    shared.tasks.close();
    if timeout(grace, shared.tasks.wait()).await.is_err() {
        drop_now.cancel();
        shared.tasks.wait().await;
    }
}

fn log_door(door: &Door, role: Role) {
    if role == Role::Peer {
        return;
    }
    let bound = door.acceptor.local_address().map(|address| address.to_string());
    let address = |url: &Arc<str>| bound.clone().unwrap_or_else(|| url.to_string());
    if let Some(url) = &door.terms.plain {
        tracing::info!(
            address = address(url),
            "serving client traffic insecurely; this is strongly discouraged!"
        );
    }
    if let Some((url, _)) = &door.terms.tls {
        tracing::info!(address = address(url), "serving client traffic securely");
    }
}

async fn accept_all(door: Door, shared: Arc<Shared>) {
    let Door { acceptor, terms } = door;
    let terms = Arc::new(terms);
    let places = Arc::new(Semaphore::new(shared.limits.max_connections));
    let half_open = HalfOpen::new(shared.limits.max_handshakes);
    let mut pause = ACCEPT_PAUSE;
    loop {
        let place = tokio::select! {
            biased;
            () = shared.shutdown.cancelled() => return,
            place = Arc::clone(&places).acquire_owned() => place.expect("it is never closed"),
        };
        let accepted = tokio::select! {
            biased;
            () = shared.shutdown.cancelled() => return,
            accepted = acceptor.accept() => accepted,
        };
        match accepted {
            Ok((socket, remote)) => {
                pause = ACCEPT_PAUSE;
                let (shared, terms) = (Arc::clone(&shared), Arc::clone(&terms));
                let half_open = Arc::clone(&half_open);
                shared.tasks.clone().spawn(async move {
                    attend(socket, remote, &terms, &half_open, &shared, place).await;
                });
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection; trying again");
                tokio::select! {
                    () = shared.shutdown.cancelled() => return,
                    () = sleep(pause) => pause = (pause * 2).min(ACCEPT_PAUSE_LIMIT),
                }
            }
        }
    }
}

/// Whether only the connection that was being accepted failed, and not the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, InvalidInput, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | InvalidInput | NotConnected)
}

/// One connection, from its first byte to its end.
async fn attend(
    socket: Socket,
    remote: Remote,
    terms: &Terms,
    half_open: &Arc<HalfOpen>,
    shared: &Shared,
    place: OwnedSemaphorePermit,
) {
    let established = {
        let seat = half_open.enter();
        tokio::select! {
            biased;
            () = shared.shutdown.cancelled() => return,
            established = establish(socket, remote, terms) => established,
            reason = seat.dismissed() => Err(Refused::because(reason)),
        }
    };
    match established {
        Ok(Established::Plain(stream, connection)) => {
            serve_http(stream, connection, shared, place).await;
        }
        Ok(Established::Tls(stream, connection)) => {
            serve_http(stream, connection, shared, place).await;
        }
        Ok(Established::Closed) => {}
        Err(refused) => {
            if let Some(told_later) = shared.refusals.note(remote, &refused) {
                let shutdown = shared.shutdown.clone();
                shared.tasks.spawn(async move { shutdown.run_until_cancelled(told_later).await });
            }
        }
    }
}

/// A connection that becomes something else, as a WebSocket, goes on after this with its place.
async fn serve_http<S>(
    stream: S,
    connection: Connection,
    shared: &Shared,
    place: OwnedSemaphorePermit,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let remote = connection.remote;
    let opening = Opening::new(stream, shared.limits.header_read_timeout, place);
    let (io, outlet) = gather(Lenient::new(opening));
    let mux = Mux { routers: Arc::clone(&shared.routers), connection };
    let arrivals = Arrivals::default();
    let http = shared.limits.http(arrivals.clone());
    let served = pin!(http.serve_connection_with_upgrades(TokioIo::new(io), mux));
    let mut attendance = Attendance::new(served, arrivals, outlet);
    let ended = tokio::select! {
        ended = &mut attendance => ended,
        () = shared.shutdown.cancelled() => {
            attendance.connection().graceful_shutdown();
            tokio::select! {
                ended = &mut attendance => ended,
                () = shared.drop_now.cancelled() => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        // Clients vanish all the time; only somebody who looks for one wants to read it.
        tracing::debug!("remote-addr" = %remote, error = with_sources(&*error), "connection ended");
    }
}
