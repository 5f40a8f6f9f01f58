//! How a sequence begins in which everybody is asked who he is: users with some rights, and their
//! tokens.

use super::users::{PASSWORD, ROLES, USERS, granted};
use crate::parity::call::Call;
use crate::parity::caller::Caller;
use crate::parity::operation::{Operation, Step};
use etcd_proto::etcdserverpb as pb;
use proptest::prelude::*;

/// Rights that are given in the beginning.
const RIGHTS: usize = 6;

/// The steps. What earlier sequences left in the store is still there.
pub(super) fn steps() -> Vec<BoxedStrategy<Step>> {
    let step = |operation: Call| {
        let operation = Operation::Call(operation);
        Just(Step { member: 0, caller: Caller::Nobody, operation }).boxed()
    };
    let mut steps: Vec<BoxedStrategy<Step>> = Vec::new();
    // Whoever root was: it has this password now.
    steps.push(step(Call::UserDelete(pb::AuthUserDeleteRequest { name: "root".to_owned() })));
    steps.push(step(add("root")));
    steps.push(step(grant("root", "root")));
    for name in ROLES.map(str::to_owned) {
        steps.push(step(Call::RoleDelete(pb::AuthRoleDeleteRequest { role: name.clone() })));
        steps.push(step(Call::RoleAdd(pb::AuthRoleAddRequest { name })));
    }
    let right = granted().prop_map(|call| Step {
        member: 0,
        caller: Caller::Nobody,
        operation: Operation::Call(call),
    });
    let right = right.boxed();
    steps.extend(std::iter::repeat_with(|| right.clone()).take(RIGHTS));
    for (user, role) in USERS.into_iter().zip(ROLES) {
        steps.push(step(add(user)));
        steps.push(step(grant(user, role)));
    }
    steps.push(step(Call::AuthEnable));
    for (place, name) in ["root"].into_iter().chain(USERS).enumerate() {
        let (name, password) = (name.to_owned(), PASSWORD.to_owned());
        let login = pb::AuthenticateRequest { name, password };
        steps.push(step(Call::Authenticate(place, login)));
    }
    steps
}

fn add(name: &str) -> Call {
    let (name, password) = (name.to_owned(), PASSWORD.to_owned());
    Call::UserAdd(pb::AuthUserAddRequest { name, password, ..Default::default() })
}

fn grant(user: &str, role: &str) -> Call {
    let (user, role) = (user.to_owned(), role.to_owned());
    Call::UserGrantRole(pb::AuthUserGrantRoleRequest { user, role })
}
