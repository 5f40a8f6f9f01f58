//! Commands on users and roles, and what their permissions let through.

use bytes::Bytes;
use etcd_auth::{Identity, Refusal as Denial, Token};
use etcd_proto::authpb::Permission;
use etcd_proto::authpb::permission::Type;
use etcd_proto::etcdserverpb::alarm_request::AlarmAction;
use etcd_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use etcd_proto::etcdserverpb::*;
use prost::Message as _;

use crate::harness::{
    Harness, Proposer, compare, delete, nested, operation, put, put_request, range,
};
use crate::{Answer, AuthAnswer, Refusal, Reply};

/// "hash" as a command carries it.
const HASH: &str = "aGFzaA==";

macro_rules! command {
    ($field:ident: $request:expr) => {
        InternalRaftRequest { $field: Some($request), ..InternalRaftRequest::default() }
    };
}

/// A member with the users root and ann, who may write a and b, read c to d, and both in m to n.
fn member() -> Harness {
    let mut harness = Harness::new();
    for name in ["root", "ann"] {
        harness.expect(add_user(name));
    }
    let (user, role) = ("root".to_owned(), "root".to_owned());
    harness.expect(command!(auth_user_grant_role: AuthUserGrantRoleRequest { user, role }));
    let (user, role) = ("ann".to_owned(), "r".to_owned());
    harness.expect(command!(auth_role_add: AuthRoleAddRequest { name: role.clone() }));
    harness.expect(command!(auth_user_grant_role: AuthUserGrantRoleRequest { user, role }));
    for (perm_type, key, range_end) in [
        (Type::Write, "a", ""),
        (Type::Write, "b", ""),
        (Type::Read, "c", "d"),
        (Type::Readwrite, "m", "n"),
    ] {
        harness.expect(grant(perm_type, key, range_end));
    }
    harness.expect(command!(auth_enable: AuthEnableRequest {}));
    harness
}

fn add_user(name: &str) -> InternalRaftRequest {
    let (name, hashed_password) = (name.to_owned(), HASH.to_owned());
    command!(auth_user_add: AuthUserAddRequest { name, hashed_password, ..Default::default() })
}

fn grant(perm_type: Type, key: &'static str, range_end: &'static str) -> InternalRaftRequest {
    let (key, range_end) = (key.into(), range_end.into());
    let perm = Some(Permission { perm_type: perm_type as i32, key, range_end });
    let name = "r".to_owned();
    command!(auth_role_grant_permission: AuthRoleGrantPermissionRequest { name, perm })
}

fn authenticate(name: &str) -> InternalRaftRequest {
    let (name, simple_token) = (name.to_owned(), "abcdefghijklmnop".to_owned());
    let request = InternalAuthenticateRequest { name, simple_token, ..Default::default() };
    command!(authenticate: request)
}

fn txn(success: Vec<RequestOp>, failure: Vec<RequestOp>) -> TxnRequest {
    TxnRequest { success, failure, ..TxnRequest::default() }
}

fn is_absent(key: &'static str) -> Compare {
    compare(key, CompareTarget::Version, CompareResult::Equal, TargetUnion::Version(0))
}

impl Harness {
    fn now(&self, user: &str) -> Identity {
        Identity { user: user.to_owned(), revision: self.views.auth.store().revision() }
    }

    fn apply_by(&mut self, caller: &Identity, mut command: InternalRaftRequest) -> Reply {
        let (username, auth_revision) = (caller.user.clone(), caller.revision);
        command.header = Some(RequestHeader { username, auth_revision, id: 0 });
        self.apply(command)
    }

    fn apply_as(&mut self, user: &str, command: InternalRaftRequest) -> Reply {
        let caller = self.now(user);
        self.apply_by(&caller, command)
    }

    /// By root, or by anybody while authentication is off.
    #[track_caller]
    fn expect(&mut self, command: InternalRaftRequest) -> Answer {
        self.apply_as("root", command).expect("permitted")
    }

    /// What becomes of a txn of ann's; nothing may come of one that is denied.
    fn txn_is_permitted(&mut self, txn: TxnRequest) -> bool {
        let before = self.views.mvcc.revision();
        match self.apply_as("ann", command!(txn: txn)) {
            Ok(_) => true,
            Err(Refusal::Auth(Denial::PermissionDenied)) => {
                assert_eq!(self.views.mvcc.revision(), before);
                false
            }
            other => panic!("{other:?}"),
        }
    }
}

