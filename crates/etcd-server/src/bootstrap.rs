//! New, joining or returning: what a member is when it starts, and with whom.

use std::net::ToSocketAddrs;
use std::time::Duration;

use etcd_apply::Version;
use etcd_config::{Clustering, Discovery, InitialClusterState};
use etcd_membership::{
    ClusterId, InitialCluster, Member, MemberId, Members, PeerUrls, cluster_id, take_over_ids,
};
use etcd_raft::{Membership, RaftMember};
use etcd_transport::Dialer;

use crate::data_directory::{Beginning, Identity};
use crate::peers::{self, Answer};
use crate::version::{CLUSTER_VERSION, MIN_CLUSTER_VERSION};
use crate::{Error, discovery, srv};

/// How long each peer of a new cluster is asked whether this member was there before (etcd: 1 s).
const NEW_LIMIT: Duration = Duration::from_secs(1);
/// How long each peer of a running cluster is asked for its members (etcd: 10 s).
const JOIN_LIMIT: Duration = Duration::from_secs(10);
/// How long each is asked for its cluster's version (etcd: its request limit).
const VERSION_LIMIT: Duration = Duration::from_secs(7);

/// Decides how a member without data begins.
pub(crate) async fn decide(
    name: &str,
    clustering: &Clustering,
    discovery: &Discovery,
    dialer: &Dialer,
    max_learners: usize,
) -> Result<Beginning, Error> {
    if discovery.discovery_endpoints.is_empty() {
        let advertised = &clustering.initial_advertise_peer_urls;
        let (domain, service) = (&discovery.discovery_srv, &discovery.discovery_srv_name);
        let text = match domain.as_str() {
            "" => clustering.initial_cluster.clone(),
            domain => srv::initial_cluster(domain, service, name, advertised).await?,
        };
        let initial = InitialCluster::parse(&text).map_err(setting_up)?;
        return match clustering.initial_cluster_state {
            InitialClusterState::New => found(name, clustering, &initial, dialer).await,
            InitialClusterState::Existing => join(name, &initial, dialer, max_learners).await,
        };
    }
    if clustering.initial_cluster_state == InitialClusterState::Existing {
        return Err(Error::Configuration(
            "discovery URL should not be set when joining existing initial cluster: leave the \
             discovery flags out and give --initial-cluster"
                .to_owned(),
        ));
    }
    discover(name, clustering, discovery).await
}

/// Founds a cluster with those who have registered, whom nobody knew before: their ids are hashed
/// with the discovery token.
async fn discover(
    name: &str,
    clustering: &Clustering,
    discovery: &Discovery,
) -> Result<Beginning, Error> {
    let urls = clustering.initial_advertise_peer_urls.iter().map(|url| url.as_str());
    let own = urls.map(|url| format!("{name}={url}")).collect::<Vec<String>>().join(",");
    let token = &discovery.discovery_token;
    let alone = InitialCluster::parse(&own).map_err(setting_up)?.members(token)?;
    let text = discovery::join(discovery, named(&alone, name)?.id, &own).await?;
    let initial = InitialCluster::parse(&text).map_err(setting_up)?;
    initial.check_existing(name)?;
    let members = initial.members(token)?;
    let identity = Identity { member: named(&members, name)?.id, cluster: cluster_of(&members) };
    Ok(Beginning { identity, founders: Some(founders(&members)) })
}

async fn found(
    name: &str,
    clustering: &Clustering,
    initial: &InitialCluster,
    dialer: &Dialer,
) -> Result<Beginning, Error> {
    let advertised = clustering.initial_advertise_peer_urls.iter().map(|url| url.as_str());
    let advertised = PeerUrls::parse(advertised)?;
    initial.check_new(name, &advertised, &mut resolve)?;
    let members = initial.members(&clustering.initial_cluster_token)?;
    let local = named(&members, name)?;
    let identity = Identity { member: local.id, cluster: cluster_of(&members) };
    refuse_second_start(&members, identity, dialer).await?;
    Ok(Beginning { identity, founders: Some(founders(&members)) })
}

