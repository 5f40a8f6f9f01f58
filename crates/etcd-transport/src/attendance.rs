//! One task for a connection and its requests.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use tokio::task::unconstrained;

use crate::gathering::Outlet;
use crate::places::{Places, Request};

/// How often a connection and its requests look at each other's work in one turn. Twice is common:
/// requests come in, answers go out.
const ROUNDS: usize = 8;
/// How long new requests may take in one round. More of them go to tasks of their own, so that
/// idle threads can take them.
const ROUND_TIME: Duration = Duration::from_micros(250);

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Where HTTP/2 leaves the new requests of one connection.
#[derive(Clone, Default)]
pub(crate) struct Arrivals(Arc<Mutex<Vec<Request>>>);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Arrivals {
    fn execute(&self, request: F) {
        self.0.lock().push(Box::pin(request));
    }
}

/// Serves a connection and its requests in turn, on one task.
///
/// A task for each request would have to be woken for it, often on another thread, and would then
/// wake the connection's for each answer, which would go out alone. So the requests that came
/// together are served together, and their answers are sent together.
pub(crate) struct Attendance<'a, C, S> {
    connection: Pin<&'a mut C>,
    arrivals: Arrivals,
    places: Places,
    outlet: Outlet<S>,
    bell: Arc<Bell>,
    waker: Waker,
    /// How the connection ended, while the last of what was written is being sent.
    ended: Option<Result<(), Error>>,
}

impl<'a, C, S> Attendance<'a, C, S> {
    /// Of a connection that leaves its requests with `arrivals` and writes to the other half of
    /// `outlet`.
    pub(crate) fn new(
        connection: Pin<&'a mut C>,
        arrivals: Arrivals,
        outlet: Outlet<S>,
    ) -> Attendance<'a, C, S> {
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(bell.clone());
        let places = Places::new(waker.clone());
        Attendance { connection, arrivals, places, outlet, bell, waker, ended: None }
    }

    /// The connection.
    pub(crate) fn connection(&mut self) -> Pin<&mut C> {
        self.connection.as_mut()
    }

    /// Begins with the requests that have come, and goes on with those that can.
    fn serve(&mut self) {
        let arrived = std::mem::take(&mut *self.arrivals.0.lock());
        if !arrived.is_empty() {
            let began = Instant::now();
            let mut arrived = arrived.into_iter();
            while began.elapsed() < ROUND_TIME
                && let Some(request) = arrived.next()
            {
                self.places.begin(request);
            }
            for request in arrived {
                tokio::spawn(request);
            }
        }
        self.places.go_on();
    }
}

impl<C, S> Attendance<'_, C, S>
where
    C: Future<Output = Result<(), Error>>,
    S: AsyncWrite + Unpin,
{
    /// Ready when the connection has ended.
    fn rounds(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        for _ in 0..ROUNDS {
            self.bell.listen();
            if let Poll::Ready(ended) = self.connection.as_mut().poll(cx) {
                return Poll::Ready(ended);
            }
            // Their budget would be the task's, which is meant for one request.
            let requests = std::future::poll_fn(|_| {
                self.serve();
                Poll::Ready(())
            });
            let _ = pin!(unconstrained(requests)).poll(cx);
            if self.bell.leave() {
                return Poll::Pending;
            }
        }
        self.bell.task.wake();
        Poll::Pending
    }
}

impl<C, S> Future for Attendance<'_, C, S>
where
    C: Future<Output = Result<(), Error>>,
    S: AsyncWrite + Unpin,
{
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.bell.task.register(cx.waker());
        let waker = this.waker.clone();
        let cx = &mut Context::from_waker(&waker);
        if this.ended.is_none() {
            match this.rounds(cx) {
                Poll::Ready(ended) => this.ended = Some(ended),
                Poll::Pending => {
                    return match this.outlet.poll_send(cx) {
                        Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
                        _ => Poll::Pending,
                    };
                }
            }
        }
        this.bell.state.store(Bell::AWAY, Ordering::SeqCst);
        let sent = ready!(this.outlet.poll_send(cx));
        let ended = this.ended.take().expect("it is polled until it ends");
        Poll::Ready(ended.and(sent.map_err(Error::from)))
    }
}

/// Wakes the task, unless it is having its turn: then it is enough that it finds the bell rung.
#[derive(Default)]
struct Bell {
    task: AtomicWaker,
    state: AtomicU8,
}

impl Bell {
    /// The task sleeps.
    const AWAY: u8 = 0;
    /// It has its turn.
    const THERE: u8 = 1;
    /// It was called.
    const RUNG: u8 = 2;

    fn listen(&self) {
        self.state.store(Bell::THERE, Ordering::SeqCst);
    }

    /// Whether the task may leave: not when it was called since it began to listen.
    fn leave(&self) -> bool {
        let left = self.state.compare_exchange(
            Bell::THERE,
            Bell::AWAY,
            Ordering::SeqCst,
            Ordering::SeqCst,
        );
        left.is_ok()
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Bell>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Bell>) {
        if self.state.swap(Bell::RUNG, Ordering::SeqCst) == Bell::AWAY {
            self.task.wake();
        }
    }
}
