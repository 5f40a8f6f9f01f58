//! Where requests wait in the task of their connection, each with a waker that says which it is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;

/// How often a request is polled before it gets a task of its own: it is a stream then.
const POLLS: u8 = 16;
/// How many requests go on before the connection has its turn.
const TURN: usize = 64;
/// The most places that are kept while nobody waits.
const KEPT: usize = 64;

pub(crate) type Request = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The requests that wait. Places are used again, with their wakers, so that a request that comes
/// and goes costs no memory of its own.
pub(crate) struct Places {
    places: Vec<Place>,
    free: Vec<usize>,
    called: Arc<Called>,
    /// Room to take the calls in.
    calls: Vec<usize>,
}

struct Place {
    request: Option<Request>,
    polls: u8,
    waker: Waker,
    caller: Arc<Caller>,
}

/// Which requests can go on.
struct Called {
    places: Mutex<Vec<usize>>,
    /// Wakes the task of the connection.
    task: Waker,
}

/// The waker of a place. One that a former request left behind polls the present one for nothing.
struct Caller {
    place: usize,
    has_called: AtomicBool,
    called: Arc<Called>,
}

impl Places {
    /// With nobody there; `task` is woken when a request can go on.
    pub(crate) fn new(task: Waker) -> Places {
        let called = Arc::new(Called { places: Mutex::default(), task });
        Places { places: Vec::new(), free: Vec::new(), called, calls: Vec::new() }
    }

    /// Begins with a request, and keeps it if it must wait.
    pub(crate) fn begin(&mut self, request: Request) {
        let place = self.free.pop().unwrap_or_else(|| self.add());
        self.places[place].request = Some(request);
        self.places[place].polls = 0;
        self.poll(place);
    }

    /// Goes on with requests that were called.
    pub(crate) fn go_on(&mut self) {
        let mut calls = std::mem::take(&mut self.calls);
        std::mem::swap(&mut calls, &mut *self.called.places.lock());
        if calls.len() > TURN {
            self.called.places.lock().extend(calls.drain(TURN..));
            self.called.task.wake_by_ref();
        }
        for place in calls.drain(..) {
            // Places may have been given up since.
            if let Some(called) = self.places.get(place) {
                called.caller.has_called.store(false, Ordering::SeqCst);
                self.poll(place);
            }
        }
        self.calls = calls;
        if self.free.len() == self.places.len() && self.free.len() > KEPT {
            self.places.clear();
            self.free.clear();
        }
    }

    fn add(&mut self) -> usize {
        let place = self.places.len();
        let called = self.called.clone();
        let caller = Arc::new(Caller { place, has_called: AtomicBool::new(false), called });
        let waker = Waker::from(caller.clone());
        self.places.push(Place { request: None, polls: 0, waker, caller });
        place
    }

    fn poll(&mut self, at: usize) {
        let place = &mut self.places[at];
        let Some(request) = &mut place.request else { return };
        if place.polls < POLLS {
            place.polls += 1;
            let cx = &mut Context::from_waker(&place.waker);
            // A request that panics ends alone, as it would on a task of its own.
            let polled = catch_unwind(AssertUnwindSafe(|| request.as_mut().poll(cx)));
            if let Ok(Poll::Pending) = polled {
                return;
            }
            place.request = None;
        } else {
            place.request.take().map(tokio::spawn);
        }
        self.free.push(at);
    }
}

impl Wake for Caller {
    fn wake(self: Arc<Caller>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Caller>) {
        if !self.has_called.swap(true, Ordering::SeqCst) {
            self.called.places.lock().push(self.place);
            self.called.task.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::oneshot;

    use super::*;

    #[derive(Default)]
    struct Rings(AtomicUsize);

    impl Wake for Rings {
        fn wake(self: Arc<Rings>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn places() -> (Places, Arc<Rings>) {
        let rings = Arc::new(Rings::default());
        (Places::new(Waker::from(rings.clone())), rings)
    }

    /// Requests that wait for a word, and where each says that it has heard it.
    fn waiting(count: usize) -> (Vec<oneshot::Sender<()>>, Vec<Request>, Arc<AtomicUsize>) {
        let heard = Arc::new(AtomicUsize::new(0));
        let (words, requests) = (0..count)
            .map(|_| {
                let (word, said) = oneshot::channel();
                let heard = heard.clone();
                let request: Request = Box::pin(async move {
                    said.await.expect("said");
                    heard.fetch_add(1, Ordering::SeqCst);
                });
                (word, request)
            })
            .unzip();
        (words, requests, heard)
    }

    #[test]
    fn a_request_goes_on_when_it_is_called_and_leaves_its_place() {
        let (mut places, rings) = places();
        for _ in 0..3 {
            let (words, requests, heard) = waiting(2);
            requests.into_iter().for_each(|request| places.begin(request));
            places.go_on();
            assert_eq!(heard.load(Ordering::SeqCst), 0);
            let before = rings.0.load(Ordering::SeqCst);
            words.into_iter().for_each(|word| word.send(()).expect("it waits"));
            assert_eq!(rings.0.load(Ordering::SeqCst), before + 2);
            places.go_on();
            assert_eq!(heard.load(Ordering::SeqCst), 2);
            assert_eq!((places.places.len(), places.free.len()), (2, 2));
        }
    }

    #[test]
    fn many_go_on_by_turns_and_their_places_are_given_up() {
        let (mut places, rings) = places();
        let (words, requests, heard) = waiting(2 * TURN + 1);
        requests.into_iter().for_each(|request| places.begin(request));
        words.into_iter().for_each(|word| word.send(()).expect("it waits"));
        for done in [TURN, 2 * TURN, 2 * TURN + 1] {
            assert!(rings.0.swap(0, Ordering::SeqCst) > 0, "there is more");
            places.go_on();
            assert_eq!(heard.load(Ordering::SeqCst), done);
        }
        assert_eq!(rings.0.load(Ordering::SeqCst), 0);
        assert!(places.places.is_empty());
    }

    #[tokio::test]
    async fn what_is_polled_often_gets_a_task_of_its_own() {
        let (mut places, _) = places();
        let (end, ended) = oneshot::channel();
        let (mut end, mut polls) = (Some(end), 0);
        places.begin(Box::pin(poll_fn(move |cx| {
            polls += 1;
            if polls == 2 * POLLS {
                end.take().map(|end| end.send(()));
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })));
        for _ in 0..=POLLS {
            places.go_on();
        }
        assert_eq!(places.free.len(), 1, "it has left");
        ended.await.expect("it goes on elsewhere");
    }

    #[test]
    fn a_request_that_panics_ends_alone() {
        let (mut places, _) = places();
        let (words, requests, heard) = waiting(1);
        requests.into_iter().for_each(|request| places.begin(request));
        places.begin(Box::pin(async { panic!("this is expected") }));
        words.into_iter().for_each(|word| word.send(()).expect("it waits"));
        places.go_on();
        assert_eq!(heard.load(Ordering::SeqCst), 1);
    }
}
