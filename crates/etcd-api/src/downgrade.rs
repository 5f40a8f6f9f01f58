//! Downgrade: may the cluster be brought down to the version below, and is it being so?

use etcd_apply::Version;
use etcd_proto::etcdserverpb::downgrade_request::DowngradeAction;
use etcd_proto::etcdserverpb::{DowngradeRequest, DowngradeResponse, InternalRaftRequest};
use etcd_proto::membershippb::DowngradeInfoSetRequest;

use crate::caller::Caller;
use crate::deadline::Deadline;
use crate::encoded_command::EncodedCommand;
use crate::{Api, Error};

impl Api {
    /// Does what a request asks for, in etcd's order of checks.
    pub(crate) async fn downgrade(
        &self,
        caller: &Caller,
        request: &DowngradeRequest,
        deadline: Deadline,
    ) -> Result<DowngradeResponse, Error> {
        let version = match DowngradeAction::try_from(request.action) {
            Ok(DowngradeAction::Validate) => self.validate(&request.version, deadline).await?,
            Ok(DowngradeAction::Enable) => {
                let enabled = self.enable(caller, &request.version, deadline).await;
                enabled.inspect_err(|error| tracing::warn!(%error, "reject downgrade request"))?
            }
            Ok(DowngradeAction::Cancel) => {
                if let Err(error) = self.cancel(caller, deadline).await {
                    // Whoever asks for it is not told, as in etcd.
                    tracing::warn!(%error, "failed to cancel downgrade");
                }
                self.cluster_version()
            }
            Err(_) => return Err(Error::UnknownMethod),
        };
        let header = Some(self.header(self.views.mvcc.revision()));
        let version = version.map(Version::short).unwrap_or_default();
        Ok(DowngradeResponse { header, version })
    }

    /// The answer tells the version that the cluster had before it was looked at more closely.
    async fn validate(&self, target: &str, deadline: Deadline) -> Result<Option<Version>, Error> {
        let target = read_target(target)?;
        let version = self.cluster_version().ok_or(Error::ClusterVersionUnavailable)?;
        self.check_target(target, deadline).await?;
        Ok(Some(version))
    }

    async fn enable(
        &self,
        caller: &Caller,
        target: &str,
        deadline: Deadline,
    ) -> Result<Option<Version>, Error> {
        let target = read_target(target)?;
        self.check_target(target, deadline).await?;
        let request = DowngradeInfoSetRequest { enabled: true, ver: target.to_string() };
        self.set_downgrade(caller, request, deadline).await?;
        Ok(self.cluster_version())
    }

    async fn cancel(&self, caller: &Caller, deadline: Deadline) -> Result<(), Error> {
        self.read_barrier(deadline).await?;
        if self.views.cluster().downgrade.target.is_none() {
            return Err(Error::NoInflightDowngrade);
        }
        let request = DowngradeInfoSetRequest { enabled: false, ver: String::new() };
        self.set_downgrade(caller, request, deadline).await
    }

    /// Only the version right below will do, and only one downgrade at a time.
    async fn check_target(&self, target: Version, deadline: Deadline) -> Result<(), Error> {
        self.read_barrier(deadline).await?;
        let cluster = self.views.cluster();
        let version = cluster.version_number().ok_or(Error::ClusterVersionUnavailable)?;
        if version.below() != Some(target) {
            return Err(Error::InvalidDowngradeTargetVersion);
        }
        match cluster.downgrade.target {
            None => Ok(()),
            Some(_) => Err(Error::DowngradeInProcess),
        }
    }

    async fn set_downgrade(
        &self,
        caller: &Caller,
        request: DowngradeInfoSetRequest,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let downgrade_info_set = Some(request);
        let command = InternalRaftRequest { downgrade_info_set, ..Default::default() };
        self.propose_for(caller, EncodedCommand::of(&command), deadline).await.map(drop)
    }

    fn cluster_version(&self) -> Option<Version> {
        self.views.cluster().version_number()
    }
}

/// The target may be given with two numbers or with three; the last does not count.
fn read_target(text: &str) -> Result<Version, Error> {
    let version = Version::parse(text).or_else(|| Version::parse(&format!("{text}.0")));
    version.ok_or(Error::WrongDowngradeVersionFormat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let read = read_target(text).map(|version| version.to_string());
        let expected = expected.map(str::to_owned).ok_or(Error::WrongDowngradeVersionFormat);
        assert_eq!(read, expected, "{text:?}");
    }

    #[test]
    fn a_target_has_two_numbers_or_three() {
        check("3.6", Some("3.6.0"));
        check("3.6.0", Some("3.6.0"));
        check("3.6.9", Some("3.6.0"));
        check("3.6.0-rc.1", Some("3.6.0"));
        for text in ["", "3", "x", "3.x", "v3.6", "3.6.0.0", "3.6-rc.1", " 3.6", "3.6."] {
            check(text, None);
        }
    }
}
