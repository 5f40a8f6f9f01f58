//! A member with users, and what its administrator does.

use etcd_proto::etcdserverpb as pb;
use etcd_tests::cluster::eventually;
use etcd_tests::{Cluster, Member, Plan, Signal};
use pb::auth_client::AuthClient;
use pb::kv_client::KvClient;
use pb::lease_client::LeaseClient;
use pb::maintenance_client::MaintenanceClient;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::calls::{Answer, by, outcome};

#[path = "forged.rs"]
pub(crate) mod forged;

/// Longer than any answer takes; what waits for ever ends here.
const DEADLINE: Duration = Duration::from_secs(60);

/// A member on which authentication is on. Every password is its user's name: root; ann, who may
/// read and write from a up to c and the key k, and write w; and poor, who may nothing.
pub(crate) struct Guarded {
    _home: Option<TempDir>,
    member: Option<Member>,
    runtime: Runtime,
    pub(crate) channel: Channel,
    /// A token of root's.
    pub(crate) root: String,
}

fn channel(runtime: &Runtime, url: &str) -> Channel {
    let _guard = runtime.enter();
    Endpoint::from_shared(url.to_owned()).expect("a URL").timeout(DEADLINE).connect_lazy()
}

impl Guarded {
    pub(crate) fn start(flags: &[&str]) -> Guarded {
        let home = TempDir::with_prefix("etcd-test-").expect("a temporary folder");
        let mut member = Member::alone(home.path());
        member.arguments.push("--bcrypt-cost=4".to_owned());
        for flag in flags {
            let (name, value) = flag.split_once('=').expect("a flag with a value");
            member.set_flag(name, value);
        }
        member.start();
        member.wait_until_ready();
        let mut guarded = Guarded::at(&member.client_url.clone());
        guarded._home = Some(home);
        guarded.member = Some(member);
        guarded.set_up();
        guarded
    }

    fn at(url: &str) -> Guarded {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let channel = channel(&runtime, url);
        Guarded { _home: None, member: None, runtime, channel, root: String::new() }
    }

    fn set_up(&mut self) {
        for name in ["root", "ann", "poor"] {
            let (name, password) = (name.to_owned(), name.to_owned());
            let add = pb::AuthUserAddRequest { name, password, ..Default::default() };
            self.block_on(async { self.auth().user_add(add).await }).expect("added");
        }
        self.block_on(async {
            self.auth().role_add(pb::AuthRoleAddRequest { name: "r".to_owned() }).await
        })
        .expect("added");
        for (user, role) in [("root", "root"), ("ann", "r")] {
            let (user, role) = (user.to_owned(), role.to_owned());
            let grant = pb::AuthUserGrantRoleRequest { user, role };
            self.block_on(async { self.auth().user_grant_role(grant).await }).expect("granted");
        }
        for (perm_type, key, range_end) in [(2, "a", "c"), (2, "k", ""), (1, "w", "")] {
            let (key, range_end) = (key.into(), range_end.into());
            let perm = Some(etcd_proto::authpb::Permission { perm_type, key, range_end });
            let grant = pb::AuthRoleGrantPermissionRequest { name: "r".to_owned(), perm };
            self.block_on(async { self.auth().role_grant_permission(grant).await })
                .expect("granted");
        }
        for key in ["a", "b", "c", "k", "w", "z"] {
            let put = pb::PutRequest { key: key.into(), value: "1".into(), ..Default::default() };
            self.block_on(KvClient::new(self.channel.clone()).put(put)).expect("a put");
        }
        self.enable();
    }

    pub(crate) fn block_on<T>(&self, call: impl Future<Output = T>) -> T {
        self.runtime.block_on(call)
    }

    fn auth(&self) -> AuthClient<Channel> {
        AuthClient::new(self.channel.clone())
    }

    fn by_root<T>(&self, message: T) -> Request<T> {
        by(Some(&self.root), message)
    }

    pub(crate) fn enable(&mut self) {
        self.block_on(async { self.auth().auth_enable(pb::AuthEnableRequest {}).await })
            .expect("enabled");
        self.root = self.login("root", "root");
    }

    pub(crate) fn disable(&self) {
        let disable = self.by_root(pb::AuthDisableRequest {});
        self.block_on(async { self.auth().auth_disable(disable).await }).expect("disabled");
    }

    /// A token for a password.
    #[track_caller]
    pub(crate) fn login(&self, name: &str, password: &str) -> String {
        self.try_login(name, password).expect("the right password")
    }

