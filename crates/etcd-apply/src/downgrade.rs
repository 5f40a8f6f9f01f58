//! What is recorded of a downgrade: that one is under way, and where it leads.

use etcd_storage::{Batch, Storage, Table};

use crate::{Error, Version};

/// Its key in [`Table::Cluster`].
const DOWNGRADE: &[u8] = b"downgrade";

/// Where the cluster is being brought down to, if it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Downgrade {
    /// The version below the one that the cluster had when this began.
    pub target: Option<Version>,
}

impl Downgrade {
    /// Reads what was stored.
    pub(crate) fn load(storage: &Storage) -> Result<Downgrade, Error> {
        let Some(record) = storage.get(Table::Cluster, DOWNGRADE)? else {
            return Ok(Downgrade::default());
        };
        let damaged = || Error::Damaged {
            table: "cluster",
            reason: format!("a downgrade that cannot be read: {}", record.escape_ascii()),
        };
        let record = std::str::from_utf8(&record).map_err(|_| damaged())?;
        if record == Downgrade::default().record() {
            return Ok(Downgrade::default());
        }
        let target = record.split('"').nth(3).and_then(Version::parse);
        let downgrade = Downgrade { target };
        // A record has one form only.
        if target.is_none() || downgrade.record() != record {
            return Err(damaged());
        }
        Ok(downgrade)
    }

    pub(crate) fn save(&self, batch: &mut Batch) {
        batch.put(Table::Cluster, DOWNGRADE, self.record().as_bytes());
    }

    /// As etcd 3.7.1 stores it.
    fn record(&self) -> String {
        let target = self.target.map(|target| target.to_string()).unwrap_or_default();
        let enabled = self.target.is_some();
        format!("{{\"target-version\":\"{target}\",\"enabled\":{enabled}}}")
    }
}
