//! Users, roles, what they may do, and who they say that they are.

use super::words::{choice, key, range_end};
use crate::parity::call::Call;
use crate::parity::caller::TOKENS;
use bytes::Bytes;
use etcd_proto::authpb::{Permission, UserAddOptions};
use etcd_proto::etcdserverpb as pb;
use proptest::prelude::*;

/// Users who come and go.
pub(super) const USERS: [&str; 4] = ["ann", "bob", "cat", "dan"];

/// Roles that come and go.
pub(super) const ROLES: [&str; 3] = ["r1", "r2", "r3"];

/// The password that most users have.
pub(super) const PASSWORD: &str = "1";

pub(super) fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        6 => Just(Call::AuthEnable),
        2 => Just(Call::AuthDisable),
        4 => Just(Call::AuthStatus),
        90 => authenticate(),
        20 => changed_users(),
        30 => changed_roles(),
        12 => asked(),
    ]
}

/// A token for a place; mostly each user has one of his own.
fn authenticate() -> impl Strategy<Value = Call> {
    let place = prop_oneof![2 => Just(0), 3 => 1..TOKENS];
    let fitting = place.prop_map(|place| {
        let name = if place == 0 { "root" } else { USERS[(place - 1) % USERS.len()] };
        (place, name.to_owned())
    });
    let who = prop_oneof![4 => fitting, 1 => (0..TOKENS, user())];
    let password = prop_oneof![6 => Just(PASSWORD.to_owned()), 1 => password()];
    (who, password).prop_map(|((place, name), password)| {
        Call::Authenticate(place, pb::AuthenticateRequest { name, password })
    })
}

fn changed_users() -> impl Strategy<Value = Call> {
    let add = (user(), password(), prop::option::weighted(0.3, any::<bool>()));
    let granted = (user(), role());
    prop_oneof![
        6 => add.prop_map(|(name, password, no_password)| {
            let options = no_password.map(|no_password| UserAddOptions { no_password });
            let hashed_password = String::new();
            let user = pb::AuthUserAddRequest { name, password, options, hashed_password };
            Call::UserAdd(user)
        }),
        2 => user().prop_map(|name| Call::UserDelete(pb::AuthUserDeleteRequest { name })),
        3 => (user(), password()).prop_map(|(name, password)| {
            let hashed_password = String::new();
            let user = pb::AuthUserChangePasswordRequest { name, password, hashed_password };
            Call::UserChangePassword(user)
        }),
        8 => granted.prop_map(|(user, role)| {
            Call::UserGrantRole(pb::AuthUserGrantRoleRequest { user, role })
        }),
        5 => (user(), role()).prop_map(|(name, role)| {
            Call::UserRevokeRole(pb::AuthUserRevokeRoleRequest { name, role })
        }),
    ]
}

fn changed_roles() -> impl Strategy<Value = Call> {
    prop_oneof![
        5 => role().prop_map(|name| Call::RoleAdd(pb::AuthRoleAddRequest { name })),
        2 => role().prop_map(|role| Call::RoleDelete(pb::AuthRoleDeleteRequest { role })),
        14 => granted(),
        8 => (role(), permitted()).prop_map(|(role, (key, range_end))| {
            let revoke = pb::AuthRoleRevokePermissionRequest { role, key, range_end };
            Call::RoleRevokePermission(revoke)
        }),
    ]
}

/// A right that a role gets.
pub(super) fn granted() -> impl Strategy<Value = Call> {
    let permission = (choice(3), permitted())
        .prop_map(|(perm_type, (key, range_end))| Permission { perm_type, key, range_end });
    (role(), prop::option::weighted(0.98, permission)).prop_map(|(name, perm)| {
        Call::RoleGrantPermission(pb::AuthRoleGrantPermissionRequest { name, perm })
    })
}

fn asked() -> impl Strategy<Value = Call> {
    prop_oneof![
        3 => user().prop_map(|name| Call::UserGet(pb::AuthUserGetRequest { name })),
        3 => role().prop_map(|role| Call::RoleGet(pb::AuthRoleGetRequest { role })),
        1 => Just(Call::UserList),
        1 => Just(Call::RoleList),
        1 => Just(Call::MemberList),
    ]
}

fn user() -> impl Strategy<Value = String> {
    prop_oneof![
        16 => prop::sample::select(USERS.to_vec()),
        2 => Just("root"),
        1 => Just("nobody"),
        1 => Just(""),
    ]
    .prop_map(str::to_owned)
}

fn role() -> impl Strategy<Value = String> {
    prop_oneof![
        20 => prop::sample::select(ROLES.to_vec()),
        1 => Just("root"),
        1 => Just("none"),
        1 => Just(""),
    ]
    .prop_map(str::to_owned)
}

/// Long ones stand around the number of bytes that count.
fn password() -> impl Strategy<Value = String> {
    prop_oneof![
        30 => Just(PASSWORD.to_owned()),
        3 => Just("2".to_owned()),
        1 => Just(String::new()),
        1 => Just("1\0".to_owned()),
        1 => (71..75usize).prop_map(|length| "x".repeat(length)),
    ]
}

/// Ranges that overlap, touch, and contain each other.
fn permitted() -> impl Strategy<Value = (Bytes, Bytes)> {
    let of = |key: &'static str, end: &'static str| Just((Bytes::from(key), Bytes::from(end)));
    prop_oneof![
        4 => of("a", "b"),
        4 => of("b", "c"),
        2 => of("k", "l"),
        3 => of("l/", "l0"),
        2 => of("\0", "\0"),
        2 => of("a", "\0"),
        4 => (key(), range_end()),
    ]
}