    pub(crate) fn try_login(&self, name: &str, password: &str) -> Option<String> {
        let (name, password) = (name.to_owned(), password.to_owned());
        let request = pb::AuthenticateRequest { name, password };
        let response = self.block_on(async { self.auth().authenticate(request).await }).ok()?;
        Some(response.into_inner().token)
    }

    pub(crate) fn change_password(&self, name: &str, password: &str) {
        let (name, password) = (name.to_owned(), password.to_owned());
        let request = pb::AuthUserChangePasswordRequest { name, password, ..Default::default() };
        let request = self.by_root(request);
        self.block_on(async { self.auth().user_change_password(request).await }).expect("changed");
    }

    pub(crate) fn delete_user(&self, name: &str) {
        let request = self.by_root(pb::AuthUserDeleteRequest { name: name.to_owned() });
        self.block_on(async { self.auth().user_delete(request).await }).expect("deleted");
    }

    pub(crate) fn auth_revision(&self) -> u64 {
        let status =
            self.block_on(async { self.auth().auth_status(pb::AuthStatusRequest {}).await });
        status.expect("the status").into_inner().auth_revision
    }

    pub(crate) fn get(&self, key: &'static str, token: Option<&str>) -> Answer {
        let request = pb::RangeRequest { key: key.into(), ..Default::default() };
        let mut client = KvClient::new(self.channel.clone());
        outcome(self.block_on(client.range(by(token, request))))
    }

    /// A lease with a key that only root may write.
    pub(crate) fn lease_of_root(&self, id: i64, key: &'static str) {
        let grant = self.by_root(pb::LeaseGrantRequest { id, ttl: 600 });
        let mut leases = LeaseClient::new(self.channel.clone());
        self.block_on(leases.lease_grant(grant)).expect("granted");
        let put = pb::PutRequest { key: key.into(), lease: id, ..Default::default() };
        let mut kv = KvClient::new(self.channel.clone());
        self.block_on(kv.put(self.by_root(put))).expect("a put");
    }

    /// What an attack must not change: keys, users and their revision. A hash tells of any byte.
    pub(crate) fn fingerprint(&self) -> (u32, i64, u64) {
        let mut maintenance = MaintenanceClient::new(self.channel.clone());
        let request = self.by_root(pb::HashKvRequest { revision: 0 });
        let hash = self.block_on(maintenance.hash_kv(request));
        // A signed token is too old for keys after any change, but not for this.
        let hash = hash.expect("a hash").into_inner();
        let revision = hash.header.expect("a header").revision;
        (hash.hash, revision, self.auth_revision())
    }

    pub(crate) fn restart(&mut self) {
        let member = self.member.as_mut().expect("a member of its own");
        member.end(Signal::TERM);
        member.start();
        member.wait_until_ready();
        self.channel = channel(&self.runtime, &member.client_url);
    }

    pub(crate) fn log(&self) -> String {
        self.member.as_ref().expect("a member of its own").process().lines().join("\n")
    }

    /// Puts one key after the other while many log in, and returns how many logins still waited at
    /// the end, and how many puts were done.
    pub(crate) fn puts_during_logins(&self, logins: usize, puts: usize) -> (usize, usize) {
        self.block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..logins {
                let mut client = AuthClient::new(self.channel.clone());
                let (name, password) = ("ann".to_owned(), "ann".to_owned());
                let request = pb::AuthenticateRequest { name, password };
                tasks.spawn(async move { client.authenticate(request).await.map(drop) });
            }
            let mut client = KvClient::new(self.channel.clone());
            let mut done = 0;
            while done < puts {
                let put = pb::PutRequest { key: "a".into(), ..Default::default() };
                let put: Result<_, Status> = client.put(self.by_root(put)).await;
                put.expect("a put");
                done += 1;
            }
            while tasks.try_join_next().is_some() {}
            (tasks.len(), done)
        })
    }
}

/// Runs a check on each member of a cluster, with a token that the first has handed out.
pub(crate) fn on_three_members(check: impl Fn(&[Guarded], &str)) {
    let cluster = Cluster::start(&Plan::loopback(3).flag("--bcrypt-cost=4"));
    let mut members: Vec<Guarded> =
        cluster.members.iter().map(|member| Guarded::at(&member.client_url)).collect();
    members[0].set_up();
    // A linearizable answer of each: all have seen that authentication is on.
    for member in &members {
        eventually(Duration::from_secs(10), "authentication on all members", || {
            member.get("a", None).is_err().then_some(())
        });
    }
    for _ in 0..20 {
        let token = members[0].login("ann", "ann");
        check(&members, &token);
    }
}
