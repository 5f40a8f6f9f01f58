//! Latency over the load that is offered: an open loop, up to what a closed one reached.

use anyhow::{Context, Result};
use indicatif::ProgressBar;

use crate::keys::{Keys, Order};
use crate::load::{AsyncSend, Crowd};
use crate::outcome::{Chart, Outcome, Point};
use crate::program::Program;
use crate::sends::{Gets, Puts};
use crate::size::Size;
use crate::stage::{Effect, Stage};
use crate::wire::Freshness;

/// Steps up to the most, in percent of it.
pub(crate) const PERCENT: [u32; 7] = [10, 25, 50, 70, 80, 90, 100];
/// What is offered.
pub(crate) const LOADS: [&str; 2] = ["put", "get"];
/// Keys that gets choose from.
const READ_KEYS: u64 = 10_000;

/// Runs it once, on three members.
pub(crate) async fn run(program: &Program, size: &Size, progress: &ProgressBar) -> Result<Outcome> {
    let mut stage = Stage::open(program, 3, size, progress).await?;
    let clients = size.clients as u64;
    let keys = Keys { count: 1 << 40, order: Order::Sequential };
    let puts = Puts { keys, clients, value_bytes: size.value_bytes };
    curve(&mut stage, "put", Effect::Writes, puts).await?;
    stage.fill(READ_KEYS, size.value_bytes).await?;
    let keys = Keys { count: READ_KEYS, order: Order::Random };
    let gets = Gets { keys, clients, freshness: Freshness::Linearizable };
    curve(&mut stage, "get", Effect::Reads, gets).await?;
    Ok(stage.end())
}

async fn curve<S: AsyncSend>(
    stage: &mut Stage<'_>,
    name: &str,
    effect: Effect,
    send: S,
) -> Result<()> {
    let crowd = stage.size.crowd(stage.size.clients);
    if !stage.size.wants(name) {
        return Ok(());
    }
    let Some(most) = stage.take(name, effect, crowd, send.clone()).await? else { return Ok(()) };
    let most = most.get("requests/s").context("a measurement has a rate")?;
    for percent in PERCENT {
        let rate = most * f64::from(percent) / 100.0;
        let crowd = Crowd { rate: Some(rate), ..crowd };
        let name_here = format!("{name} at {percent} %");
        if let Some(figures) = stage.take(&name_here, effect, crowd, send.clone()).await? {
            let point = Point { chart: Chart::Offered, curve: name.to_owned() };
            stage.found_point(name_here, point, figures);
        }
    }
    Ok(())
}
