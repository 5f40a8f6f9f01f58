//! Fills a store with keys, as quickly as a server takes them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use indicatif::ProgressBar;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::task::JoinSet;

use crate::connection::Connection;
use crate::keys::{key, value};
use crate::wire;

/// Puts in one transaction, as many as servers take by default.
const TXN_PUTS: u64 = 128;
/// Transactions under way.
const CLIENTS: usize = 8;

/// Puts the keys with the numbers below `count`, each with a value of `value_bytes`.
pub(crate) async fn fill(
    addresses: &[SocketAddr],
    count: u64,
    value_bytes: usize,
    progress: &ProgressBar,
) -> Result<()> {
    let next = Arc::new(AtomicU64::new(0));
    let mut clients = JoinSet::new();
    progress.set_length(count);
    progress.set_position(0);
    for connection in Connection::open_many(addresses, CLIENTS).await? {
        let (next, progress) = (next.clone(), progress.clone());
        clients.spawn(async move {
            loop {
                let first = next.fetch_add(TXN_PUTS, Ordering::Relaxed);
                if first >= count {
                    return anyhow::Ok(());
                }
                let mut random = SmallRng::seed_from_u64(first);
                let numbers = first..count.min(first + TXN_PUTS);
                let done = numbers.end - numbers.start;
                let pairs = numbers.map(|number| (key(number), value(&mut random, value_bytes)));
                wire::kv(&connection).txn(wire::puts(pairs)).await?;
                progress.inc(done);
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(())
}
