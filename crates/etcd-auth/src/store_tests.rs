//! Changes of users and roles, what they leave in the rows, and who may do what afterwards.

use etcd_proto::authpb::permission::Type;
use etcd_proto::authpb::{Permission, UserAddOptions};
use etcd_proto::etcdserverpb::{
    AuthRoleGrantPermissionRequest, AuthRoleRevokePermissionRequest, AuthUserAddRequest,
    AuthUserChangePasswordRequest, AuthUserGrantRoleRequest, AuthUserRevokeRoleRequest,
};
use etcd_storage::StorageOptions;
use tempfile::TempDir;

use super::*;
use crate::{Identity, Right};

/// "hash" as a command carries it.
const HASH: &str = "aGFzaA==";

/// A store whose every change is written at once.
struct Stored {
    storage: Storage,
    store: Store,
    /// Last, so that the storage is closed before its files go: else it waits for them, seconds.
    _directory: TempDir,
}

impl Stored {
    fn new() -> Stored {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let storage = Storage::open(&directory.path().join("state"), StorageOptions::default())
            .expect("an empty storage");
        let store = Store::open(&storage).expect("an empty store");
        Stored { _directory: directory, storage, store }
    }

    /// Users root (with the role root) and ann (with the role r), and authentication on.
    fn enabled() -> Stored {
        let mut stored = Stored::new();
        stored.add_user("root").expect("added");
        stored.grant_role("root", "root").expect("granted");
        stored.add_user("ann").expect("added");
        stored.change(|store, batch| store.add_role("r", batch)).expect("added");
        stored.grant_role("ann", "r").expect("granted");
        stored.change(Store::enable).expect("enabled");
        stored
    }

    fn change<T>(
        &mut self,
        change: impl FnOnce(&mut Store, &mut Batch) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut batch = Batch::new();
        let result = change(&mut self.store, &mut batch);
        assert!(result.is_ok() || batch.is_empty(), "a refusal leaves no trace");
        self.storage.commit(batch).expect("the storage works");
        result
    }

    fn add_user(&mut self, name: &str) -> Result<(), Refusal> {
        let hashed_password = HASH.to_owned();
        let name = name.to_owned();
        let request = AuthUserAddRequest { name, hashed_password, ..Default::default() };
        self.change(|store, batch| store.add_user(&request, batch))
    }

    fn grant_role(&mut self, user: &str, role: &str) -> Result<(), Refusal> {
        let request = AuthUserGrantRoleRequest { user: user.to_owned(), role: role.to_owned() };
        self.change(|store, batch| store.grant_role(&request, batch))
    }

    fn revoke_role(&mut self, name: &str, role: &str) -> Result<(), Refusal> {
        let request = AuthUserRevokeRoleRequest { name: name.to_owned(), role: role.to_owned() };
        self.change(|store, batch| store.revoke_role(&request, batch))
    }

    fn grant(&mut self, perm_type: Type, key: &str, range_end: &str) -> Result<(), Refusal> {
        let perm = Some(permission(perm_type, key, range_end));
        let request = AuthRoleGrantPermissionRequest { name: "r".to_owned(), perm };
        self.change(|store, batch| store.grant_permission(&request, batch))
    }

    fn revoke(&mut self, key: &str, range_end: &str) -> Result<(), Refusal> {
        let request = AuthRoleRevokePermissionRequest {
            role: "r".to_owned(),
            key: key.to_owned().into(),
            range_end: range_end.to_owned().into(),
        };
        self.change(|store, batch| store.revoke_permission(&request, batch))
    }

    fn row(&self, table: Table, key: &str) -> Vec<u8> {
        let row = self.storage.get(table, key.as_bytes()).expect("the storage works");
        row.expect("the row").to_vec()
    }

    fn check(&self, caller: &Identity, right: Right, key: &str, end: &str) -> Result<(), Refusal> {
        self.store.check_keys(caller, right, key.as_bytes(), end.as_bytes())
    }

