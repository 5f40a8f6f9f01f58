//! Users, roles and tokens as a client meets them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use etcd_auth::TokenKind;
use etcd_proto::authpb::Permission;
use etcd_proto::authpb::permission::Type;
use etcd_proto::etcdserverpb::request_op::Request as Operation;
use etcd_proto::etcdserverpb::watch_request::RequestUnion;
use etcd_proto::etcdserverpb::*;
use etcd_proto::v3electionpb::LeaderRequest;
use etcd_proto::v3electionpb::election_client::ElectionClient;
use tonic::{Code, Request, Status};

use crate::harness::{Harness, get, put};
use crate::{Authentication, AuthenticationOptions, reap_tokens};

const EMPTY: &str = "etcdserver: user name is empty";
const DENIED: &str = "etcdserver: permission denied";
const INVALID: &str = "etcdserver: invalid auth token";

#[track_caller]
fn check<T>(result: Result<T, Status>, code: Code, text: &str) {
    let status = result.err().expect("refused");
    assert_eq!((status.code(), status.message()), (code, text));
}

fn by<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("token", token.parse().expect("ASCII"));
    request
}

/// A member with the users root and ann, who may read and write from a up to c, and the tokens of
/// both. Every password is its user's name.
struct Guarded {
    harness: Harness,
    root: String,
    ann: String,
}

impl Guarded {
    async fn start() -> Guarded {
        let harness = Harness::alone().await;
        for user in ["root", "ann"] {
            harness.add_user(user).await;
        }
        let (user, role) = ("root".to_owned(), "root".to_owned());
        let grant = AuthUserGrantRoleRequest { user, role };
        harness.auth().user_grant_role(grant).await.expect("granted");
        let (user, role) = ("ann".to_owned(), "r".to_owned());
        let add = AuthRoleAddRequest { name: role.clone() };
        harness.auth().role_add(add).await.expect("added");
        let grant = AuthUserGrantRoleRequest { user, role };
        harness.auth().user_grant_role(grant).await.expect("granted");
        harness.auth().role_grant_permission(grant_a_to_c()).await.expect("granted");
        harness.auth().auth_enable(AuthEnableRequest {}).await.expect("enabled");
        let root = harness.login("root").await.expect("root's password");
        let ann = harness.login("ann").await.expect("ann's password");
        Guarded { harness, root, ann }
    }

    async fn change_something(&self) {
        let add = by(&self.root, AuthRoleAddRequest { name: "new".to_owned() });
        self.harness.auth().role_add(add).await.expect("added");
    }
}

impl Harness {
    async fn add_user(&self, name: &str) {
        let (name, password) = (name.to_owned(), name.to_owned());
        let request = AuthUserAddRequest { name, password, ..Default::default() };
        self.auth().user_add(request).await.expect("added");
    }

    async fn login(&self, name: &str) -> Result<String, Status> {
        self.login_with(name, name).await
    }

    async fn login_with(&self, name: &str, password: &str) -> Result<String, Status> {
        let (name, password) = (name.to_owned(), password.to_owned());
        let request = AuthenticateRequest { name, password };
        Ok(self.auth().authenticate(request).await?.into_inner().token)
    }
}

fn grant_a_to_c() -> AuthRoleGrantPermissionRequest {
    let perm_type = Type::Readwrite as i32;
    let perm = Some(Permission { perm_type, key: "a".into(), range_end: "c".into() });
    AuthRoleGrantPermissionRequest { name: "r".to_owned(), perm }
}

#[tokio::test]
async fn who_knows_the_password_gets_a_token_and_nobody_else() {
    let Guarded { harness, ann, .. } = Guarded::start().await;
    let (letters, index) = ann.split_once('.').expect("a simple token");
    assert_eq!(letters.len(), 16);
    assert_eq!(index, harness.views.applied().index.to_string());
    let text = "etcdserver: authentication failed, invalid user ID or password";
    for (name, password) in [("ann", "Ann"), ("ann", ""), ("bob", "bob"), ("", "")] {
        let refused = harness.login_with(name, password).await;
        check(refused, Code::InvalidArgument, text);
    }
}

#[tokio::test]
async fn a_password_is_stored_as_its_hash_and_never_put_into_the_log() {
    let harness = Harness::alone().await;
    let applied = harness.views.applied().index;
    let name = "ann".to_owned();
    let password = "x".repeat(73);
    let long = AuthUserAddRequest { name: name.clone(), password, ..Default::default() };
    let text = "bcrypt: password length exceeds 72 bytes";
    check(harness.auth().user_add(long).await, Code::Unknown, text);
    assert_eq!(harness.views.applied().index, applied);
    harness.add_user("ann").await;
    let row = harness.views.storage.get(etcd_storage::Table::AuthUsers, b"ann");
    let row = row.expect("the storage works").expect("ann's row");
    let row = String::from_utf8_lossy(&row).into_owned();
    assert!(row.contains("$2a$04$"), "{row}");
    let change = AuthUserChangePasswordRequest { name, ..Default::default() };
    harness.auth().user_change_password(change).await.expect("changed");
    let row = harness.views.storage.get(etcd_storage::Table::AuthUsers, b"ann");
    let row = row.expect("the storage works").expect("ann's row");
    assert_eq!(&row[..], b"\n\x03ann\"\0", "without a password no hash is kept");
}

