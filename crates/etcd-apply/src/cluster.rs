//! Everything replicated that is not a key: members, alarms, the cluster's version and downgrade.

use std::ops::ControlFlow;

use etcd_membership::{Member, MemberId, Members, REMOVED_RECORD};
use etcd_proto::membershippb::{ClusterMemberAttrSetRequest, DowngradeInfoSetRequest};
use etcd_raft::Membership;
use etcd_storage::{Batch, Storage, Table};

use crate::{Alarms, Downgrade, Error, Refusal, Version};

/// The key of the cluster's version in [`Table::Cluster`].
pub(crate) const VERSION: &[u8] = b"clusterVersion";

/// What the log has made of the cluster so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cluster {
    /// Who belongs to it.
    pub members: Members,
    /// What is wrong with it.
    pub alarms: Alarms,
    /// The version that all members agreed to speak, as "3.7.0"; none before they did.
    pub version: Option<String>,
    /// Where that is being brought down to.
    pub downgrade: Downgrade,
}

impl Cluster {
    /// Reads what was stored.
    pub(crate) fn load(storage: &Storage) -> Result<Cluster, Error> {
        let version = storage.get(Table::Cluster, VERSION)?;
        let version = version.map(|bytes| String::from_utf8(bytes.to_vec())).transpose();
        let version = version.map_err(|error| damaged("cluster", &error))?;
        let mut records = Vec::new();
        storage.scan(Table::Members, &[]..&[], |_, value| {
            records.push(value.to_vec());
            ControlFlow::Continue(())
        })?;
        let mut removed = Vec::new();
        storage.scan(Table::MembersRemoved, &[]..&[], |key, _| {
            removed.push(key.to_vec());
            ControlFlow::Continue(())
        })?;
        let members =
            Members::from_records(records, removed).map_err(|error| damaged("members", &error))?;
        let (alarms, downgrade) = (Alarms::load(storage)?, Downgrade::load(storage)?);
        Ok(Cluster { members, alarms, version, downgrade })
    }

    /// The version that all members agreed to speak, to compare it with others.
    pub fn version_number(&self) -> Option<Version> {
        self.version.as_deref().and_then(Version::parse)
    }

    /// The version of etcd that can read all that is stored, if storages of this one tell any.
    pub fn storage_version(&self) -> Option<Version> {
        self.version_number()?.of_storage()
    }

    /// Brings the members in line with raft's new membership, which decides: who it does not list
    /// is removed and banned, who is new is added and has not started yet.
    pub(crate) fn reconcile(
        &mut self,
        membership: &Membership,
        batch: &mut Batch,
    ) -> Result<(), Error> {
        let mut removed: Vec<MemberId> = self.members.removed().collect();
        for member in self.members.iter() {
            if !membership.members.contains_key(&member.id) {
                batch.delete(Table::Members, &member.key());
                batch.put(Table::MembersRemoved, &member.key(), REMOVED_RECORD);
                removed.push(member.id);
            }
        }
        let mut records = Vec::with_capacity(membership.members.len());
        for (id, raft_member) in &membership.members {
            let known = self.members.get(*id);
            let mut member = known.cloned().unwrap_or_else(|| Member::unstarted(*id, Vec::new()));
            member.peer_urls.clone_from(&raft_member.peer_urls);
            member.is_learner = raft_member.is_learner;
            let record = member.encode();
            if known != Some(&member) {
                if self.members.is_removed(*id) {
                    // Raft lets nobody do this; saying so beats two members that disagree.
                    tracing::error!(member = %id, "a removed member is in the membership again");
                    continue;
                }
                batch.put(Table::Members, &member.key(), &record);
            }
            records.push(record);
        }
        // Built from records, so that no check of single changes can refuse what raft has decided.
        let removed = removed.iter().map(|id| id.to_string().into_bytes());
        self.members =
            Members::from_records(records, removed).map_err(|error| damaged("members", &error))?;
        Ok(())
    }

    /// Records what a member says of itself. One that was removed may say it in vain.
    pub(crate) fn publish(
        &mut self,
        request: ClusterMemberAttrSetRequest,
        batch: &mut Batch,
    ) -> Result<(), Refusal> {
        let id = MemberId(request.member_id);
        let attributes = request.member_attributes.unwrap_or_default();
        match self.members.set_attributes(id, attributes.name, attributes.client_urls) {
            Ok(member) => batch.put(Table::Members, &member.key(), &member.encode()),
            Err(etcd_membership::Error::IdRemoved) => {
                tracing::warn!(member = %id, "a removed member published itself");
            }
            Err(_) => {
                tracing::error!(member = %id, "a member published itself that nobody knows");
                return Err(Refusal::MemberNotFound);
            }
        }
        Ok(())
    }

    /// Sets the version that all members agreed on.
    pub(crate) fn set_version(&mut self, version: String, batch: &mut Batch) {
        batch.put(Table::Cluster, VERSION, version.as_bytes());
        self.version = Some(version);
    }

    /// Begins a downgrade or ends it.
    pub(crate) fn set_downgrade(
        &mut self,
        request: &DowngradeInfoSetRequest,
        batch: &mut Batch,
    ) -> Result<(), Refusal> {
        let target = match request.enabled {
            true => Some(Version::parse(&request.ver).ok_or(Refusal::Malformed)?),
            false => None,
        };
        self.downgrade = Downgrade { target };
        self.downgrade.save(batch);
        Ok(())
    }
}

fn damaged(table: &'static str, error: &impl std::fmt::Display) -> Error {
    Error::Damaged { table, reason: error.to_string() }
}
