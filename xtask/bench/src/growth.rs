//! The same loads on one member that holds more and more keys: what they cost must not grow.

use anyhow::Result;
use etcd_proto::etcdserverpb::compare::CompareResult;
use indicatif::ProgressBar;
use tonic::Status;

use crate::fields::number;
use crate::figures::Figures;
use crate::keys::{Keys, Order, value};
use crate::load::{AsyncSend, Turn};
use crate::outcome::{Chart, Outcome, Point};
use crate::program::Program;
use crate::request_headers::Method;
use crate::sends::{Gets, Lists, Puts};
use crate::size::Size;
use crate::stage::{Effect, Stage};
use crate::wire::{self, Freshness};

/// Keys at which it is looked at.
const STEPS: [(u64, &str); 4] =
    [(10_000, "10 k"), (100_000, "100 k"), (1_000_000, "1 M"), (10_000_000, "10 M")];
/// The loads at each of them.
pub(crate) const LOADS: [&str; 5] = ["page", "one page", "get", "txn", "put"];
/// Bytes of a value: it is the number of keys that grows.
const VALUE_BYTES: usize = 32;
/// Keys of a page.
const PAGE: i64 = 500;
/// Clients that ask for pages all the time: more than a few processors serve at once. The latency of
/// a page, without the time that it waits for others, is that of a single client's.
const PAGE_CLIENTS: usize = 10;

/// The numbers of keys that are reached.
pub(crate) fn steps(growth_to: u64) -> impl Iterator<Item = (u64, &'static str)> {
    STEPS.into_iter().filter(move |(keys, _)| *keys <= growth_to)
}

/// Runs it once. What only reads goes first at each number of keys, for the writes leave revisions.
pub(crate) async fn run(program: &Program, size: &Size, progress: &ProgressBar) -> Result<Outcome> {
    let mut stage = Stage::open(program, 1, size, progress).await?;
    let mut first: Option<Vec<(&str, Figures)>> = None;
    let mut kept = Figures::default();
    for (count, name) in steps(size.growth_to) {
        stage.fill(count, VALUE_BYTES).await?;
        let mut here = Vec::new();
        for load in LOADS {
            if !size.wants(load) {
                continue;
            }
            let Some(mut figures) = take(&stage, load, count).await? else { continue };
            figures.set("keys", count as f64);
            here.push((load, figures.clone()));
            let point = Point { chart: Chart::Growth, curve: load.to_owned() };
            stage.found_point(format!("{load} at {name}"), point, figures);
        }
        let first = first.get_or_insert_with(|| here.clone());
        kept = compare(first, &here);
    }
    stage.found("growth", kept);
    Ok(stage.end())
}

async fn take(stage: &Stage<'_>, load: &str, count: u64) -> Result<Option<Figures>> {
    let size = stage.size;
    let keys = Keys { count, order: Order::Random };
    let (clients, crowd) = (size.clients as u64, size.crowd(size.clients));
    match load {
        "page" | "one page" => {
            let pages = Lists { keys, limit: PAGE };
            let clients = if load == "page" { PAGE_CLIENTS } else { 1 };
            stage.take(load, Effect::Reads, size.crowd(clients), pages).await
        }
        "get" => {
            let gets = Gets { keys, clients, freshness: Freshness::Linearizable };
            stage.take(load, Effect::Reads, crowd, gets).await
        }
        "txn" => {
            let updates = Updates { keys, clients };
            stage.take(load, Effect::Writes, crowd, updates).await
        }
        _ => {
            let puts = Puts { keys, clients, value_bytes: VALUE_BYTES };
            stage.take(load, Effect::Writes, crowd, puts).await
        }
    }
}

/// Updates of any of the keys: it is put if it is there, and read if not. The clients of guarded
/// puts know their objects' revisions, which takes too much memory for so many objects.
#[derive(Clone)]
struct Updates {
    keys: Keys,
    clients: u64,
}

impl AsyncSend for Updates {
    async fn send(&self, turn: Turn<'_>) -> Result<u64, Status> {
        let key = self.keys.next(turn.random, turn.client, self.clients, turn.number);
        let mut txn = wire::guarded_put(key, value(turn.random, VALUE_BYTES), 0);
        // A key that is not there has the revision 0.
        txn.compare[0].result = CompareResult::NotEqual as i32;
        let answer = turn.line.ask(Method::Txn, &txn).await?;
        // TxnResponse: succeeded 2.
        match number(answer.message(), 2)? {
            0 => Err(Status::not_found("a key that was stored is not there")),
            _ => Ok(1),
        }
    }
}

/// What is left of the speed with the fewest keys: 1 is all of it.
fn compare(first: &[(&str, Figures)], last: &[(&str, Figures)]) -> Figures {
    let mut kept = Figures::default();
    for ((load, first), (_, last)) in first.iter().zip(last) {
        let quotient = |above: Option<f64>, below: Option<f64>| Some(above? / below?);
        let (name, share) = match *load {
            "page" => ("page kept", quotient(first.get("p50 ms"), last.get("p50 ms"))),
            "one page" => ("one page kept", quotient(first.get("p50 ms"), last.get("p50 ms"))),
            "get" => ("get kept", quotient(last.get("requests/s"), first.get("requests/s"))),
            "txn" => ("txn kept", quotient(last.get("requests/s"), first.get("requests/s"))),
            _ => ("put kept", quotient(last.get("requests/s"), first.get("requests/s"))),
        };
        if let Some(share) = share {
            kept.set(name, share);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(name: &'static str, value: f64) -> Figures {
        let mut figures = Figures::default();
        figures.set(name, value);
        figures
    }

    #[test]
    fn a_rate_that_halves_and_a_latency_that_doubles_keep_half() {
        let first = [("put", figures("requests/s", 100.0)), ("page", figures("p50 ms", 2.0))];
        let last = [("put", figures("requests/s", 50.0)), ("page", figures("p50 ms", 4.0))];
        let kept = compare(&first, &last);
        assert_eq!(kept.get("put kept"), Some(0.5));
        assert_eq!(kept.get("page kept"), Some(0.5));
    }

    #[test]
    fn a_store_is_not_grown_further_than_wished() {
        let reached: Vec<u64> = steps(1_000_000).map(|(keys, _)| keys).collect();
        assert_eq!(reached, [10_000, 100_000, 1_000_000]);
    }
}
