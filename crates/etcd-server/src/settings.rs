//! What the configuration says, in the words of each component.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use etcd_api::{
    Defragmenting, Detail, Feature, LeaseOptions, Overload, Reconfiguration, Retention, Strictness,
};
use etcd_config::{
    Address, AutoCompaction, Clustering, Hazards, LogLevel, Logging, Member, Monitoring, Tuning,
    Url,
};
use etcd_gateway::Profiling;
use etcd_raft::{Connect, Options};
use etcd_transport::{ClientTls, DialOptions, Dialer, ListenOptions, ServerTls};

use crate::Error;
use crate::data_directory::{Beginning, Places};
use crate::limits::SHUTDOWN_GRACE;
use crate::version::ETCD_VERSION;

/// The part of the time limit for dialling a peer that is not the election timeout (etcd: 1 s).
const DIAL_TIME: Duration = Duration::from_secs(1);

pub(crate) fn places(member: &Member, hazards: &Hazards) -> Places {
    Places {
        data: member.data_dir.clone(),
        log: member.wal_dir.clone(),
        sync: !hazards.unsafe_no_fsync,
    }
}

/// Who wants all lines wants profiles, too, as in etcd.
pub(crate) fn profiling(monitoring: &Monitoring, logging: &Logging) -> Profiling {
    match monitoring.enable_pprof || logging.log_level == LogLevel::Debug {
        true => Profiling::On,
        false => Profiling::Off,
    }
}

pub(crate) fn peer_options(member: &Member, tls: Option<ServerTls>) -> ListenOptions {
    ListenOptions {
        urls: member.listen_peer_urls.iter().map(|url| url.as_str().to_owned()).collect(),
        tls,
        shutdown_grace: SHUTDOWN_GRACE,
        share_port: member.socket_reuse_port,
        ..ListenOptions::default()
    }
}

pub(crate) fn dial_options(
    member: &Member,
    clustering: &Clustering,
    tls: Option<ClientTls>,
) -> DialOptions {
    let connect_timeout = DIAL_TIME + member.election_timeout;
    let local_address = match member.feature_gates.set_member_local_addr {
        true => local_address(&clustering.initial_advertise_peer_urls),
        false => None,
    };
    DialOptions { tls, connect_timeout, local_address, ..DialOptions::default() }
}

/// Where others expect this member's connections from: the first address that it advertises and
/// that is good for more than this machine.
fn local_address(advertised: &[Url]) -> Option<IpAddr> {
    let mut addresses = advertised.iter().filter_map(|url| match url.address() {
        Address::Tcp { host, .. } => host.parse::<IpAddr>().ok(),
        Address::Unix(_) => None,
    });
    let found = addresses.find(|address| !address.is_loopback() && !address.is_unspecified());
    match found {
        Some(address) => tracing::info!(%address, "setting member local address"),
        None => tracing::warn!(
            urls = ?advertised,
            "unable to set a member local address due to lack of suitable local addresses"
        ),
    }
    found
}

pub(crate) fn raft_options(
    member: &Member,
    clustering: &Clustering,
    tuning: &Tuning,
    beginning: Beginning,
    log: etcd_storage::Log,
    dialer: &Dialer,
) -> Options {
    Options {
        member: beginning.identity.member,
        cluster: beginning.identity.cluster,
        version: ETCD_VERSION,
        bootstrap: beginning.founders,
        log,
        connect: connect(dialer.clone()),
        heartbeat_interval: member.heartbeat_interval,
        election_timeout: member.election_timeout,
        snapshot_entries: member.snapshot_count,
        catch_up_entries: tuning.snapshot_catchup_entries,
        pre_vote: clustering.pre_vote,
        max_learners: tuning.max_learners,
    }
}

/// Anything but `extensive` is basic, as in etcd.
pub(crate) fn detail(monitoring: &Monitoring) -> Detail {
    if monitoring.metrics == "extensive" { Detail::Extensive } else { Detail::Basic }
}

/// The feature gates as metrics show them.
pub(crate) fn features(member: &Member) -> Vec<Feature> {
    let gates = member.feature_gates.list().into_iter();
    gates.map(|(name, stage, is_on)| Feature { name, stage, is_on }).collect()
}

fn connect(dialer: Dialer) -> Connect {
    Arc::new(move |urls| dialer.channel(urls).map_err(|error| error.to_string()))
}

/// A limit of the configuration as a size in memory: what does not fit is no limit.
pub(crate) fn count(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

pub(crate) fn reconfiguration(clustering: &Clustering, dialer: &Dialer) -> Reconfiguration {
    let strictness = match clustering.strict_reconfig_check {
        true => Strictness::Strict,
        false => Strictness::Lax,
    };
    Reconfiguration { dialer: dialer.clone(), strictness }
}

pub(crate) fn leases(member: &Member, dialer: &Dialer) -> LeaseOptions {
    LeaseOptions {
        connect: connect(dialer.clone()),
        heartbeat_interval: member.heartbeat_interval,
        election_timeout: member.election_timeout,
        checkpoint: member.feature_gates.lease_checkpoint,
        fast_keep_alive: member.feature_gates.fast_lease_keep_alive,
    }
}

pub(crate) fn overload(member: &Member) -> Overload {
    match member.feature_gates.priority_request {
        true => Overload::RevokesFirst,
        false => Overload::ForAll,
    }
}

pub(crate) fn defragmenting(member: &Member) -> Defragmenting {
    match member.feature_gates.stop_grpc_service_on_defrag {
        true => Defragmenting::NotServing,
        false => Defragmenting::Serving,
    }
}

/// How much history stays, if not all of it.
pub(crate) fn retention(clustering: &Clustering) -> Result<Option<Retention>, Error> {
    Ok(match clustering.auto_compaction().map_err(Error::Configuration)? {
        AutoCompaction::Off => None,
        AutoCompaction::Periodic(time) => Some(Retention::Time(time)),
        AutoCompaction::Revisions(kept) => Some(Retention::Revisions(kept)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(urls: &[&str], expected: Option<&str>) {
        let urls: Vec<Url> = urls.iter().map(|url| url.parse().expect("a URL")).collect();
        assert_eq!(local_address(&urls).map(|address| address.to_string()).as_deref(), expected);
    }

    #[test]
    fn peers_are_dialed_from_the_first_address_that_they_can_know() {
        check(&["http://127.0.0.1:1", "http://10.0.0.1:1", "http://10.0.0.2:1"], Some("10.0.0.1"));
        check(&["http://[::1]:1", "http://a.example:1", "http://[fd00::1]:1"], Some("fd00::1"));
        check(&["http://0.0.0.0:1", "unix:///a/b", "http://localhost:1"], None);
    }
}
