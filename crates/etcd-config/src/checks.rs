//! What must hold between the settings, in the order in which etcd checks it.

mod addresses;
mod bootstrap;
mod logging;
mod pace;
mod tls;

use crate::fault::Fault;
use crate::sections::auth;
use crate::sections::clustering::auto_compaction;
use crate::settings::Settings;

/// One check: adds what is wrong.
type Check = fn(&Settings, &mut Vec<Fault>);

const CHECKS: &[Check] = &[
    bootstrap::fallback,
    bootstrap::cluster_state,
    logging::logger,
    logging::outputs,
    logging::format_and_level,
    addresses::bindable,
    addresses::reachable,
    bootstrap::one_way,
    bootstrap::discovery,
    pace::elections,
    addresses::advertised,
    pace::compaction_mode,
    pace::tracing,
    pace::leases,
    pace::hash_check,
    tls::versions,
    // From here on etcd checks while it starts.
    tls::cipher_suites,
    tls::pairs,
    tls::allowed_names,
    tls::certificates,
    addresses::distinct,
    tls::validity,
    retention,
    token,
];

/// Every fault of settings that could be read.
pub(crate) fn run(settings: &Settings) -> Vec<Fault> {
    let mut faults = Vec::new();
    for check in CHECKS {
        check(settings, &mut faults);
    }
    faults
}

fn retention(settings: &Settings, faults: &mut Vec<Fault>) {
    let name = "auto-compaction-retention";
    if let Err(message) = auto_compaction(pace::mode(settings), &settings.text(name)) {
        let advice = "write a whole number or a duration such as 90m";
        faults.push(settings.fault(name, message, advice));
    }
}

fn token(settings: &Settings, faults: &mut Vec<Fault>) {
    let name = "auth-token";
    if let Err(message) = auth::token(&settings.text(name)) {
        let advice = "write simple, or jwt,sign-method=RS256,pub-key=FILE,priv-key=FILE,ttl=5m";
        faults.push(settings.fault(name, message, advice));
    }
}