#[tokio::test]
async fn reads_and_writes_need_the_right_to_all_their_keys() {
    let Guarded { harness, ann, .. } = Guarded::start().await;
    check(harness.kv().put(put("a", "1")).await, Code::InvalidArgument, EMPTY);
    check(harness.kv().range(get("a")).await, Code::InvalidArgument, EMPTY);
    harness.kv().put(by(&ann, put("a", "1"))).await.expect("hers");
    harness.kv().range(by(&ann, get("a"))).await.expect("hers");
    check(harness.kv().put(by(&ann, put("c", "1"))).await, Code::PermissionDenied, DENIED);
    for serializable in [false, true] {
        let range = |range_end: &'static str| {
            by(&ann, RangeRequest { range_end: range_end.into(), serializable, ..get("a") })
        };
        harness.kv().range(range("c")).await.expect("hers");
        check(harness.kv().range(range("c\0")).await, Code::PermissionDenied, DENIED);
        let stream = harness.kv().range_stream(range("c\0")).await;
        check(stream, Code::PermissionDenied, DENIED);
        let read = |key: &'static str| {
            let range = Operation::RequestRange(RangeRequest { serializable, ..get(key) });
            let success = vec![RequestOp { request: Some(range) }];
            by(&ann, TxnRequest { success, ..Default::default() })
        };
        harness.kv().txn(read("a")).await.expect("hers");
        check(harness.kv().txn(read("c")).await, Code::PermissionDenied, DENIED);
    }
}

#[tokio::test]
async fn a_bad_token_is_refused_even_where_nobody_need_be_known() {
    let Guarded { harness, ann, .. } = Guarded::start().await;
    harness.kv().txn(TxnRequest::default()).await.expect("an empty txn is everybody's");
    harness.auth().auth_status(AuthStatusRequest {}).await.expect("the status is everybody's");
    for bad in ["", "x", ".1", &ann[..ann.len() - 1], &format!("{ann}0.1")] {
        let empty = by(bad, TxnRequest::default());
        check(harness.kv().txn(empty).await, Code::Unauthenticated, INVALID);
        let status = by(bad, AuthStatusRequest {});
        check(harness.auth().auth_status(status).await, Code::Unauthenticated, INVALID);
    }
    // It could be from a member that is ahead: it is waited for, as long as the client likes.
    let mut future = by("abcdefghijklmnop.999999", get("a"));
    future.set_timeout(Duration::from_millis(50));
    check(harness.kv().range(future).await, Code::Unauthenticated, INVALID);
}

#[tokio::test]
async fn a_token_lives_through_changes_but_not_through_its_users() {
    let guarded = Guarded::start().await;
    guarded.change_something().await;
    let Guarded { harness, root, ann } = guarded;
    harness.kv().range(by(&ann, get("a"))).await.expect("simple tokens do not age by changes");
    let (name, password) = ("ann".to_owned(), "new".to_owned());
    let change = AuthUserChangePasswordRequest { name, password, ..Default::default() };
    harness.auth().user_change_password(by(&root, change)).await.expect("changed");
    check(harness.kv().range(by(&ann, get("a"))).await, Code::Unauthenticated, INVALID);
    let again = harness.login_with("ann", "new").await.expect("the new password");
    harness.kv().range(by(&again, get("a"))).await.expect("hers");
    let delete = AuthUserDeleteRequest { name: "ann".to_owned() };
    harness.auth().user_delete(by(&root, delete)).await.expect("deleted");
    check(harness.kv().range(by(&again, get("a"))).await, Code::Unauthenticated, INVALID);
}

#[tokio::test]
async fn a_token_ends_when_nobody_uses_it() {
    let Guarded { harness, root, .. } = Guarded::start().await;
    harness.views.auth.tokens().set_ttl(Duration::from_millis(300));
    let ann = harness.login("ann").await.expect("ann's password");
    harness.kv().range(by(&ann, get("a"))).await.expect("hers");
    tokio::time::sleep(Duration::from_millis(400)).await;
    check(harness.kv().range(by(&ann, get("a"))).await, Code::Unauthenticated, INVALID);
    tokio::spawn(reap_tokens(harness.views.auth.clone()));
    let counted = || format!("{:?}", harness.views.auth.tokens());
    while counted() != "SimpleTokens { held: 2 }" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    harness.kv().range(by(&root, get("a"))).await.expect("the first two live longer");
}

