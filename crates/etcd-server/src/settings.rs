//! What the configuration says, in the words of each component.

use std::sync::Arc;
use std::time::Duration;

use etcd_api::{Detail, Feature, LeaseOptions, Retention};
use etcd_config::{
    AutoCompaction, Clustering, Hazards, LogLevel, Logging, Member, Monitoring, Tuning,
};
use etcd_gateway::Profiling;
use etcd_raft::{Connect, Options};
use etcd_transport::{ClientTls, DialOptions, Dialer, ListenOptions, ServerTls};

use crate::Error;
use crate::bootstrap::Beginning;
use crate::data_directory::Places;
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

pub(crate) fn dial_options(member: &Member, tls: Option<ClientTls>) -> DialOptions {
    let connect_timeout = DIAL_TIME + member.election_timeout;
    DialOptions { tls, connect_timeout, ..DialOptions::default() }
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

pub(crate) fn leases(member: &Member, dialer: &Dialer) -> LeaseOptions {
    LeaseOptions {
        connect: connect(dialer.clone()),
        heartbeat_interval: member.heartbeat_interval,
        election_timeout: member.election_timeout,
        checkpoint: member.feature_gates.lease_checkpoint,
        fast_keep_alive: member.feature_gates.fast_lease_keep_alive,
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
