//! The data directory: where log and state are, and whose they are.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use etcd_membership::{ClusterId, Member, MemberId};
use etcd_raft::{Applied, Membership, RaftMember};
use etcd_storage::{Log, LogOperation, LogOptions, Storage, StorageOptions};
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use crate::Error;

/// The mark in the raft log that says which member of which cluster it belongs to.
const IDENTITY: &str = "identity";
/// The one that says who founded the cluster, for a start after one that ended too early for the
/// log to say it.
const FOUNDERS: &str = "founders";

/// Which member this data belongs to. Written once, before anything else: from then on it counts
/// more than any flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) member: MemberId,
    pub(crate) cluster: ClusterId,
}

/// What the start of a member begins with.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(crate) identity: Identity,
    /// The founding members; `None` when the leader will tell.
    pub(crate) founders: Option<Membership>,
}

/// The opened stores of a member.
pub(crate) struct DataDirectory {
    pub(crate) log: Log,
    pub(crate) storage: Storage,
    /// `None` in a directory that was never started.
    pub(crate) identity: Option<Identity>,
    /// Who founded the cluster, if this member was among them.
    pub(crate) founders: Option<Membership>,
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
        let options = LogOptions { sync: places.sync };
        let log = Log::open(&log_path, &options)?;
        let (identity, founders) = (read_identity(&log)?, read_founders(&log)?);
        let storage = Storage::open(&member.join("state"), StorageOptions::default())?;
        if identity.is_none() && Applied::load(&storage)?.position.index > 0 {
            return Err(Error::Data(format!(
                "{} holds a member's state, but {} holds no raft log of a member: if --wal-dir was \
                 given before, give the same again; if the log is lost, remove this member from its \
                 cluster and add it anew with an empty --data-dir",
                member.join("state").display(),
                log_path.display()
            )));
        }
        Ok(DataDirectory { log, storage, identity, founders })
    }

    /// Makes the directory that of one member for good.
    pub(crate) async fn adopt(&mut self, beginning: &Beginning) -> Result<(), Error> {
        let Beginning { identity, founders } = beginning;
        let mut value = identity.member.0.to_be_bytes().to_vec();
        value.extend_from_slice(&identity.cluster.0.to_be_bytes());
        let mut marks = vec![LogOperation::Mark { name: IDENTITY, value: Bytes::from(value) }];
        if let Some(founders) = founders {
            let value = write_founders(founders);
            marks.push(LogOperation::Mark { name: FOUNDERS, value });
        }
        let (done, written) = oneshot::channel();
        let done = Box::new(move |result| {
            // The start was given up meanwhile.
            let _ = done.send(result);
        });
        // Either both are there after a crash, or none.
        self.log.submit(marks, Some(done));
        written.await.map_err(|_| Error::Data("the raft log closed".to_owned()))??;
        self.identity = Some(*identity);
        self.founders.clone_from(founders);
        Ok(())
    }
}

fn read_identity(log: &Log) -> Result<Option<Identity>, Error> {
    let damaged = || Error::Data(format!("{}: unreadable member id", log.path().display()));
    let Some(bytes) = log.mark(IDENTITY) else { return Ok(None) };
    let (member, cluster) = bytes.split_at_checked(8).ok_or_else(damaged)?;
    let number = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes).map_err(|_| damaged());
    Ok(Some(Identity { member: MemberId(number(member)?), cluster: ClusterId(number(cluster)?) }))
}

/// The founders as their records, in a list of JSON.
fn write_founders(founders: &Membership) -> Bytes {
    let records = founders.members.iter().map(|(id, member)| {
        let mut record = Member::unstarted(*id, member.peer_urls.clone());
        record.is_learner = member.is_learner;
        record.encode()
    });
    let records: Vec<Vec<u8>> = records.collect();
    Bytes::from([b"[", &records.join(&b","[..])[..], b"]"].concat())
}

fn read_founders(log: &Log) -> Result<Option<Membership>, Error> {
    let Some(bytes) = log.mark(FOUNDERS) else { return Ok(None) };
    let damaged = || Error::Data(format!("{}: unreadable founders", log.path().display()));
    let records: Vec<&RawValue> = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
    let members = records.into_iter().map(|record| {
        let member = Member::decode(record.get().as_bytes()).map_err(|_| damaged())?;
        let Member { id, peer_urls, is_learner, .. } = member;
        Ok((id, RaftMember { peer_urls, is_learner, ..RaftMember::default() }))
    });
    let members = members.collect::<Result<_, Error>>()?;
    Ok(Some(Membership { members, ..Membership::default() }))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn open(data: &Path) -> DataDirectory {
        let places = Places { data: data.to_owned(), log: None, sync: false };
        DataDirectory::open(&places).expect("a directory of one's own")
    }

    #[tokio::test]
    async fn whose_a_directory_is_and_who_founded_the_cluster_is_known_from_one_moment_on() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let mut data = open(home.path());
        assert_eq!((data.identity, data.founders.clone()), (None, None));
        let identity = Identity { member: MemberId(7), cluster: ClusterId(8) };
        let member = |url: &str, is_learner| {
            let peer_urls = vec![url.to_owned(), format!("{url}/more")];
            RaftMember { peer_urls, is_learner, ..RaftMember::default() }
        };
        let members = [(7, member("http://a:1", false)), (9, member("http://b:1", true))];
        let members = members.map(|(id, member)| (MemberId(id), member)).into();
        let founders = Some(Membership { members, ..Membership::default() });
        data.adopt(&Beginning { identity, founders: founders.clone() }).await.expect("written");
        // The member ends here, before its log has an entry.
        drop(data);
        let data = open(home.path());
        assert_eq!((data.identity, data.founders), (Some(identity), founders));
    }

    #[tokio::test]
    async fn whoever_joined_a_cluster_did_not_found_it() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let mut data = open(home.path());
        let identity = Identity { member: MemberId(7), cluster: ClusterId(8) };
        data.adopt(&Beginning { identity, founders: None }).await.expect("written");
        drop(data);
        let data = open(home.path());
        assert_eq!((data.identity, data.founders), (Some(identity), None));
    }
}
