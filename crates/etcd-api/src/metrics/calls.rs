//! What is counted and timed of the calls of clients, beside what the gRPC library would.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use etcd_apply::{Kind, Outcome};
use etcd_figures::{Count, Histogram, Histograms, Scale};
use parking_lot::Mutex;

use crate::metrics::families::Page;

/// Times of requests and of responses, as etcd sorts them.
const SCALE: Scale = Scale::seconds(0.001, 14);
/// Versions of clients that are told apart; what comes then counts as unknown.
const VERSIONS: usize = 32;
/// What a client's version is that says none.
const UNKNOWN: &str = "unknown";

/// What a request is timed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Requested {
    /// A command.
    Command(Kind),
    /// A range.
    Range,
    /// A txn that only reads.
    ReadonlyTxn,
}

/// How the messages of a call go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Unary,
    Stream,
}

/// Calls whose requests are a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Streams {
    Watch,
    KeepAlive,
}

/// Counted and timed where calls are served.
#[derive(Debug)]
pub(crate) struct CallFigures {
    unversioned: [Count; 2],
    versions: [OnceLock<(Box<str>, [Count; 2])>; VERSIONS],
    /// Streams whose next request could not be received.
    failed_streams: [Count; 2],
    /// Two places for each kind: refused, done.
    requests: Histograms,
    /// Responses of watches: with changes, the same for each change, to requests, and on progress.
    pub(crate) event_responses: Histogram,
    pub(crate) single_events: Histogram,
    pub(crate) control_responses: Histogram,
    pub(crate) progress_responses: Histogram,
    /// Leases that this member has revoked since they had expired.
    pub(crate) leases_expired: Count,
    /// Learners that this member has made voters.
    pub(crate) learners_promoted: Count,
    /// Those that it has not, by the reason.
    promotions_failed: Mutex<BTreeMap<String, u64>>,
}

impl Default for CallFigures {
    fn default() -> CallFigures {
        CallFigures {
            unversioned: Default::default(),
            versions: std::array::from_fn(|_| OnceLock::new()),
            failed_streams: Default::default(),
            requests: Histograms::new(SCALE, (Kind::ALL.len() + 1) * 2),
            event_responses: Histogram::new(SCALE),
            single_events: Histogram::new(SCALE),
            control_responses: Histogram::new(SCALE),
            progress_responses: Histogram::new(SCALE),
            leases_expired: Count::new(),
            learners_promoted: Count::new(),
            promotions_failed: Mutex::default(),
        }
    }
}

impl Requested {
    fn place(self) -> usize {
        match self {
            Requested::Command(kind) => kind as usize,
            Requested::Range => Kind::Range as usize,
            Requested::ReadonlyTxn => Kind::ALL.len(),
        }
    }

    /// What etcd calls it.
    fn name(place: usize) -> &'static str {
        match Kind::ALL.get(place) {
            None => "ReadonlyTxn",
            Some(Kind::Unknown) => "Unknown",
            Some(kind) => kind.name(),
        }
    }
}

impl CallFigures {
    /// A client calls that says which version of the API it speaks, or does not.
    pub(crate) fn count_call(&self, shape: Shape, version: Option<&str>) {
        let shape = shape as usize;
        let Some(version) = version else { return self.unversioned[shape].raise() };
        for place in &self.versions {
            let (known, counts) = place.get_or_init(|| (version.into(), Default::default()));
            if &**known == version {
                return counts[shape].raise();
            }
        }
        self.unversioned[shape].raise();
    }

    /// A learner was not promoted for this reason, of which there are few.
    pub(crate) fn count_failed_promotion(&self, reason: String) {
        *self.promotions_failed.lock().entry(reason).or_default() += 1;
    }

    /// A stream broke that nobody meant to end.
    pub(crate) fn count_failed_stream(&self, streaming: Streams) {
        self.failed_streams[streaming as usize].raise();
    }

    /// A request is answered that took so long.
    pub(crate) fn note_request(&self, asked: Requested, outcome: Outcome, took: Duration) {
        let place = asked.place() * 2 + usize::from(outcome == Outcome::Done);
        self.requests.at(place).note_time(took);
    }

    pub(super) fn write(&self, page: &mut Page) {
        self.write_calls(page);
        self.write_watches(page);
        let expired = "Leases that this member has revoked because they had expired.";
        page.counter("etcd_debugging_server_lease_expired_total", expired, &self.leases_expired);
        let promoted = "Learners that this member has made voters.";
        page.counter("etcd_server_learner_promote_successes", promoted, &self.learners_promoted);
        let failed = self.promotions_failed.lock();
        page.counters(
            "etcd_server_learner_promote_failures",
            "Learners that this member was to make voters, and did not.",
            failed.iter().map(|(reason, count)| (vec![("Reason", &**reason)], *count)),
        );
    }

    fn write_calls(&self, page: &mut Page) {
        let named = self.versions.iter().filter_map(|place| place.get());
        let named = named.map(|(version, counts)| (&**version, counts));
        let calls = named.chain([(UNKNOWN, &self.unversioned)]).flat_map(|(version, counts)| {
            let shapes = ["unary", "stream"].into_iter().zip(counts);
            shapes.map(move |(shape, count)| {
                (vec![("client_api_version", version), ("type", shape)], count.get())
            })
        });
        page.counters(
            "etcd_server_client_requests_total",
            "Calls of clients, by their version.",
            calls.filter(|(_, count)| *count > 0),
        );
        let failed = ["watch", "lease-keepalive"].into_iter().zip(&self.failed_streams);
        let failed =
            failed.map(|(api, count)| (vec![("API", api), ("Type", "receive")], count.get()));
        page.counters(
            "etcd_network_server_stream_failures_total",
            "Streams of clients that broke.",
            failed.filter(|(_, count)| *count > 0),
        );
        let requests = self.requests.distributions().map(|(place, times)| {
            let success = if place % 2 == 1 { "true" } else { "false" };
            (vec![("success", success), ("type", Requested::name(place / 2))], times)
        });
        page.histograms(
            "etcd_server_request_duration_seconds",
            "How long requests take until they are answered.",
            requests,
        );
    }

    fn write_watches(&self, page: &mut Page) {
        let histograms = [
            ("control_stream_duration_seconds", "requests are answered", &self.control_responses),
            ("progress_duration_seconds", "a word on progress is made", &self.progress_responses),
            ("watch_stream_duration_seconds", "changes are told", &self.event_responses),
            (
                "watch_stream_duration_per_event_seconds",
                "changes are told, for each of them",
                &self.single_events,
            ),
        ];
        for (name, what, histogram) in histograms {
            let help = format!("How long it takes in watch streams until {what}.");
            let name = format!("etcd_debugging_server_watch_send_loop_{name}");
            page.histogram(&name, &help, histogram);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_apart_by_version_as_long_as_there_is_room() {
        let figures = CallFigures::default();
        figures.count_call(Shape::Unary, Some("3.7"));
        figures.count_call(Shape::Stream, Some("3.7"));
        figures.count_call(Shape::Unary, Some("3.7"));
        for number in 1..VERSIONS + 10 {
            figures.count_call(Shape::Unary, Some(&number.to_string()));
        }
        figures.count_call(Shape::Unary, None);
        let (version, counts) = figures.versions[0].get().expect("the first");
        assert_eq!((&**version, counts[0].get(), counts[1].get()), ("3.7", 2, 1));
        assert_eq!(figures.unversioned[0].get(), 11, "ten found no room, and one said none");
    }
}
