//! The data directory: where log and state are, and whose they are.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use etcd_membership::{ClusterId, MemberId};
use etcd_storage::{Log, LogOperation, LogOptions, Storage, StorageOptions};
use tokio::sync::oneshot;

use crate::Error;

/// The mark in the raft log that says which member of which cluster it belongs to.
const IDENTITY: &str = "identity";

/// Which member this data belongs to. Written once, before anything else: from then on it counts
/// more than any flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) member: MemberId,
    pub(crate) cluster: ClusterId,
}

/// The opened stores of a member.
pub(crate) struct DataDirectory {
    pub(crate) log: Log,
    pub(crate) storage: Storage,
    /// `None` in a directory that was never started.
    pub(crate) identity: Option<Identity>,
}

/// How to open a data directory.
pub(crate) struct Places {
    pub(crate) data: PathBuf,
    /// `--wal-dir`: the log elsewhere than in the data directory.
    pub(crate) log: Option<PathBuf>,
    pub(crate) sync: bool,
}

impl DataDirectory {
    /// Opens or creates the directory. Blocks on the disk.
    pub(crate) fn open(places: &Places) -> Result<DataDirectory, Error> {
        refuse_etcd(&places.data)?;
        create(&places.data)?;
        let member = places.data.join("member");
        create(&member)?;
        let log_path = places.log.clone().unwrap_or_else(|| member.join("log"));
        create(&log_path)?;
        let options = LogOptions { sync: places.sync, ..LogOptions::default() };
        let log = Log::open(&log_path, &options)?;
        let identity = read_identity(&log)?;
        let storage = Storage::open(&member.join("state"), StorageOptions::default())?;
        Ok(DataDirectory { log, storage, identity })
    }

    /// Makes the directory that of one member for good.
    pub(crate) async fn adopt(&mut self, identity: Identity) -> Result<(), Error> {
        let mut value = identity.member.0.to_be_bytes().to_vec();
        value.extend_from_slice(&identity.cluster.0.to_be_bytes());
        let mark = LogOperation::Mark { name: IDENTITY, value: Bytes::from(value) };
        let (done, written) = oneshot::channel();
        let done = Box::new(move |result| {
            // The start was given up meanwhile.
            let _ = done.send(result);
        });
        self.log.submit(vec![mark], Some(done));
        written.await.map_err(|_| Error::Data("the raft log closed".to_owned()))??;
        self.identity = Some(identity);
        Ok(())
    }
}

fn read_identity(log: &Log) -> Result<Option<Identity>, Error> {
    let damaged = || Error::Data(format!("{}: unreadable member id", log.path().display()));
    let Some(bytes) = log.mark(IDENTITY)? else { return Ok(None) };
    let (member, cluster) = bytes.split_at_checked(8).ok_or_else(damaged)?;
    let number = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes).map_err(|_| damaged());
    Ok(Some(Identity { member: MemberId(number(member)?), cluster: ClusterId(number(cluster)?) }))
}

/// A directory of etcd itself holds data that must not be passed over.
fn refuse_etcd(data: &Path) -> Result<(), Error> {
    for foreign in ["member/snap", "member/wal", "proxy"] {
        let path = data.join(foreign);
        if path.exists() {
            return Err(Error::Data(format!(
                "{} is a data directory of etcd ({foreign} exists), which this server cannot read: \
                 give another --data-dir; to move the data, add this server to the running \
                 cluster as a new member, or restore a snapshot",
                data.display()
            )));
        }
    }
    Ok(())
}

/// Creates a directory that only its owner may enter, as etcd does.
fn create(path: &Path) -> Result<(), Error> {
    let created = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    created.map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::PermissionDenied => ": let this user write there",
            _ => "",
        };
        Error::Data(format!("cannot use directory {}: {error}{hint}", path.display()))
    })
}