#[track_caller]
fn check(reply: Reply, denial: Denial) {
    assert_eq!(reply, Err(Refusal::Auth(denial)));
}

#[test]
fn while_it_is_off_everybody_does_everything() {
    let mut harness = Harness::new();
    assert!(harness.apply(add_user("ann")).is_ok());
    assert!(harness.apply_as("nobody knows", command!(put: put_request("z", "1"))).is_ok());
    let status = harness.apply(command!(auth_status: AuthStatusRequest {}));
    let answer = AuthAnswer::Status { enabled: false, revision: 2 };
    assert_eq!(status, Ok(Answer::Auth(answer, 2)));
    check(harness.apply(authenticate("ann")), Denial::NotEnabled);
}

#[test]
fn a_put_needs_its_key_its_lease_and_what_it_wants_to_see() {
    let mut harness = member();
    assert!(harness.apply_as("ann", command!(put: put_request("a", "1"))).is_ok());
    check(
        harness.apply_as("ann", command!(put: put_request("a\0", "1"))),
        Denial::PermissionDenied,
    );
    check(harness.apply_as("ann", command!(put: put_request("c", "1"))), Denial::PermissionDenied);
    let seen = |key| PutRequest { prev_kv: true, ..put_request(key, "1") };
    check(harness.apply_as("ann", command!(put: seen("a"))), Denial::PermissionDenied);
    assert!(harness.apply_as("ann", command!(put: seen("m"))).is_ok());
    check(harness.apply(command!(put: put_request("a", "1"))), Denial::UserEmpty);
    let old = Identity { revision: 1, ..harness.now("ann") };
    check(harness.apply_by(&old, command!(put: put_request("a", "1"))), Denial::OldRevision);
    check(harness.apply_as("gone", command!(put: put_request("a", "1"))), Denial::PermissionDenied);
}

#[test]
fn a_lease_is_in_the_hands_of_those_who_may_write_all_its_keys() {
    let mut harness = member();
    for id in [7, 8] {
        harness.expect(command!(lease_grant: LeaseGrantRequest { id, ttl: 100 }));
    }
    let leased = |key, lease| command!(put: PutRequest { lease, ..put_request(key, "1") });
    harness.expect(leased("m1", 7));
    harness.expect(leased("m2", 8));
    harness.expect(leased("z", 8));
    assert!(harness.apply_as("ann", leased("a", 7)).is_ok());
    check(harness.apply_as("ann", leased("a", 8)), Denial::PermissionDenied);
    let request = PutRequest { lease: 8, ..put_request("a", "1") };
    let inner = txn(vec![operation(request_op::Request::RequestPut(request))], vec![]);
    assert!(!harness.txn_is_permitted(txn(vec![], vec![nested(inner)])));
    assert_eq!(harness.apply_as("ann", leased("a", 9)), Err(Refusal::LeaseNotFound));
    let revoke = |id| command!(lease_revoke: LeaseRevokeRequest { id });
    check(harness.apply_as("ann", revoke(8)), Denial::PermissionDenied);
    assert!(harness.apply_as("ann", revoke(7)).is_ok());
    assert!(harness.apply_as("root", revoke(8)).is_ok());
    assert!(!harness.has("z") && !harness.has("a"));
}

#[test]
fn a_delete_needs_the_whole_range_and_what_it_wants_to_see() {
    let mut harness = member();
    let mut is_permitted = |key: &'static str, end: &'static str, prev_kv| {
        let request = DeleteRangeRequest { key: key.into(), range_end: end.into(), prev_kv };
        harness.apply_as("ann", command!(delete_range: request)).is_ok()
    };
    assert!(is_permitted("m", "n", true) && is_permitted("a", "", false));
    assert!(!is_permitted("a", "", true), "it would be told");
    assert!(!is_permitted("m", "n\0", false) && !is_permitted("l", "n", false));
    assert!(!is_permitted("m", "\0", false) && !is_permitted("a", "b\0", false));
}