#[tokio::test]
async fn a_watch_is_asked_about_once_and_refused_on_its_stream() {
    let Guarded { harness, root, ann } = Guarded::start().await;
    let create = |key: &'static str, range_end: &'static str| {
        let (key, range_end) = (key.into(), range_end.into());
        let create = WatchCreateRequest { key, range_end, ..Default::default() };
        WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) }
    };
    let requests = [create("a", "c\0"), create("", "\0"), create("a", "c")];
    let stream = harness.watch().watch(by(&ann, tokio_stream::iter(requests))).await;
    let mut responses = stream.expect("a stream").into_inner();
    for _ in 0..2 {
        let response = responses.message().await.expect("a response").expect("one more");
        assert!(response.created && response.canceled);
        assert_eq!(response.watch_id, -1);
        let reason = format!("rpc error: code = PermissionDenied desc = {DENIED}");
        assert_eq!(response.cancel_reason, reason);
    }
    let response = responses.message().await.expect("a response").expect("one more");
    assert!(response.created && !response.canceled);
    let delete = AuthUserDeleteRequest { name: "ann".to_owned() };
    harness.auth().user_delete(by(&root, delete)).await.expect("deleted");
    harness.kv().put(by(&root, put("b", "1"))).await.expect("a put");
    let response = responses.message().await.expect("a response").expect("one more");
    assert_eq!(response.events.len(), 1, "what was permitted goes on");
    for (token, reason) in [
        (None, format!("rpc error: code = InvalidArgument desc = {EMPTY}")),
        (Some("x"), format!("rpc error: code = Unauthenticated desc = {INVALID}")),
    ] {
        let mut request = Request::new(tokio_stream::iter([create("a", "")]));
        if let Some(token) = token {
            request.metadata_mut().insert("token", token.parse().expect("ASCII"));
        }
        let mut responses = harness.watch().watch(request).await.expect("a stream").into_inner();
        let response = responses.message().await.expect("a response").expect("one more");
        assert_eq!(response.cancel_reason, reason);
    }
}

#[tokio::test]
async fn a_denied_write_is_in_the_log_and_changes_nothing() {
    let Guarded { harness, ann, .. } = Guarded::start().await;
    let (applied, revision) = (harness.views.applied().index, harness.views.mvcc.revision());
    check(harness.kv().put(by(&ann, put("c", "1"))).await, Code::PermissionDenied, DENIED);
    assert_eq!(harness.views.applied().index, applied + 1);
    let compaction = by(&ann, CompactionRequest { revision: 1, physical: false });
    check(harness.kv().compact(compaction).await, Code::PermissionDenied, DENIED);
    assert_eq!(harness.views.applied().index, applied + 1, "that is known before");
    assert_eq!(harness.views.mvcc.revision(), revision);
}

#[tokio::test]
async fn who_may_not_see_an_election_observes_an_end_without_a_word() {
    let Guarded { harness, root, ann } = Guarded::start().await;
    let mut elections = ElectionClient::new(harness.router.clone());
    harness.kv().put(by(&root, put("vote/1", "one"))).await.expect("written");
    let request = LeaderRequest { name: "vote".into() };
    let stream = elections.observe(by(&root, request.clone())).await.expect("a stream");
    let leader = stream.into_inner().message().await.expect("no error").expect("a leader");
    assert_eq!(leader.kv.expect("a key-value").value, "one");
    let stream = elections.observe(by(&ann, request)).await.expect("a stream");
    assert_eq!(stream.into_inner().message().await.expect("no error"), None);
}

#[tokio::test]
async fn while_it_is_off_tokens_are_not_even_looked_at() {
    let harness = Harness::alone().await;
    harness.kv().put(by("x", put("a", "1"))).await.expect("a put");
    harness.kv().range(by("x", get("a"))).await.expect("a range");
    let refused = harness.login("ann").await;
    let text = "etcdserver: authentication is not enabled";
    check(refused, Code::FailedPrecondition, text);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_passwords_are_at_work_at_once() {
    let (tokens, bcrypt_cost, by_certificate) = (TokenKind::None, 4, false);
    let options = AuthenticationOptions { tokens, bcrypt_cost, by_certificate };
    let authentication = Authentication::new(options);
    let most = std::thread::available_parallelism().map_or(1, |threads| threads.get() / 2).max(1);
    let (at_work, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let works = (0..20).map(|_| {
        let (authentication, at_work, seen) =
            (authentication.clone(), at_work.clone(), seen.clone());
        tokio::spawn(async move {
            let work = move || {
                seen.fetch_max(at_work.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(5));
                at_work.fetch_sub(1, Ordering::SeqCst);
            };
            authentication.work(work).await.expect("done");
        })
    });
    for work in works.collect::<Vec<_>>() {
        work.await.expect("no panic");
    }
    assert!((1..=most).contains(&seen.load(Ordering::SeqCst)));
}
