//! What a member says of itself when asked for its status.

use etcd_apply::Version;
use etcd_proto::etcdserverpb::{AlarmMember, AlarmType, DowngradeInfo, StatusResponse};

use crate::{Api, Error};

/// The status of this member at this moment; nobody else is asked.
pub(crate) fn status(api: &Api) -> StatusResponse {
    let raft = api.raft.status();
    let applied = api.views.applied();
    let cluster = api.views.cluster();
    let sizes = api.views.storage.sizes();
    let bytes = |size| i64::try_from(size).unwrap_or(i64::MAX);
    let no_leader = raft.leader.is_none().then(|| Error::NoLeader.to_string());
    let errors = no_leader.into_iter().chain(cluster.alarms.iter().map(|alarm| text(&alarm)));
    StatusResponse {
        header: Some(api.header(api.views.mvcc.revision())),
        version: api.versions.server.to_owned(),
        db_size: bytes(sizes.total),
        leader: raft.leader.map_or(0, |leader| leader.0),
        raft_index: raft.committed.max(applied.index),
        raft_term: applied.term,
        raft_applied_index: applied.index,
        errors: errors.collect(),
        db_size_in_use: bytes(sizes.in_use),
        is_learner: api.is_learner(),
        storage_version: text_of(cluster.storage_version()),
        db_size_quota: api.views.quota.limit_bytes(),
        downgrade_info: Some(DowngradeInfo {
            enabled: cluster.downgrade.target.is_some(),
            target_version: text_of(cluster.downgrade.target),
        }),
    }
}

fn text_of(version: Option<Version>) -> String {
    version.map(|version| version.to_string()).unwrap_or_default()
}

/// An alarm in protobuf's text format, in which zero fields are left out.
fn text(alarm: &AlarmMember) -> String {
    let member = match alarm.member_id {
        0 => String::new(),
        id => format!("memberID:{id} "),
    };
    let name = match AlarmType::try_from(alarm.alarm) {
        Ok(known) => known.as_str_name().to_owned(),
        Err(_) => alarm.alarm.to_string(),
    };
    format!("{member}alarm:{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_told_as_protobuf_prints_it() {
        let alarm = |member_id, alarm| text(&AlarmMember { member_id, alarm });
        assert_eq!(alarm(1234, AlarmType::Nospace as i32), "memberID:1234 alarm:NOSPACE");
        assert_eq!(alarm(0, AlarmType::Corrupt as i32), "alarm:CORRUPT");
        assert_eq!(alarm(7, 9), "memberID:7 alarm:9");
    }
}