/// A member that had started once and lost its data would forget what it promised.
async fn refuse_second_start(
    members: &Members,
    identity: Identity,
    dialer: &Dialer,
) -> Result<(), Error> {
    let others = members.iter().filter(|member| member.id != identity.member);
    let others: Vec<&Member> = others.collect();
    for Answer { cluster, members } in peers::ask_all(dialer, &others, NEW_LIMIT).await {
        let known = members.iter().find(|member| member.id == identity.member);
        let started = known.is_some_and(|member| !member.client_urls.is_empty());
        if cluster == identity.cluster && started {
            return Err(Error::Configuration(format!(
                "member {} has already been bootstrapped: its data directory is gone or another \
                 one was given; remove the member from the cluster and add it again, then start it \
                 with --initial-cluster-state=existing",
                identity.member
            )));
        }
    }
    Ok(())
}

async fn join(
    name: &str,
    initial: &InitialCluster,
    dialer: &Dialer,
    max_learners: usize,
) -> Result<Beginning, Error> {
    initial.check_existing(name)?;
    let own = initial.get(name).expect("check_existing found the name").clone().into_vec();
    let others = initial.iter().filter(|(other, _)| *other != name);
    let others: Vec<Member> =
        others.map(|(_, urls)| Member::unstarted(MemberId(0), urls.clone().into_vec())).collect();
    let others: Vec<&Member> = others.iter().collect();
    let answer = peers::ask_first(dialer, &others, JOIN_LIMIT).await.map_err(|reason| {
        Error::Configuration(format!(
            "cannot fetch cluster info from peer urls: could not retrieve cluster information from \
             the given URLs: {reason}"
        ))
    })?;
    let members = take_over_ids(initial, &answer.members, &mut resolve).map_err(|error| {
        Error::Configuration(format!("error validating peerURLs {initial}: {error}"))
    })?;
    let local = members.iter().find(|member| member.peer_urls == own);
    let local = local.ok_or_else(|| {
        Error::Configuration(format!("the running cluster has no member {name} at {own:?}"))
    })?;
    if local.is_started() && answer.members.iter().any(|m| m.id == local.id && m.is_started()) {
        return Err(Error::Configuration(format!(
            "member {} has already been bootstrapped: remove it from the cluster and add it again",
            local.id
        )));
    }
    check_versions(dialer, &others).await?;
    if members.iter().filter(|member| member.is_learner).count() > max_learners {
        return Err(etcd_membership::Error::TooManyLearners.into());
    }
    let identity = Identity { member: local.id, cluster: answer.cluster };
    Ok(Beginning { identity, founders: None })
}

/// A member speaks with clusters of its own version and of lower ones: all that can be asked must be
/// of one of these, and somebody must say so.
async fn check_versions(dialer: &Dialer, others: &[&Member]) -> Result<(), Error> {
    let known = |text| Version::parse(text).expect("this program's own versions are versions");
    let spoken = known(MIN_CLUSTER_VERSION)..=known(CLUSTER_VERSION);
    let mut is_told = false;
    for other in others {
        let Some(told) = peers::cluster_version(dialer, other, VERSION_LIMIT).await else {
            continue;
        };
        // A cluster that has not agreed on one says so in words.
        let Some(version) = Version::parse(&told) else { continue };
        if !spoken.contains(&version) {
            is_told = false;
            break;
        }
        is_told = true;
    }
    match is_told {
        true => Ok(()),
        false => Err(Error::Configuration("incompatible with current running cluster".to_owned())),
    }
}

fn cluster_of(members: &Members) -> ClusterId {
    cluster_id(members.iter().map(|member| member.id))
}

fn founders(members: &Members) -> Membership {
    let members = members.iter().map(|member| {
        let peer_urls = member.peer_urls.clone();
        (member.id, RaftMember { peer_urls, ..RaftMember::default() })
    });
    Membership { members: members.collect(), ..Membership::default() }
}

fn named<'m>(members: &'m Members, name: &str) -> Result<&'m Member, Error> {
    let member = members.iter().find(|member| member.name == name);
    member.ok_or_else(|| etcd_membership::Error::LocalNameMissing(name.to_owned()).into())
}

fn setting_up(error: etcd_membership::Error) -> Error {
    Error::Configuration(format!("error setting up initial cluster: {error}"))
}

/// The first address of a host and port, for URLs that differ only as text.
fn resolve(host: &str) -> Result<String, String> {
    let mut addresses = host.to_socket_addrs().map_err(|error| error.to_string())?;
    addresses.next().map(|address| address.to_string()).ok_or_else(|| "no address".to_owned())
}
