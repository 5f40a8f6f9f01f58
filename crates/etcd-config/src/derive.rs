//! Values that follow from other values: etcd's rules beyond plain defaults.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::Config;
use crate::sections::auth::{BCRYPT_COSTS, DEFAULT_BCRYPT_COST};
use crate::sections::clustering::{
    DEFAULT_CLIENT_URL, DEFAULT_INITIAL_CLUSTER, DEFAULT_PEER_URL, V2Deprecation,
};
use crate::sections::discovery::{Discovery, Secret};
use crate::sections::logging::DEFAULT_SLOW_REQUEST;
use crate::sections::member::{
    DEFAULT_BATCH_INTERVAL, DEFAULT_BATCH_LIMIT, DEFAULT_QUOTA_BYTES, MIN_PEER_TIMEOUT, Member,
};
use crate::sections::tuning::{
    DEFAULT_COMPACTION_BATCH, DEFAULT_COMPACTION_SLEEP, DEFAULT_PROGRESS_INTERVAL,
    MIN_PROGRESS_INTERVAL, Tuning,
};
use crate::settings::Settings;
use crate::url::{Address, Url};
use crate::warning::Warning;

/// The name of a member that was given none.
const DEFAULT_NAME: &str = "default";

/// Replaces values that etcd replaces before it checks them.
pub(crate) fn clear_replaced_defaults(settings: &mut Settings) {
    // Whoever discovers the members has no list of them, unless it was given.
    let discovers = if settings.has_word_rules() {
        let names = ["discovery-srv", "discovery-srv-name", "discovery-endpoints"];
        names.iter().any(|name| settings.is_given(name)) && !settings.is_given("initial-cluster")
    } else {
        let found = !settings.text("discovery-srv").is_empty()
            || !settings.texts("discovery-endpoints").is_empty();
        let name = match settings.text("name") {
            name if name.is_empty() => DEFAULT_NAME.to_owned(),
            name => name,
        };
        let urls = settings.urls("initial-advertise-peer-urls");
        let cluster = settings.text("initial-cluster");
        let is_default =
            [DEFAULT_INITIAL_CLUSTER, &initial_cluster(&name, &urls)].contains(&cluster.as_str());
        found && is_default
    };
    if discovers {
        settings.replace("initial-cluster", "");
    }
    if settings.text("initial-cluster-state").is_empty() {
        settings.replace("initial-cluster-state", "new");
    }
    if !settings.has_word_rules() && settings.get::<u64>("self-signed-cert-validity") == 0 {
        settings.replace("self-signed-cert-validity", 1_u64);
    }
    // The flag has no effect in etcd either.
    settings.replace("v2-deprecation", "write-only");
}

/// Fills in what follows from checked values.
pub(crate) fn derive(
    config: &mut Config,
    default_route: impl FnOnce() -> Option<IpAddr>,
) -> Vec<Warning> {
    let mut warnings = advertise(config, default_route);
    config.clustering.v2_deprecation = V2Deprecation::WriteOnly;
    let member = &mut config.member;
    if member.data_dir.as_os_str().is_empty() {
        member.data_dir = PathBuf::from(format!("{}.etcd", member.name));
        let warning = Warning::warn("no data directory was given; using one named by the member");
        warnings.push(warning.with("data-dir", member.data_dir.display()));
    }
    limits(member);
    tuning(&mut config.tuning);
    or_default(&mut config.logging.warning_unary_request_duration, DEFAULT_SLOW_REQUEST);
    if !BCRYPT_COSTS.contains(&config.auth.bcrypt_cost) {
        let warning = Warning::warn("--bcrypt-cost is out of range; using the default");
        let warning = warning.with("given", config.auth.bcrypt_cost);
        warnings.push(warning.with("default", DEFAULT_BCRYPT_COST));
        config.auth.bcrypt_cost = DEFAULT_BCRYPT_COST;
    }
    split_password(&mut config.discovery);
    warnings
}