#[test]
fn a_txn_needs_both_its_branches_however_deep() {
    let mut harness = member();
    assert!(harness.txn_is_permitted(txn(vec![put("a", "1")], vec![put("m", "1")])));
    for forbidden in [put("z", "1"), range("a", 0), delete("a", ""), delete("z", "")] {
        let deep = |operation| nested(txn(vec![], vec![nested(txn(vec![operation], vec![]))]));
        assert!(!harness.txn_is_permitted(txn(vec![forbidden.clone(), put("a", "1")], vec![])));
        assert!(!harness.txn_is_permitted(txn(vec![put("a", "1")], vec![forbidden.clone()])));
        assert!(!harness.txn_is_permitted(txn(vec![deep(forbidden.clone())], vec![])));
        assert!(!harness.txn_is_permitted(txn(vec![put("a", "1")], vec![deep(forbidden)])));
    }
    let seen = PutRequest { prev_kv: true, ..put_request("a", "1") };
    let seen = operation(request_op::Request::RequestPut(seen));
    assert!(!harness.txn_is_permitted(txn(vec![nested(txn(vec![seen], vec![]))], vec![])));
}

#[test]
fn a_txn_needs_to_read_what_it_compares() {
    let mut harness = member();
    let on = |compare| TxnRequest { compare: vec![compare], ..txn(vec![put("a", "1")], vec![]) };
    assert!(harness.txn_is_permitted(on(is_absent("c"))));
    assert!(!harness.txn_is_permitted(on(is_absent("a"))));
    let many = Compare { range_end: "d\0".into(), ..is_absent("c") };
    assert!(!harness.txn_is_permitted(on(many)));
    let inner = nested(on(is_absent("z")));
    assert!(!harness.txn_is_permitted(txn(vec![], vec![inner])));
}

#[test]
fn reads_are_asked_about_beside_the_log() {
    let mut harness = member();
    let ann = harness.now("ann");
    assert_eq!(harness.views.check_range(&ann, b"c", b"d"), Ok(()));
    let denied = Err(Refusal::Auth(Denial::PermissionDenied));
    assert_eq!(harness.views.check_range(&ann, b"c", b"d\0"), denied);
    assert_eq!(harness.views.check_txn(&ann, &txn(vec![range("c", 0)], vec![])), Ok(()));
    assert_eq!(
        harness.views.check_txn(&ann, &txn(vec![range("c", 0)], vec![range("a", 0)])),
        denied
    );
    assert_eq!(harness.views.check_unchanged(&ann), Ok(()));
    harness.expect(add_user("bob"));
    let old = Err(Refusal::Auth(Denial::OldRevision));
    assert_eq!(harness.views.check_unchanged(&ann), old);
    assert_eq!(harness.views.check_range(&ann, b"c", b""), old);
}

#[test]
fn administrators_alone_change_and_list() {
    let mut harness = member();
    let list = || command!(auth_user_list: AuthUserListRequest {});
    for command in [
        list(),
        add_user("bob"),
        grant(Type::Read, "z", ""),
        command!(auth_enable: AuthEnableRequest {}),
        command!(auth_disable: AuthDisableRequest {}),
        command!(auth_role_list: AuthRoleListRequest {}),
        command!(auth_role_add: AuthRoleAddRequest::default()),
        command!(auth_role_delete: AuthRoleDeleteRequest::default()),
        command!(auth_user_delete: AuthUserDeleteRequest::default()),
        command!(auth_user_change_password: AuthUserChangePasswordRequest::default()),
        command!(auth_user_grant_role: AuthUserGrantRoleRequest::default()),
        command!(auth_user_revoke_role: AuthUserRevokeRoleRequest::default()),
        command!(auth_role_revoke_permission: AuthRoleRevokePermissionRequest::default()),
    ] {
        let before = harness.rows();
        check(harness.apply(command.clone()), Denial::UserEmpty);
        check(harness.apply_as("ann", command.clone()), Denial::PermissionDenied);
        check(harness.apply_as("gone", command), Denial::UserNotFound);
        assert_eq!(harness.rows(), before);
    }
    let names = AuthAnswer::Names(vec!["ann".to_owned(), "root".to_owned()]);
    assert_eq!(harness.expect(list()), Answer::Auth(names, 1));
}

