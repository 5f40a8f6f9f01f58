//! No room in the storage: what would need some is refused, and an alarm tells the whole cluster.

use std::sync::Arc;

use etcd_apply::Alarms;
use etcd_proto::etcdserverpb::alarm_request::AlarmAction;
use etcd_proto::etcdserverpb::{AlarmMember, AlarmRequest, AlarmType, InternalRaftRequest};
use tokio::sync::Mutex;
use tokio::time::timeout_at;

use crate::caller::Caller;
use crate::deadline::Deadline;
use crate::{Api, Error};

/// Keeps a member from asking for the same alarm twice.
#[derive(Debug, Clone, Default)]
pub struct Alarming {
    /// Held while the alarm is on its way.
    turn: Arc<Mutex<()>>,
}

/// Raises an alarm whenever a command was applied for which this member had no room, whoever
/// proposed it. Runs until it is dropped.
pub async fn raise_alarms(api: Api) {
    loop {
        api.views.quota.overrun().await;
        api.report_overrun(api.own_deadline()).await;
    }
}

impl Api {
    /// Makes sure that the storage has room for `cost` more bytes. If it has not, an alarm says so
    /// in the whole cluster, until a client silences it; a caller with a bad token raises none. What
    /// costs nothing always has room.
    ///
    /// # Errors
    ///
    /// `NoSpace`, whoever asks.
    pub(crate) async fn reserve(
        &self,
        cost: u64,
        caller: &Caller,
        deadline: Deadline,
    ) -> Result<(), Error> {
        if self.views.quota.has_room(cost) {
            return Ok(());
        }
        if self.identify(caller, deadline).await.is_err() {
            return Err(Error::NoSpace);
        }
        let mine = self.alarm();
        let stands = |alarms: &Alarms| alarms.iter().any(|active| active == mine);
        Box::pin(self.raise_unless(stands, deadline)).await;
        Err(Error::NoSpace)
    }

    /// The same alarm for a command that was applied before it was seen that there is no room. One
    /// of another member will do, as what is applied next is refused.
    pub(crate) async fn report_overrun(&self, deadline: Deadline) {
        let stands = |alarms: &Alarms| alarms.has(AlarmType::Nospace);
        Box::pin(self.raise_unless(stands, deadline)).await;
    }

    /// It is boxed wherever it is waited for: every write has room for what it may have to wait for,
    /// and this is rare.
    async fn raise_unless(&self, stands: impl Fn(&Alarms) -> bool, deadline: Deadline) {
        if stands(&self.views.cluster().alarms) {
            return;
        }
        let Ok(_turn) = timeout_at(deadline.at, self.alarming.turn.lock()).await else { return };
        if stands(&self.views.cluster().alarms) {
            return;
        }
        let AlarmMember { member_id, alarm } = self.alarm();
        tracing::warn!("the storage has outgrown its quota; raising an alarm");
        let action = AlarmAction::Activate as i32;
        let alarm = Some(AlarmRequest { action, member_id, alarm });
        let command = InternalRaftRequest { alarm, ..Default::default() };
        if let Err(error) = self.propose(&command, deadline.begun_now()).await {
            tracing::warn!(%error, "the storage is full, and no alarm could be raised");
        }
    }

    /// That this member has no space.
    fn alarm(&self) -> AlarmMember {
        AlarmMember { member_id: self.member_id.0, alarm: AlarmType::Nospace as i32 }
    }
}