/// A listener on all addresses is advertised at the one that the default route leaves from; a name
/// alone names the default initial cluster.
fn advertise(config: &mut Config, default_route: impl FnOnce() -> Option<IpAddr>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let Config { member, clustering, .. } = config;
    let peer = port_of_any(
        &member.listen_peer_urls,
        &clustering.initial_advertise_peer_urls,
        DEFAULT_PEER_URL,
    );
    let client = port_of_any(
        &member.listen_client_urls,
        &clustering.advertise_client_urls,
        DEFAULT_CLIENT_URL,
    );
    if peer.is_some() || client.is_some() {
        match default_route() {
            Some(ip) => {
                let replace = |urls: &mut Vec<Url>, port: Option<u16>| {
                    if let Some(port) = port {
                        urls[0] = urls[0].at(ip, port);
                    }
                };
                replace(&mut clustering.initial_advertise_peer_urls, peer);
                replace(&mut clustering.advertise_client_urls, client);
                let warning = Warning::info("advertising the address of the default route");
                warnings.push(warning.with("host", ip));
            }
            None => warnings.push(Warning::warn(
                "no default route found; the default advertise URLs name localhost, where no \
                 other machine reaches this member",
            )),
        }
    }
    if member.name != DEFAULT_NAME && clustering.initial_cluster == DEFAULT_INITIAL_CLUSTER {
        let name = if member.name.is_empty() { DEFAULT_NAME } else { &member.name };
        clustering.initial_cluster = initial_cluster(name, &clustering.initial_advertise_peer_urls);
    }
    warnings
}

/// The port of the first listener, if that listens on all IPv4 addresses and what is advertised is
/// the default.
fn port_of_any(listen: &[Url], advertised: &[Url], default: &str) -> Option<u16> {
    match (listen.first()?.address(), advertised) {
        (Address::Tcp { host, port }, [url]) if host == "0.0.0.0" && url.as_str() == default => {
            Some(*port)
        }
        _ => None,
    }
}

fn initial_cluster(name: &str, urls: &[Url]) -> String {
    let entries: Vec<String> = urls.iter().map(|url| format!("{name}={url}")).collect();
    entries.join(",")
}

fn limits(member: &mut Member) {
    if member.quota_backend_bytes == 0 {
        member.quota_backend_bytes = DEFAULT_QUOTA_BYTES;
    }
    if member.backend_batch_limit == 0 {
        member.backend_batch_limit = DEFAULT_BATCH_LIMIT;
    }
    or_default(&mut member.backend_batch_interval, DEFAULT_BATCH_INTERVAL);
    member.raft_read_timeout = member.raft_read_timeout.max(MIN_PEER_TIMEOUT);
    member.raft_write_timeout = member.raft_write_timeout.max(MIN_PEER_TIMEOUT);
}

fn tuning(tuning: &mut Tuning) {
    if tuning.compaction_batch_limit == 0 {
        tuning.compaction_batch_limit = DEFAULT_COMPACTION_BATCH;
    }
    or_default(&mut tuning.compaction_sleep_interval, DEFAULT_COMPACTION_SLEEP);
    or_default(&mut tuning.watch_progress_notify_interval, DEFAULT_PROGRESS_INTERVAL);
    tuning.watch_progress_notify_interval =
        tuning.watch_progress_notify_interval.max(MIN_PROGRESS_INTERVAL);
}

fn or_default(duration: &mut Duration, default: Duration) {
    if duration.is_zero() {
        *duration = default;
    }
}

/// `name:password` is split where no password was given for itself.
fn split_password(discovery: &mut Discovery) {
    if !discovery.discovery_password.0.is_empty() {
        return;
    }
    if let Some((name, password)) = discovery.discovery_user.split_once(':') {
        discovery.discovery_password = Secret(password.to_owned());
        discovery.discovery_user = name.to_owned();
    }
}
