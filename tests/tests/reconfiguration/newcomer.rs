//! Members that join a running cluster on loopback.

use etcd_proto::etcdserverpb::MemberAddResponse;
use etcd_tests::cluster::{client_tls_flags, eventually, peer_tls_flags};
use etcd_tests::{Client, Cluster, Failure, Member, Place, ports};
use std::time::Duration;
use tonic::Code;

/// Members must have been connected for five seconds before others are let in.
const PATIENCE: Duration = Duration::from_secs(20);

/// Prepares a member that nobody knows, and says where it is in `members`. It has TLS where the
/// others have it.
pub(crate) fn prepare(cluster: &mut Cluster, name: &str) -> usize {
    let url = |scheme: &str| format!("{scheme}://127.0.0.1:{}", ports::free());
    let mut member = Member::new(name, cluster.home.path(), Place::Here);
    let scheme = if cluster.certificates.is_some() { "https" } else { "http" };
    (member.peer_url, member.client_url) = (url(scheme), url("http"));
    member.advertised_url = match &cluster.certificates {
        None => member.client_url.clone(),
        Some(_) => url(scheme),
    };
    cluster.members.push(member);
    cluster.members.len() - 1
}

/// Has the cluster add a voter that is prepared, and returns its id.
pub(crate) fn add(cluster: &mut Cluster, by: usize, at: usize) -> u64 {
    add_with(cluster, by, at, Client::add_member)
}

/// The same of a learner.
pub(crate) fn add_learner(cluster: &mut Cluster, by: usize, at: usize) -> u64 {
    add_with(cluster, by, at, Client::add_learner)
}

fn add_with(
    cluster: &mut Cluster,
    by: usize,
    at: usize,
    add: fn(&Client, &str) -> Result<MemberAddResponse, Failure>,
) -> u64 {
    let client = cluster.members[by].client();
    let peer_url = cluster.members[at].peer_url.clone();
    let response = once_healthy(|| add(&client, &peer_url));
    let id = response.member.expect("the new member").id;
    // As `etcdctl member add` tells it: the members that there are now, by the names they shall have.
    let entries = response.members.iter().flat_map(|member| &member.peer_urls).map(|url| {
        let named = cluster.members.iter().find(|member| member.peer_url == *url);
        format!("{}={url}", named.expect("the test knows every member").name)
    });
    let initial_cluster = entries.collect::<Vec<_>>().join(",");
    configure(cluster, at, &initial_cluster);
    id
}

/// Has a member that is prepared join the cluster of which it is told this.
pub(crate) fn configure(cluster: &mut Cluster, at: usize, initial_cluster: &str) {
    let member = &mut cluster.members[at];
    let mut listen = vec![member.client_url.as_str()];
    if member.advertised_url != member.client_url {
        listen.push(&member.advertised_url);
    }
    member.arguments = vec![
        format!("--name={}", member.name),
        format!("--data-dir={}", member.data_dir.display()),
        format!("--listen-client-urls={}", listen.join(",")),
        format!("--advertise-client-urls={}", member.advertised_url),
        format!("--listen-peer-urls={}", member.peer_url),
        format!("--initial-advertise-peer-urls={}", member.peer_url),
        format!("--initial-cluster={initial_cluster}"),
        "--initial-cluster-state=existing".to_owned(),
    ];
    if let Some(certificates) = &cluster.certificates {
        member.arguments.extend(client_tls_flags(certificates));
        member.arguments.extend(peer_tls_flags(certificates));
    }
}

/// Starts a member and waits until it serves.
pub(crate) fn start(cluster: &mut Cluster, at: usize) {
    cluster.members[at].start();
    cluster.members[at].wait_until_ready();
}

/// Asks for a change until the cluster has been healthy for long enough.
pub(crate) fn once_healthy<T>(mut ask: impl FnMut() -> Result<T, Failure>) -> T {
    eventually(PATIENCE, "a healthy cluster", || match ask() {
        Ok(response) => Some(response),
        Err(failure) => {
            let is_told = (failure.code, &*failure.message);
            assert_eq!(is_told, (Code::Unavailable, "etcdserver: unhealthy cluster"));
            None
        }
    })
}

/// The id of a member that serves.
pub(crate) fn id(cluster: &Cluster, at: usize) -> u64 {
    eventually(PATIENCE, "an id", || cluster.members[at].role().ok()).0
}

/// Who is there, as a member knows it: names and whether they learn, by name.
pub(crate) fn listed(cluster: &Cluster, by: usize) -> Vec<(String, bool)> {
    let members = cluster.members[by].client().members().expect("a list").members;
    let mut listed: Vec<_> =
        members.into_iter().map(|member| (member.name, member.is_learner)).collect();
    listed.sort();
    listed
}