#[test]
fn an_alarm_is_told_before_a_missing_permission() {
    let mut harness = member();
    let raise = |alarm: AlarmType| {
        let action = AlarmAction::Activate as i32;
        command!(alarm: AlarmRequest { action, member_id: 1, alarm: alarm as i32 })
    };
    harness.expect(raise(AlarmType::Nospace));
    assert_eq!(harness.apply(command!(put: put_request("z", "1"))), Err(Refusal::NoSpace));
    let delete = DeleteRangeRequest { key: "z".into(), ..Default::default() };
    check(harness.apply(command!(delete_range: delete.clone())), Denial::UserEmpty);
    harness.expect(raise(AlarmType::Corrupt));
    assert_eq!(harness.apply(command!(delete_range: delete)), Err(Refusal::Corrupt));
}

#[test]
fn a_token_is_known_until_its_user_changes() {
    let mut harness = member();
    let token = |harness: &mut Harness, user: &str| match harness.apply(authenticate(user)) {
        Ok(Answer::Auth(AuthAnswer::Authenticated { token: Some(Token(token)), identity }, _)) => {
            assert_eq!(identity, harness.now(user));
            assert_eq!(token, format!("abcdefghijklmnop.{}", harness.views.applied().index));
            token
        }
        other => panic!("{other:?}"),
    };
    let is_known =
        |harness: &Harness, token: &str| harness.views.auth.tokens().user(token).is_some();
    let (anns, roots) = (token(&mut harness, "ann"), token(&mut harness, "root"));
    harness.expect(grant(Type::Read, "z", ""));
    assert!(is_known(&harness, &anns), "other changes do not matter");
    let request = AuthUserChangePasswordRequest {
        name: "ann".to_owned(),
        hashed_password: HASH.to_owned(),
        ..Default::default()
    };
    harness.expect(command!(auth_user_change_password: request));
    assert!(!is_known(&harness, &anns) && is_known(&harness, &roots));
    let anns = token(&mut harness, "ann");
    harness.expect(command!(auth_user_delete: AuthUserDeleteRequest { name: "ann".to_owned() }));
    assert!(!is_known(&harness, &anns) && is_known(&harness, &roots));
    check(harness.apply(authenticate("ann")), Denial::AuthFailed);
    harness.expect(command!(auth_disable: AuthDisableRequest {}));
    assert!(!is_known(&harness, &roots));
}

#[test]
fn who_gives_up_waiting_leaves_the_same_state_behind() {
    let commands: Vec<InternalRaftRequest> = vec![
        add_user("root"),
        command!(auth_role_add: AuthRoleAddRequest { name: "r".to_owned() }),
        grant(Type::Read, "a", "b"),
        command!(auth_user_list: AuthUserListRequest {}),
        add_user("root"),
    ];
    let rows = [Proposer::Here, Proposer::Elsewhere].map(|proposer| {
        let mut harness = Harness::new();
        let commands: Vec<(Bytes, Proposer)> =
            commands.iter().map(|command| (command.encode_to_vec().into(), proposer)).collect();
        harness.apply_bytes(&commands);
        harness.rows()
    });
    assert_eq!(rows[0], rows[1]);
}

#[test]
fn permissions_survive_a_restart_and_tokens_do_not() {
    let mut harness = member();
    assert!(harness.apply(authenticate("ann")).is_ok());
    harness.reopen();
    assert_eq!(format!("{:?}", harness.views.auth.tokens()), "SimpleTokens { held: 0 }");
    assert!(harness.views.auth.is_enabled());
    assert!(harness.apply_as("ann", command!(put: put_request("a", "1"))).is_ok());
    check(harness.apply_as("ann", command!(put: put_request("z", "1"))), Denial::PermissionDenied);
}

#[test]
fn a_state_from_elsewhere_ends_the_tokens_of_users_that_differ() {
    use etcd_raft::StateMachine as _;
    use etcd_storage::{Batch, Table};
    let mut harness = member();
    let tokens = ["ann", "root"].map(|user| match harness.apply(authenticate(user)) {
        Ok(Answer::Auth(AuthAnswer::Authenticated { token: Some(Token(token)), .. }, _)) => token,
        other => panic!("{other:?}"),
    });
    // Another member's state: ann is gone in it.
    let mut batch = Batch::new();
    batch.delete(Table::AuthUsers, b"ann");
    harness.views.storage.commit(batch).expect("the storage works");
    harness.applier.reload().expect("a readable state");
    let known = tokens.map(|token| harness.views.auth.tokens().user(&token).is_some());
    assert_eq!(known, [false, true]);
    assert_eq!(harness.views.auth.store().user_names(), ["root"]);
}