    fn now(&self, user: &str) -> Identity {
        Identity { user: user.to_owned(), revision: self.store.revision() }
    }
}

fn permission(perm_type: Type, key: &str, range_end: &str) -> Permission {
    let (key, range_end) = (key.to_owned().into(), range_end.to_owned().into());
    Permission { perm_type: perm_type as i32, key, range_end }
}

#[test]
fn a_first_start_writes_the_first_revision_and_nothing_else() {
    let stored = Stored::new();
    assert_eq!(stored.row(Table::Auth, "authRevision"), [0, 0, 0, 0, 0, 0, 0, 1]);
    let enabled = stored.storage.get(Table::Auth, b"authEnabled").expect("the storage works");
    assert_eq!(enabled, None);
    assert_eq!((stored.store.is_enabled(), stored.store.revision()), (false, 1));
}

#[test]
fn rows_are_byte_for_byte_those_of_etcd() {
    let mut stored = Stored::enabled();
    assert_eq!(stored.row(Table::AuthUsers, "root"), b"\n\x04root\x12\x04hash\x1a\x04root\"\0");
    let options = Some(UserAddOptions { no_password: true });
    let name = "nopw".to_owned();
    let request = AuthUserAddRequest { name, options, ..Default::default() };
    stored.change(|store, batch| store.add_user(&request, batch)).expect("added");
    assert_eq!(stored.row(Table::AuthUsers, "nopw"), b"\n\x04nopw\"\x02\x08\x01");
    stored.grant(Type::Readwrite, "m", "n").expect("granted");
    stored.grant(Type::Read, "a", "").expect("granted");
    let row = b"\n\x01r\x12\x03\x12\x01a\x12\x08\x08\x02\x12\x01m\x1a\x01n";
    assert_eq!(stored.row(Table::AuthRoles, "r"), row);
    assert_eq!(stored.row(Table::Auth, "authEnabled"), [1]);
    stored
        .change(|store, batch| {
            store.disable(batch);
            Ok(())
        })
        .expect("never refused");
    assert_eq!(stored.row(Table::Auth, "authEnabled"), [0]);
}

#[test]
fn what_was_stored_is_read_again() {
    let mut stored = Stored::enabled();
    stored.grant(Type::Read, "a", "c").expect("granted");
    let again = Store::open(&stored.storage).expect("a readable store");
    assert_eq!((again.is_enabled(), again.revision()), (true, stored.store.revision()));
    assert_eq!(again.user_names(), ["ann", "root"]);
    assert_eq!(again.permissions_of("r"), Ok(vec![permission(Type::Read, "a", "c")]));
    assert_eq!(again.check_keys(&stored.now("ann"), Right::Read, b"b", b""), Ok(()));
}

