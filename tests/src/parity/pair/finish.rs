//! The end of a sequence: everything is compared, and nothing is left that refuses or waits.

use super::{Caller, Found, Operation, Pair, Position, STREAMS};
use crate::parity::answer::Answer;
use crate::parity::call::Call;
use crate::parity::caller::{KEEPER, KEEPER_PASSWORD};
use crate::parity::difference::Difference;
use crate::parity::names::PICKED;
use crate::parity::told::Told;
use etcd_proto::etcdserverpb as pb;
use pb::alarm_request::AlarmAction;

/// Who asks for what is compared here.
const BY_KEEPER: (usize, Caller) = (0, Caller::Keeper);

/// What makes the keeper.
pub(super) fn keeper() -> [Operation; 2] {
    let (name, role) = (KEEPER.to_owned(), "root".to_owned());
    let password = KEEPER_PASSWORD.to_owned();
    let user = pb::AuthUserAddRequest { name: name.clone(), password, ..Default::default() };
    let role = pb::AuthUserGrantRoleRequest { user: name, role };
    [Call::UserAdd(user), Call::UserGrantRole(role)].map(Operation::Call)
}

impl Pair {
    /// Compares all that there is, and closes all streams.
    pub(crate) async fn finish_sequence(&mut self) -> Result<(), Box<Found>> {
        let result = self.finish().await;
        self.streams = [const { None }; STREAMS];
        result.map_err(|difference| self.found(difference))
    }

    async fn finish(&mut self) -> Result<(), Difference> {
        if self.known == crate::parity::known::Known::Nothing {
            self.end_alarms().await?;
            self.end_waiting().await?;
            self.end_short().await?;
            self.end_picked().await?;
            self.compare_rights().await?;
        }
        self.compare_keys().await
    }

    /// Whether there is any alarm on the reference.
    pub(super) async fn has_alarms(&mut self) -> bool {
        !self.alarms().await.is_empty()
    }

    async fn alarms(&mut self) -> Vec<pb::AlarmMember> {
        let get = Operation::Call(Call::Alarm(pb::AlarmRequest::default()));
        match self.reference.ask(0, Caller::Keeper, &get).await {
            Answer::Told(Told::Alarm(response)) => response.alarms,
            // What follows shows that the server does not answer.
            _ => Vec::new(),
        }
    }

    async fn end_alarms(&mut self) -> Result<(), Difference> {
        for pb::AlarmMember { member_id, alarm } in self.alarms().await {
            let action = AlarmAction::Deactivate as i32;
            let request = pb::AlarmRequest { action, member_id, alarm };
            self.call(&Operation::Call(Call::Alarm(request)), BY_KEEPER).await?;
        }
        Ok(())
    }

    /// Deletes what others wait for.
    async fn end_waiting(&mut self) -> Result<(), Difference> {
        for prefix in self.recipes.prefixes() {
            let mut end = prefix.to_vec();
            *end.last_mut().expect("it ends in a slash") += 1;
            let (key, range_end) = (prefix, end.into());
            let delete = pb::DeleteRangeRequest { key, range_end, prev_kv: true };
            self.call(&Operation::DeleteRange(delete), BY_KEEPER).await?;
            self.admit().await?;
        }
        Ok(())
    }

    async fn end_short(&mut self) -> Result<(), Difference> {
        self.renew_short().await;
        let Some(id) = self.short_id() else { return Ok(()) };
        let revoke = Call::LeaseRevoke(pb::LeaseRevokeRequest { id });
        self.call(&Operation::Call(revoke), BY_KEEPER).await
    }

    /// Revokes leases that servers picked, which may live for a minute only.
    async fn end_picked(&mut self) -> Result<(), Difference> {
        let picked = self.reference.names.picked();
        for place in self.ended_picks..picked {
            let request = pb::LeaseRevokeRequest { id: PICKED + place as i64 };
            self.call(&Operation::Call(Call::LeaseRevoke(request)), BY_KEEPER).await?;
        }
        self.ended_picks = picked;
        Ok(())
    }

    /// Users, roles and leases; and nobody is asked who he is any more.
    async fn compare_rights(&mut self) -> Result<(), Difference> {
        let ask = [Call::AuthStatus, Call::UserList, Call::RoleList, Call::LeaseLeases];
        for call in ask.into_iter().chain([Call::AuthDisable, Call::AuthStatus]) {
            self.call(&Operation::Call(call), BY_KEEPER).await?;
        }
        Ok(())
    }

    async fn compare_keys(&mut self) -> Result<(), Difference> {
        self.settle().await?;
        let everything = pb::RangeRequest {
            key: "\0".into(),
            range_end: "\0".into(),
            ..pb::RangeRequest::default()
        };
        self.call(&Operation::Range(everything), BY_KEEPER).await?;
        let Position { newest, compacted } = self.store.position;
        for revision in [0, newest - 1, compacted + 1, compacted] {
            self.hash_all(&Operation::HashKv(revision), Caller::Keeper).await?;
        }
        Ok(())
    }
}