#[test]
fn damaged_rows_are_told_without_what_is_in_them() {
    for (table, key, row) in [
        (Table::Auth, "authEnabled", &b"yes"[..]),
        (Table::Auth, "authRevision", b"1"),
        (Table::AuthUsers, "u", b"\x12\xffsecret"),
        (Table::AuthUsers, "u", b"\n\x01\xff"),
        (Table::AuthRoles, "r", b"\xff"),
    ] {
        let stored = Stored::new();
        let mut batch = Batch::new();
        batch.put(table, key.as_bytes(), row);
        stored.storage.commit(batch).expect("the storage works");
        let error = Store::open(&stored.storage).expect_err("damaged");
        assert!(matches!(error, Error::Damaged { .. }), "{key}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn every_change_counts_but_enabling_and_what_changes_nothing() {
    let mut stored = Stored::enabled();
    assert_eq!(stored.store.revision(), 6);
    stored.change(Store::enable).expect("enabled already");
    stored.grant_role("ann", "r").expect("granted already");
    assert_eq!(stored.add_user("ann"), Err(Refusal::UserExists));
    assert_eq!(stored.store.revision(), 6);
    stored.revoke_role("ann", "r").expect("revoked");
    stored.change(|store, batch| store.delete_role("r", batch)).expect("deleted");
    stored.change(|store, batch| store.delete_user("ann", batch)).expect("deleted");
    assert_eq!(stored.store.revision(), 9);
    for _ in 0..2 {
        stored
            .change(|store, batch| {
                store.disable(batch);
                Ok(())
            })
            .expect("never refused");
        assert_eq!(stored.store.revision(), 10);
    }
}

#[test]
fn enabling_needs_the_user_root_with_the_role_root() {
    let mut stored = Stored::new();
    assert_eq!(stored.change(Store::enable), Err(Refusal::RootUserMissing));
    stored.add_user("root").expect("added");
    assert_eq!(stored.change(Store::enable), Err(Refusal::RootRoleMissing));
    stored.grant_role("root", "root").expect("granted, though there is no such role");
    assert_eq!(stored.change(Store::enable), Ok(()));
}

#[test]
fn while_it_is_on_root_stays_what_it_is() {
    let mut stored = Stored::enabled();
    stored.change(|store, batch| store.add_role("root", batch)).expect("added");
    let refused = Err(Refusal::InvalidManagement);
    assert_eq!(stored.change(|store, batch| store.delete_user("root", batch)), refused);
    assert_eq!(stored.change(|store, batch| store.delete_role("root", batch)), refused);
    assert_eq!(stored.revoke_role("root", "root"), refused);
    stored.grant_role("ann", "root").expect("granted");
    stored.revoke_role("ann", "root").expect("revoked from others");
    let all = vec![permission(Type::Readwrite, "", "\0")];
    assert_eq!(stored.store.permissions_of("root"), Ok(all));
}

#[test]
fn names_are_looked_at_in_etcds_order() {
    let mut stored = Stored::enabled();
    assert_eq!(stored.add_user(""), Err(Refusal::UserEmpty));
    assert_eq!(stored.change(|s, b| s.add_role("", b)), Err(Refusal::RoleEmpty));
    assert_eq!(stored.change(|s, b| s.add_role("r", b)), Err(Refusal::RoleExists));
    assert_eq!(stored.change(|s, b| s.delete_user("x", b)), Err(Refusal::UserNotFound));
    assert_eq!(stored.change(|s, b| s.delete_role("x", b)), Err(Refusal::RoleNotFound));
    assert_eq!(stored.grant_role("x", "x"), Err(Refusal::UserNotFound));
    assert_eq!(stored.grant_role("ann", "x"), Err(Refusal::RoleNotFound));
    assert_eq!(stored.revoke_role("x", "r"), Err(Refusal::UserNotFound));
    assert_eq!(stored.revoke_role("root", "r"), Err(Refusal::RoleNotGranted));
    assert_eq!(stored.store.roles_of("x"), Err(Refusal::UserNotFound));
    assert_eq!(stored.store.permissions_of("root"), Err(Refusal::RoleNotFound));
    let name = "x".to_owned();
    let nothing = AuthRoleGrantPermissionRequest { name: name.clone(), perm: None };
    let refused = stored.change(|store, batch| store.grant_permission(&nothing, batch));
    assert_eq!(refused, Err(Refusal::PermissionNotGiven));
    let perm = Some(permission(Type::Read, "", ""));
    let bad = AuthRoleGrantPermissionRequest { name: name.clone(), perm };
    let refused = stored.change(|store, batch| store.grant_permission(&bad, batch));
    assert_eq!(refused, Err(Refusal::InvalidManagement));
    let good = AuthRoleGrantPermissionRequest { name, perm: Some(permission(Type::Read, "a", "")) };
    let refused = stored.change(|store, batch| store.grant_permission(&good, batch));
    assert_eq!(refused, Err(Refusal::RoleNotFound));
}

#[test]
fn a_permission_needs_a_range_that_holds_a_key() {
    let mut stored = Stored::enabled();
    for (key, end) in [("", ""), ("", "\0"), ("b", "a"), ("b", "b")] {
        assert_eq!(stored.grant(Type::Read, key, end), Err(Refusal::InvalidManagement));
    }
    assert_eq!(stored.grant(Type::Read, "b", "\0"), Ok(()));
    assert_eq!(stored.revoke("b", ""), Err(Refusal::PermissionNotGranted));
    assert_eq!(stored.revoke("b", "\0"), Ok(()));
}

#[test]
fn a_permission_is_given_anew_only_when_it_is_the_first_of_its_key() {
    let mut stored = Stored::enabled();
    for (perm_type, end) in
        [(Type::Write, "d"), (Type::Read, "d"), (Type::Read, "e"), (Type::Write, "e")]
    {
        stored.grant(perm_type, "c", end).expect("granted");
    }
    let listed = [(Type::Read, "d"), (Type::Read, "e"), (Type::Write, "e")];
    let listed = listed.map(|(perm_type, end)| permission(perm_type, "c", end));
    assert_eq!(stored.store.permissions_of("r"), Ok(listed.to_vec()));
    stored.revoke("c", "e").expect("both go");
    assert_eq!(stored.store.permissions_of("r"), Ok(listed[..1].to_vec()));
}

#[test]
fn permissions_of_all_roles_count_together_and_at_once() {
    let mut stored = Stored::enabled();
    stored.grant(Type::Read, "a", "c").expect("granted");
    stored.change(|store, batch| store.add_role("s", batch)).expect("added");
    let perm = Some(permission(Type::Readwrite, "c", "e"));
    let request = AuthRoleGrantPermissionRequest { name: "s".to_owned(), perm };
    stored.change(|store, batch| store.grant_permission(&request, batch)).expect("granted");
    let denied = Err(Refusal::PermissionDenied);
    assert_eq!(stored.check(&stored.now("ann"), Right::Read, "a", "d"), denied);
    stored.grant_role("ann", "s").expect("granted");
    assert_eq!(stored.check(&stored.now("ann"), Right::Read, "a", "e"), Ok(()));
    assert_eq!(stored.check(&stored.now("ann"), Right::Write, "b", "d"), denied);
    assert_eq!(stored.check(&stored.now("ann"), Right::Write, "c", "d"), Ok(()));
    stored.revoke("a", "c").expect("revoked");
    assert_eq!(stored.check(&stored.now("ann"), Right::Read, "a", ""), denied);
    stored.change(|store, batch| store.delete_role("s", batch)).expect("deleted");
    assert_eq!(stored.check(&stored.now("ann"), Right::Read, "c", ""), denied);
    assert_eq!(stored.store.roles_of("ann"), Ok(vec!["r".to_owned()]));
}

#[test]
fn keys_are_refused_to_nobody_to_the_stale_and_to_the_gone_in_this_order() {
    let mut stored = Stored::enabled();
    let check = |stored: &Stored, caller: &Identity| stored.check(caller, Right::Read, "a", "");
    let nobody = Identity::nobody();
    assert_eq!(check(&stored, &nobody), Err(Refusal::UserEmpty));
    let old = Identity { revision: stored.store.revision() - 1, ..stored.now("root") };
    assert_eq!(check(&stored, &old), Err(Refusal::OldRevision));
    assert_eq!(check(&stored, &stored.now("gone")), Err(Refusal::PermissionDenied));
    assert_eq!(check(&stored, &stored.now("")), Err(Refusal::PermissionDenied));
    assert_eq!(check(&stored, &stored.now("root")), Ok(()));
    stored
        .change(|store, batch| {
            store.disable(batch);
            Ok(())
        })
        .expect("never refused");
    assert_eq!(check(&stored, &nobody), Ok(()));
}

#[test]
fn administrators_are_known_by_their_role_however_old_their_proof() {
    let stored = Stored::enabled();
    let check = |user: &str| stored.store.check_admin(&Identity { user: user.into(), revision: 1 });
    assert_eq!(check("root"), Ok(()));
    assert_eq!(check("ann"), Err(Refusal::PermissionDenied));
    assert_eq!(check("gone"), Err(Refusal::UserNotFound));
    assert_eq!(check(""), Err(Refusal::UserEmpty));
}

#[test]
fn everybody_may_read_of_himself_and_of_his_roles() {
    let stored = Stored::enabled();
    let (ann, nobody) = (stored.now("ann"), Identity::nobody());
    let denied = Err(Refusal::PermissionDenied);
    assert_eq!(stored.store.check_get_user(&ann, "ann"), Ok(()));
    assert_eq!(stored.store.check_get_user(&ann, "root"), denied);
    assert_eq!(stored.store.check_get_user(&nobody, "ann"), Err(Refusal::UserEmpty));
    assert_eq!(stored.store.check_get_role(&ann, "r"), Ok(()));
    assert_eq!(stored.store.check_get_role(&ann, "root"), denied);
    assert_eq!(stored.store.check_get_role(&nobody, "r"), Err(Refusal::UserEmpty));
    assert_eq!(stored.store.check_somebody(&stored.now("")), Ok(()));
    assert_eq!(stored.store.check_somebody(&nobody), Err(Refusal::UserEmpty));
}

#[test]
fn what_was_read_is_told_only_if_nothing_changed_meanwhile() {
    let mut stored = Stored::enabled();
    let ann = stored.now("ann");
    assert_eq!(stored.store.check_unchanged(&ann), Ok(()));
    stored.add_user("bob").expect("added");
    assert_eq!(stored.store.check_unchanged(&ann), Err(Refusal::OldRevision));
    let later = Identity { revision: stored.store.revision() + 1, ..ann };
    assert_eq!(stored.store.check_unchanged(&later), Err(Refusal::OldRevision));
    assert_eq!(stored.store.check_unchanged(&Identity::nobody()), Ok(()));
}

#[test]
fn only_users_with_a_password_can_log_in_with_one() {
    let mut stored = Stored::new();
    assert_eq!(stored.store.password_hash("root"), Err(Refusal::NotEnabled));
    stored = Stored::enabled();
    assert_eq!(stored.store.password_hash("x"), Err(Refusal::AuthFailed));
    assert_eq!(stored.store.password_hash("ann").as_deref(), Ok(&b"hash"[..]));
    let options = Some(UserAddOptions { no_password: true });
    let name = "nopw".to_owned();
    let request = AuthUserAddRequest { name: name.clone(), options, ..Default::default() };
    stored.change(|store, batch| store.add_user(&request, batch)).expect("added");
    assert_eq!(stored.store.password_hash("nopw"), Err(Refusal::NoPasswordUser));
    let hashed_password = HASH.to_owned();
    let request = AuthUserChangePasswordRequest { name, hashed_password, ..Default::default() };
    stored.change(|store, batch| store.change_password(&request, batch)).expect("accepted");
    assert_eq!(stored.store.password_hash("nopw"), Err(Refusal::NoPasswordUser));
}

#[test]
fn a_changed_password_comes_as_a_hash_or_not_at_all() {
    let mut stored = Stored::enabled();
    let mut change = |hashed_password: &str| {
        let request = AuthUserChangePasswordRequest {
            name: "ann".to_owned(),
            hashed_password: hashed_password.to_owned(),
            ..Default::default()
        };
        stored.change(|store, batch| store.change_password(&request, batch))?;
        stored.store.password_hash("ann")
    };
    assert_eq!(change("aGVsbG8=").as_deref(), Ok(&b"hello"[..]));
    assert_eq!(change("!!!"), Err(Refusal::NoPasswordUser));
    assert_eq!(change("").as_deref(), Ok(&b""[..]));
}

#[test]
fn nothing_printed_holds_a_hash() {
    let stored = Stored::enabled();
    let printed = "Store { is_enabled: true, revision: 6, users: 2, roles: 1 }";
    assert_eq!(format!("{:?}", stored.store), printed);
}
